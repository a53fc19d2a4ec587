"""`catalens ui`: a page in the browser for pictures, catalogues, reviews and batches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from catalens.cli.commands import command
from catalens.cli.options import settings
from catalens.cli.remote import checked_address
from catalens.cli.serve import key_from
from catalens.core.errors import InputError


@command(
    "catalens ui",
    "catalens ui shop.catalens",
    "catalens ui shop.catalens --model starter --model ViT-L-14/openai",
    "catalens ui --server http://gpu:8080",
    "catalens ui shop.catalens --host 0.0.0.0 --api-key-file key.txt",
)
def ui(
    catalogues: Annotated[
        list[str] | None,
        Argument(metavar="CATALOGUE", help="Catalogues to search, as FILE or NAME=FILE."),
    ] = None,
    server: Annotated[
        str | None,
        Option(
            metavar="URL",
            help="Use the models and catalogues of a `catalens serve`; its key is CATALENS_SERVER_KEY.",
        ),
    ] = None,
    host: Annotated[str, Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8090,
    api_key_file: Annotated[
        Path | None,
        Option(metavar="FILE", help="File with the key that the page asks its users for."),
    ] = None,
    model: Annotated[
        list[str] | None,
        Option("--model", "-m", metavar="NAME", help="Encoder; may be repeated, to compare models."),
    ] = None,
    reader: Annotated[str | None, Option(help="Reader, which captions and answers.")] = None,
) -> None:
    """Open a web page for tagging, search, review and comparison; it works without a network.

    The page is served from this machine and loads nothing from other hosts. What a user looks at stays
    in that user's browser.
    """
    try:
        from catalens.serving.config import load_config
        from catalens.ui.running import catalogues_named, models_named, run_page, run_page_at
    except ModuleNotFoundError as error:
        raise InputError("catalens ui needs more than the base install: pip install 'catalens[ui]'") from error
    now = settings()
    where = {"host": host, "port": port, "api_key": key_from(api_key_file)}
    if server is not None:
        if catalogues or model or reader:
            raise InputError("--server brings its own models and catalogues; leave out CATALOGUE, --model and --reader")
        run_page_at(checked_address(server), load_config(None, now.serve, where), server_key=now.server_key)
        return
    encoders = model or ([now.model] if now.model else [])
    flags = {
        "models": models_named(encoders, reader or now.reader),
        "catalogues": catalogues_named(catalogues or []) or None,
        "pictures": True,
        "reviews": True,
        "cache": None if "cache" in now.serve else now.cache,
        "max_pixels": None if "max_pixels" in now.serve else now.max_pixels,
    }
    run_page(load_config(None, now.serve, where | flags))
