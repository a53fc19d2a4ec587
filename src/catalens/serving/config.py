"""Configuration of the service: a YAML file, `CATALENS_SERVE_*` variables and flags, in rising precedence."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails

from catalens.core.errors import InputError
from catalens.core.images import Limits
from catalens.core.json_text import parse_json
from catalens.pipelines.session import SessionConfig
from catalens.serving.batcher import BatchRules

DEFAULT_MODEL = "default"


def _listed(value: object) -> object:
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


def _parsed(value: object) -> object:
    """Read a variable's JSON; a file's mapping stays."""
    try:
        return parse_json(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError('not JSON, such as {"name": …}') from error


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(_Section):
    """One model that is served: an encoder and a reader, each in a worker process of its own."""

    encoder: str | None = Field(default=None, description="Encoder; null routes each picture to a bundled one.")
    reader: str = Field(default="starter", description="Reader, which captions and answers.")
    device: str | None = Field(default=None, description='Device of torch, such as "cuda:0".')
    runtime: str = Field(
        default="auto", description="Runtime of compiled encoders: auto, onnxruntime, openvino or torch."
    )
    quantise: Literal["8bit", "4bit"] | None = Field(default=None, description="Quantise a torch reader's weights.")
    threads: int | None = Field(default=None, ge=1, description="Processor threads of each worker.")
    load: Literal["eager", "lazy"] = Field(default="eager", description="Load at start, or at the first request.")
    max_batch: int = Field(default=32, ge=1, description="Maximum pictures per batch.")

    def session(self, config: ServeConfig) -> SessionConfig:
        """Return what a worker's session loads."""
        return SessionConfig(
            encoder=self.encoder,
            reader=self.reader,
            device=self.device,
            runtime=self.runtime,
            quantise=self.quantise,
            threads=self.threads,
            limits=config.limits,
            cache=config.cache,
            timeout_s=config.request_timeout_s,
        )


