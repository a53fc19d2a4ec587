"""The environment, read once into one frozen value; no lower room looks at it.

A flag beats a variable, a variable beats a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from catalens.core.errors import InputError

KNOWN = {
    "CATALENS_MODEL": "the encoder that commands use when --model is not given",
    "CATALENS_READER": "the reader that caption and ask use when --model is not given",
    "CATALENS_CACHE": "cache folder, for encoded labels, compiled graphs and the like",
    "CATALENS_RUNTIME": "what runs the encoder: auto, onnxruntime or openvino",
    "CATALENS_MAX_PIXELS": "the largest picture that is decoded, in pixels (width times height)",
    "CATALENS_ROOT": "the only folder that pictures, tables and sources are read from; see --root",
    "CATALENS_DEBUG": "1: show the traceback behind an error",
    "CATALENS_DATA": "the folder of the product tables that training and some tests read",
    "CATALENS_SERVE_*": "settings of `catalens serve`, such as CATALENS_SERVE_PORT; see docs/serve.md",
    "CATALENS_SERVER_KEY": "the key that --server sends",
    "OPENAI_API_KEY": "the key that is sent to servers of chat completions",
}
"""Every variable that is read, with what it does."""
SECRETS = (
    *("OPENAI_API_KEY", "CATALENS_SERVER_KEY", "CATALENS_SERVE_API_KEY", "HF_TOKEN", "PGPASSWORD"),
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
)
"""Variables whose values are in no message; some are read by libraries alone."""
SERVE_PREFIX = "CATALENS_SERVE_"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says.

    Attributes:
        model: the encoder's name, or a bundle's folder; None routes each picture to a bundled encoder.
        reader: the name of what captions and answers.
        cache: a folder that may be deleted at any time.
        runtime: what runs the encoder's graphs.
        max_pixels: the largest picture that is decoded; None is the default limit.
        root: the only folder that pictures, tables and sources are read from; None allows every file.
        debug: whether errors show their traceback.
        data: the folder of the product tables, or None.
        api_key: for servers of chat completions; None sends none.
        server_key: for a `catalens serve`; None sends none.
        serve: setting of the HTTP service → text; the service checks them.
    """

    cache: Path
    model: str | None = None
    reader: str = "starter"
    runtime: str = "auto"
    max_pixels: int | None = None
    root: Path | None = None
    debug: bool = False
    data: Path | None = None
    api_key: str | None = field(default=None, repr=False)
    server_key: str | None = field(default=None, repr=False)
    serve: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read settings from a mapping such as `os.environ`; it changes and reads nothing else.

        Raises:
            InputError: a variable that starts with CATALENS_ is not known, or a value is not accepted.

        >>> Settings.from_env({"CATALENS_MODEL": "fake", "HOME": "/home/ann"}).model
        'fake'
        """
        for name in sorted(env):
            if name.startswith("CATALENS_") and name not in KNOWN and not name.startswith(SERVE_PREFIX):
                raise InputError(_unknown(name))
        data = env.get("CATALENS_DATA")
        return cls(
            model=env.get("CATALENS_MODEL") or None,
            cache=_cache_folder(env),
            reader=env.get("CATALENS_READER") or "starter",
            runtime=env.get("CATALENS_RUNTIME") or "auto",
            max_pixels=_count("CATALENS_MAX_PIXELS", env.get("CATALENS_MAX_PIXELS", "")),
            root=Path(env["CATALENS_ROOT"]).expanduser() if env.get("CATALENS_ROOT") else None,
            debug=_flag("CATALENS_DEBUG", env.get("CATALENS_DEBUG", "")),
            data=Path(data) if data else None,
            api_key=env.get("OPENAI_API_KEY") or None,
            server_key=env.get("CATALENS_SERVER_KEY") or None,
            serve={
                name.removeprefix(SERVE_PREFIX).lower(): value
                for name, value in env.items()
                if name.startswith(SERVE_PREFIX) and value
            },
        )


def _unknown(name: str) -> str:
    near = get_close_matches(name, KNOWN, n=1)
    hint = f": did you mean {near[0]}?" if near else "."
    return f"the environment variable {name} is not known{hint} Known: {', '.join(KNOWN)}"


def _cache_folder(env: Mapping[str, str]) -> Path:
    if given := env.get("CATALENS_CACHE"):
        return Path(given).expanduser()
    home = env.get("HOME") or env.get("USERPROFILE") or "."
    return Path(env.get("XDG_CACHE_HOME") or Path(home) / ".cache") / "catalens"


def _count(name: str, value: str) -> int | None:
    if not value:
        return None
    if not value.isdecimal() or int(value) < 1:
        raise InputError(f"{name} is {value!r}; use a whole number of at least 1, such as 50000000")
    return int(value)


def _flag(name: str, value: str) -> bool:
    if value.lower() in {"", "0", "false", "no"}:
        return False
    if value.lower() in {"1", "true", "yes"}:
        return True
    raise InputError(f"{name} is {value!r}; use 1 or 0")
