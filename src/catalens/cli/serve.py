"""`catalens serve`: every capability over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from catalens.cli.commands import command
from catalens.cli.options import settings
from catalens.core.errors import InputError

_WHERE = "{} needs more than the base install: pip install 'catalens[serve]'"


@command(
    "catalens serve",
    "catalens serve --config serve.yaml",
    "catalens serve --host 0.0.0.0 --port 8080 --api-key-file key.txt",
    "catalens serve --task prompt --catalogue shop=shop.catalens --writable",
    "curl -s localhost:8080/v1/captions -H 'content-type: image/jpeg' --data-binary @photo.jpg",
)
def serve(
    config: Annotated[Path | None, Option(metavar="FILE", help="YAML configuration.")] = None,
    host: Annotated[str | None, Option(help="Address to listen on. \\[127.0.0.1]")] = None,
    port: Annotated[int | None, Option(min=0, max=65535, help="Port; 0 takes a free one. \\[8080]")] = None,
    api_key_file: Annotated[
        Path | None, Option(metavar="FILE", help="File with the key that callers must send.")
    ] = None,
    model: Annotated[str | None, Option("--model", "-m", help="Encoder of the (first) served model.")] = None,
    reader: Annotated[str | None, Option(help="Reader of the (first) served model.")] = None,
    task: Annotated[
        Literal["caption", "prompt", "tags", "attributes", "embedding", "description"] | None,
        Option(help="What /invocations does with a picture alone. \\[caption]"),
    ] = None,
    catalogue: Annotated[
        list[str] | None, Option(metavar="NAME=FILE", help="Catalogue to search; may be repeated.")
    ] = None,
    writable: Annotated[bool, Option("--writable", help="Let requests add and delete records.")] = False,
    pictures: Annotated[bool, Option("--pictures", help="Let requests see the pictures of records.")] = False,
    reviews: Annotated[bool, Option("--reviews", help="Let requests decide the questions of a review.")] = False,
    log_json: Annotated[bool, Option("--log-json", help="Log JSON lines.")] = False,
    traces: Annotated[
        bool, Option("--traces", help="Send OpenTelemetry traces; OTEL_* variables say where to.")
    ] = False,
) -> None:
    """Serve tags, attributes, captions, answers, prompts, descriptions, embeddings and search over HTTP.

    Every setting can be given in a YAML file, as a CATALENS_SERVE_* variable, or as a flag; flags override variables,
    which override the file. See docs/serve.md.
    """
    try:
        from catalens.serving.config import DEFAULT_MODEL, load_config
        from catalens.serving.server import serve as run
    except ModuleNotFoundError as error:
        raise InputError(_WHERE.format("catalens serve")) from error
    now = settings()
    flags = {
        "host": host,
        "port": port,
        "api_key": key_from(api_key_file),
        "task": task,
        "catalogues": _catalogues(catalogue or []) or None,
        "writable": writable or None,
        "pictures": pictures or None,
        "reviews": reviews or None,
        "log_json": log_json or None,
        "traces": traces or None,
    }
    usual = {"encoder": now.model, "reader": now.reader, "runtime": now.runtime}
    defaults = {
        "cache": now.cache,
        "max_pixels": now.max_pixels,
        "models": {DEFAULT_MODEL: {name: value for name, value in usual.items() if value is not None}},
    }
    first = {"encoder": model, "reader": reader}
    run(load_config(config, now.serve, flags, first_model=first, defaults=defaults))


def key_from(path: Path | None) -> str | None:
    """Read a key from a file: flags are seen by everybody on the machine."""
    if path is None:
        return None
    key = path.read_text(encoding="utf-8").strip()
    if not key:
        raise InputError(f"{path} is empty; write the key to it")
    return key


def _catalogues(given: list[str]) -> dict[str, str]:
    found = dict(each.partition("=")[::2] for each in given)
    if not all(found) or not all(found.values()):
        raise InputError("--catalogue takes NAME=FILE, such as shop=shop.catalens")
    return found