class ServeConfig(_Section):
    """Everything that can be configured; each field is also a variable `CATALENS_SERVE_<FIELD>`."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port; 0 takes a free one.")
    api_key: SecretStr | None = Field(default=None, description="Key that callers send as `Authorization: Bearer KEY`.")
    task: Literal["caption", "prompt", "tags", "attributes", "embedding", "description"] = Field(
        default="caption", description="What /invocations does with a picture alone."
    )
    writer: str = Field(default="template", description="Writer of product descriptions.")
    models: Annotated[dict[str, ModelConfig], BeforeValidator(_parsed)] = Field(
        default_factory=lambda: {DEFAULT_MODEL: ModelConfig()}, min_length=1, description="Name → model."
    )
    catalogues: Annotated[dict[str, str], BeforeValidator(_parsed)] = Field(
        default={}, description="Name → file or address."
    )
    cache: Path | None = Field(default=None, description="Folder for what can be made again, such as label vectors.")
    writable: bool = Field(default=False, description="Whether requests may add and delete records.")
    pictures: bool = Field(default=False, description="Whether requests may see the pictures of records.")
    reviews: bool = Field(default=False, description="Whether requests may decide the questions of a review.")
    allowed_hosts: Names = Field(default=(), description="Hosts that pictures may be fetched from.")
    cors_origins: Names = Field(default=(), description="Origins that browsers may call from.")
    max_body_bytes: int = Field(default=32 * 2**20, ge=1024, description="Maximum request body.")
    max_pixels: int = Field(default=64_000_000, ge=1, description="Maximum pixels of a picture.")
    max_pictures: int = Field(default=64, ge=1, description="Maximum pictures or lines per request.")
    max_labels: int = Field(default=1000, ge=1, description="Maximum labels or answers per request.")
    max_texts: int = Field(default=512, ge=1, description="Maximum texts per request.")
    max_text_chars: int = Field(default=8000, ge=1, description="Maximum length of a text.")
    max_concurrency: int = Field(default=512, ge=1, description="Maximum requests at a time; more get 429.")
    max_queue: int = Field(default=256, ge=1, description="Maximum pictures waiting per worker; more get 429.")
    max_delay_ms: float = Field(default=5.0, ge=0, le=1000, description="How long a batch waits for more requests.")
    request_timeout_s: float = Field(default=60.0, gt=0, description="Maximum seconds for a request.")
    body_timeout_s: float = Field(default=20.0, gt=0, description="Maximum seconds for a request's body to arrive.")
    batch_timeout_s: float = Field(default=120.0, gt=0, description="Seconds after which a worker counts as hung.")
    drain_s: float = Field(default=20.0, ge=0, description="Seconds that requests may take to finish at shutdown.")
    memory_limit_mb: int | None = Field(
        default=None, ge=1, description="Memory beyond which idle lazy models are unloaded."
    )
    log_json: bool = Field(default=False, description="Log JSON lines.")
    traces: bool = Field(default=False, description="Send OpenTelemetry traces; OTEL_* variables say where to.")

    @model_validator(mode="after")
    def _names_are_plain(self) -> ServeConfig:
        for name in (*self.models, *self.catalogues):
            if not name or not all(letter.isalnum() or letter in "-_." for letter in name):
                raise ValueError(f"{name!r} is not a name; use letters, digits, '-', '_' and '.'")
        return self

    @property
    def limits(self) -> Limits:
        """What a picture may cost."""
        return Limits(max_bytes=self.max_body_bytes, max_pixels=self.max_pixels)

    @property
    def default_model(self) -> str:
        """The model of requests that name none: the first."""
        return next(iter(self.models))

    def batch_rules(self, model: ModelConfig) -> BatchRules:
        """Return how batches of a model are formed."""
        return BatchRules(model.max_batch, self.max_delay_ms / 1000, self.max_queue)


def load_config(
    path: Path | None = None,
    variables: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    *,
    first_model: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> ServeConfig:
    """Read a configuration; flags override variables, which override the file.

    Args:
        path: YAML file.
        variables: field → text, from `CATALENS_SERVE_<FIELD>`.
        flags: field → value; None is not given.
        first_model: flags for the first model: setting → value; None is not given.
        defaults: field → value where nothing else gives one; None is not given.

    Raises:
        InputError: the file cannot be read, or a value is not accepted.
    """
    given = _given(defaults)
    if path is not None:
        given |= _read(path)
    given |= dict(variables or {})
    given |= _given(flags)
    try:
        if of_first := _given(first_model):
            given["models"] = _with_first(_parsed(given.get("models", {DEFAULT_MODEL: {}})), of_first)
        return ServeConfig.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(map(_sentence, error.errors(include_input=False, include_url=False)))
        raise InputError(f"the service cannot be configured so: {problems}") from None
    except ValueError as error:
        raise InputError(f"the service cannot be configured so: models: {error}") from None


def _given(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (values or {}).items() if value is not None}


def _with_first(models: Any, changes: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what a file says; checked later
    if not isinstance(models, dict) or not models or not isinstance(first := next(iter(models.values())), dict):
        return models
    return {**models, next(iter(models)): {**first, **changes}}


def _sentence(error: ErrorDetails) -> str:
    """Return what is wrong with a setting; of an unknown one, which it may have been meant to be."""
    *place, name = (str(part) for part in error["loc"]) if error["loc"] else ("configuration",)
    where = ".".join((*place, name))
    if error["type"] != "extra_forbidden":
        return f"{where}: {error['msg'].removeprefix('Value error, ')}"
    near = get_close_matches(name, (ModelConfig if place else ServeConfig).model_fields, n=1)
    return f"{where} is not a setting" + (f"; did you mean {near[0]}?" if near else "; docs/serve.md lists them")


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())
        raise InputError(f"the configuration {path} cannot be read: {reason}") from error
    if content is not None and not isinstance(content, dict):
        raise InputError(f"the configuration {path} is not a mapping of settings")
    return content or {}
