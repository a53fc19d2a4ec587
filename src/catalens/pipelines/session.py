"""A session loads each model once and hands it out, with a lock per model; it knows nothing of tasks or pictures."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from catalens.core.confinement import restrict_reading
from catalens.core.images import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from catalens.core.protocols import Encoder, Painter, Writer
    from catalens.models.readers import Reader
    from catalens.models.routing import Router

T = TypeVar("T")

Preparation = Callable[[str, int, int | None], None]
"""Called with what is being prepared, how far it is, and how much it is in all (None: nobody knows)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """Which models a session uses, and where they run. It can be pickled: a worker builds its own session from it.

    Attributes:
        encoder: its name; None routes each image to the bundled encoder of its domain.
        reader: the name of what captions and answers.
        device: where torch runs models, such as "cpu" or "cuda:0"; None is the best there is.
        runtime: what runs compiled encoders: "auto", "onnxruntime", "openvino" or "torch".
        quantise: keep a torch reader's weights in 8 or 4 bits.
        threads: processor threads of a model; None uses every core.
        workers: threads that decode pictures; None is one per processor, 0 decodes in the thread that runs the models.
        limits: what a picture may cost, in bytes and pixels.
        root: the only folder that pictures, tables and sources are read from, in the whole process; None allows
            every file, unless `restrict_reading` said otherwise.
        cache: folder for what can be made again, such as label vectors; None keeps nothing of tasks on disk.
        api_key: for servers of chat completions; None sends none.
        timeout_s: longest wait for one answer of a server.
    """

    encoder: str | None = None
    reader: str = "starter"
    device: str | None = None
    runtime: str = "auto"
    quantise: Literal["8bit", "4bit"] | None = None
    threads: int | None = None
    workers: int | None = None
    limits: Limits = DEFAULT_LIMITS
    root: Path | None = None
    cache: Path | None = None
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 60.0


class Session:
    """Models by name, each loaded when it is first asked for. Safe to share between threads."""

    def __init__(
        self,
        config: SessionConfig = SessionConfig(),
        *,
        on_progress: Preparation | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        """Take the models to use, and the callbacks for the progress of long preparations and for notices."""
        self.config = config
        if config.root is not None:
            restrict_reading(config.root)
        self.on_progress = on_progress
        self._on_notice = on_notice
        self._loaded: dict[tuple[Any, ...], Any] = {}
        self._locks: dict[str, threading.RLock] = {}
        self._guard = threading.RLock()

    @property
    def workers(self) -> int:
        """Threads that decode pictures."""
        return self.config.workers if self.config.workers is not None else os.cpu_count() or 1

    @property
    def label_cache(self) -> Path | None:
        """The folder for encoded labels."""
        return None if self.config.cache is None else self.config.cache / "labels"

    def encoder(self, name: str | None = None) -> Encoder:
        """Return an encoder by name; None is the configured one, or the bundled product encoder.

        Raises:
            ModelError: it cannot be had.
        """
        from catalens.models.registry import load_encoder

        wanted, config = name or self.config.encoder or "starter", self.config
        return self._once(
            ("encoder", wanted),
            lambda: load_encoder(
                wanted, runtime=config.runtime, threads=config.threads, device=config.device, cache=config.cache
            ),
        )

    def router(self, name: str | None = None) -> Router:
        """Return what encodes images: the named or configured encoder, or the bundled ones, chosen by the image."""
        from catalens.models.routing import SingleEncoder, bundled_router

        if name is not None or self.config.encoder is not None:
            return SingleEncoder(self.encoder(name))
        return self._once(("router",), lambda: bundled_router(self.encoder))

    def reader(self, name: str | None = None) -> Reader:
        """Return a reader by name; None is the configured one.

        Raises:
            ModelError: it cannot be had.
        """
        from catalens.models.readers import load_reader

        wanted, config = name or self.config.reader, self.config
        return self._once(
            ("reader", wanted),
            lambda: load_reader(
                wanted,
                device=config.device,
                quantise=config.quantise,
                threads=config.threads,
                api_key=config.api_key,
                timeout_s=config.timeout_s,
                cache=config.cache,
            ),
        )

    def writer(self, name: str) -> Writer:
        """Return a writer by name, such as "bedrock:MODEL-ID" or "openai:URL#MODEL".

        Raises:
            ModelError: it cannot be had.
        """
        from catalens.models.writers import load_writer

        config = self.config
        return self._once(
            ("writer", name), lambda: load_writer(name, api_key=config.api_key, timeout_s=config.timeout_s)
        )

    def painter(self, name: str, *, dtype: str = "auto", region: str | None = None) -> Painter:
        """Return a painter by name.

        Raises:
            ModelError: it cannot be had.
        """
        from catalens.models.painters.loading import load_painter

        return self._once(
            ("painter", name, dtype, region),
            lambda: load_painter(name, device=self.config.device or "auto", dtype=dtype, region=region),
        )

    def paced(self, encoder: Encoder) -> Encoder:
        """Return an encoder for many texts, which a session may encode in pieces; this one encodes them at once."""
        return encoder

    def notify(self, notice: str) -> None:
        """Pass on a sentence that is not a result."""
        if self._on_notice is not None:
            self._on_notice(notice)

    def lock(self, model_name: str) -> threading.RLock:
        """Return the lock to hold while a model computes: models keep state, such as the last prompt's keys."""
        with self._guard:
            return self._locks.setdefault(model_name, threading.RLock())

    def unload(self) -> None:
        """Release every model; each is loaded again when it is next asked for."""
        with self._guard:
            for model in self._loaded.values():
                with suppress(AttributeError):  # encoders and writers hold nothing that must be closed
                    model.close()
            self._loaded.clear()
        gc.collect()  # a model is a web of references: its memory comes back only now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unload()

    def _once(self, key: tuple[Any, ...], load: Callable[[], T]) -> T:
        with self._guard:
            if key not in self._loaded:
                self._loaded[key] = load()
            model: T = self._loaded[key]
            return model
