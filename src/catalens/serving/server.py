"""Running the application: sockets, signals, logs and the exit code."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from catalens.core.errors import CatalensError, InputError
from catalens.core.memory import collect_rarely
from catalens.serving.config import ServeConfig
from catalens.serving.guard import App
from catalens.serving.logs import log_from_loop, log_in_service
from catalens.serving.service import Service

_HEADER_TIMEOUT_S = 10.0
_LAST_REQUESTS_S = 0.1
"""How long a connection without a request stays open at shutdown: one may have been sent and not been read."""
_MAX_HEADER_BYTES = 64 * 1024
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_log = logging.getLogger("catalens.serving")
_Result = TypeVar("_Result")


_CLOSE = (b"connection", b"close")
"""Of the last answers: a caller who did not know would send the next request on a connection that is being closed."""


class TimedProtocol(HttpToolsProtocol):
    """Closes connections whose request line and headers do not arrive in time, or never end."""

    header_timeout_s = _HEADER_TIMEOUT_S
    _header_bytes = 0
    _steps = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's transport
        """Start the clock."""
        super().connection_made(transport)
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Parse, and count what belongs to no body: a header of megabytes takes quadratic time."""
        steps = self._steps
        super().data_received(data)
        self._header_bytes = self._header_bytes + len(data) if steps == self._steps else 0
        if self._header_bytes > _MAX_HEADER_BYTES and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_TOO_LARGE)
                self.transport.close()
            else:  # what follows a body
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Note that something has begun or ended."""
        self._steps += 1
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Note that something has begun or ended."""
        self._steps += 1
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Stop the clock."""
        self._steps += 1
        self._disarm()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Start the clock for the next request of a connection that is kept."""
        super().on_response_complete()
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._disarm()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close the connection once its request is answered, or at once where none is on its way."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(_LAST_REQUESTS_S, super().shutdown)  # what was sent already is still read
        else:
            if _CLOSE not in self.cycle.default_headers:
                self.cycle.default_headers = [*self.cycle.default_headers, _CLOSE]
            super().shutdown()

    def _arm(self) -> None:
        self._disarm()
        self._timer = self.loop.call_later(self.header_timeout_s, self._late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


def serve(config: ServeConfig, around: Callable[[App], App] = lambda app: app) -> None:
    """Serve until SIGTERM or SIGINT; then drain.

    Args:
        config: of the service.
        around: puts something before the service, such as a page.

    Raises:
        CatalensError: an eager model cannot be loaded.
    """
    prepare(config)
    service = Service(config)
    service.launch()
    from catalens.serving.app import app_of  # half a second, in which the models load

    guard = app_of(service)
    server = server_of(config, around(guard))
    collect_rarely()
    failure = run_server(server, _run(server, service))
    if failure is not None:
        raise failure


def prepare(config: ServeConfig) -> None:
    """Begin to log, and warn where strangers may call.

    Raises:
        InputError: the address is taken, or is none of this machine.
    """
    log_in_service(as_json=config.log_json)
    _check_address(config)
    if config.host not in LOOPBACK and config.api_key is None:
        _log.warning("listening on %s without a key: whoever reaches this port can use it", config.host)


def _check_address(config: ServeConfig) -> None:
    """Refuse an address that cannot be listened on, before any model is loaded; uvicorn would only say the errno."""
    refusals: list[str] = []
    try:
        found = socket.getaddrinfo(config.host or None, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise InputError(f"{config.host!r} is no address of this machine: {error.strerror}") from error
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                refusals.append(error.strerror or str(error))
    if len(refusals) == len(found):
        raise InputError(
            f"cannot listen on port {config.port} of {config.host}: {refusals[0].lower()}; "
            "name another --port, or 0 for any that is free"
        )


class Server(uvicorn.Server):
    """uvicorn's server, which leaves signals to `run_server`.

    uvicorn raises them again inside the event loop once it has drained: a KeyboardInterrupt in a task that nobody
    awaits any more, which asyncio reports with a traceback.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: they are captured around the event loop."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept whoever is connected already, whom closing the sockets would reset, and shut down."""
        loop = asyncio.get_running_loop()
        waiting = [each for server in self.servers for found in server.sockets for each in _waiting_at(found)]
        for server in self.servers:
            server.close()
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]

        def protocol() -> asyncio.Protocol:
            return self.config.http_protocol_class(  # type: ignore[call-arg]
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )

        for each in waiting:
            await loop.connect_accepted_socket(protocol, each)
        await super().shutdown(sockets)


def _waiting_at(found: Any) -> Iterator[socket.socket]:  # noqa: ANN401 - asyncio's or uvloop's view of a socket
    """Accept the connections that wait at a socket which listens."""
    with socket.fromfd(found.fileno(), found.family, found.type) as listening, suppress(OSError):
        listening.settimeout(0)
        while True:
            connection, _ = listening.accept()
            connection.settimeout(0)
            yield connection


def run_server(server: Server, main: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine that serves, and raise the signals that ended it once its event loop is closed.

    Args:
        server: what it serves with.
        main: the coroutine.

    Raises:
        KeyboardInterrupt: SIGINT ended it; SIGTERM ends the process.
        SystemExit: the port is taken.
    """
    with (
        uvicorn.Server.capture_signals(server),
        asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner,
    ):
        runner.get_loop().set_exception_handler(log_from_loop)
        result = runner.run(main)
    if not server.started:
        raise SystemExit(2)  # uvicorn has said why: the port is taken
    return result


def server_of(config: ServeConfig, app: App) -> Server:
    """Return uvicorn's server of an application, with the limits of this service."""
    return Server(
        uvicorn.Config(
            app,
            host=config.host,
            port=config.port,
            http=TimedProtocol,
            ws="none",  # there are no such routes, whatever library is installed
            loop="auto",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(config.drain_s)),
        )
    )


async def announce(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    """Say where a server listens, as soon as it does."""
    while not (server.started or serving.done()):
        await asyncio.wait([serving], timeout=0.02)
    if server.started:
        _log_address("listening", server)


def _log_address(what: str, server: uvicorn.Server) -> None:
    sockets = [each for found in server.servers for each in found.sockets]
    if sockets:  # a signal may have closed them already
        host, port = sockets[0].getsockname()[:2]
        _log.info("%s on http://%s:%d", what, f"[{host}]" if ":" in host else host, port)


async def _run(server: uvicorn.Server, service: Service) -> CatalensError | None:
    """Serve, and stop where an eager model cannot be had."""
    serving = asyncio.create_task(server.serve())
    await announce(server, serving)
    announced = False
    while not serving.done():
        await asyncio.wait([serving], timeout=0.1)
        if service.failure is not None:
            server.should_exit = True
        if server.started and not announced and service.is_ready:
            announced = True
            _log_address("ready", server)
    await serving
    return service.failure
