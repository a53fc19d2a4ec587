"""A plain FastAPI endpoint that encodes one picture per request: what the service is compared with."""

import base64
import socket
import sys

from starlette.requests import Request


def main(model: str) -> None:
    """Serve until terminated; the address is printed on standard error."""
    import uvicorn
    from fastapi import FastAPI
    from fastapi.concurrency import run_in_threadpool

    import catalens

    app = FastAPI()
    lens = catalens.load(encoder=model, cache=None)

    @app.post("/embed")
    async def embed(request: Request) -> dict[str, str]:
        vector = await run_in_threadpool(lens.encode, await request.body())
        return {"embedding": base64.b64encode(vector.tobytes()).decode()}

    lens.encode("warm-up")
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stderr.write(f"ready on http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stderr.flush()
    uvicorn.Server(uvicorn.Config(app, log_config=None)).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
