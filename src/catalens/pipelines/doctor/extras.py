"""Which extras are complete, what the others lack, and what each is for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

NAME = "catalens"
PURPOSES = {
    "": "the bundled models, search and every file format of the base install",
    "openvino": "the runtime that is faster on many CPUs",
    "graph": "approximate search in catalogues of half a million records and more",
    "parquet": "parquet tables, sources and shards",
    "heif": "HEIC and HEIF photos",
    "demo": "photographs for `catalens demo`",
    "remote": "readers and writers behind an OpenAI-style address",
    "aws": "Bedrock, SageMaker, s3:// and signed requests to OpenSearch",
    "client": "--server, and `catalens.client`",
    "serve": "`catalens serve`",
    "tracing": "`catalens serve --traces`: OpenTelemetry",
    "ui": "`catalens ui`, the page in the browser",
    "opensearch": "catalogues on OpenSearch",
    "postgres": "catalogues in PostgreSQL",
    "ray": "`catalens enrich --engine ray`",
    "report": "`catalens eval … --report`: plots and confidence intervals",
    "hub": "pretrained models: CLIP, SigLIP, BLIP, BLIP-2, GIT, chat models",
    "finetune": "`catalens finetune answers` and `finetune encoder`",
    "quantise": "`--quantise`: readers' weights in 8 or 4 bits",
    "tracking": "`--tensorboard` of fine-tuning",
    "restyle": "`catalens restyle` with diffusion models",
}
"""Extra → what it is for; "" is the base install."""
DEVELOPERS = ("dev", "dev-models", "bench", "bench-models", "docs", "train")
"""Extras for work on Catalens itself, which are not examined."""


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra; "" is the base install.

    Attributes:
        name: as in pip install "catalens[name]".
        purpose: what it is for.
        missing: its requirements that are not met, such as "usearch>=2.16 (not installed)".
    """

    name: str
    purpose: str
    missing: Sequence[str]

    @property
    def install(self) -> str:
        """The command that completes it."""
        return f'pip install "{NAME}[{self.name}]"' if self.name else f"pip install --force-reinstall {NAME}"


def find_extras() -> list[Extra]:
    """Return the base install and every extra, with what is missing of each; empty if Catalens is not installed."""
    names = ("", *(name for name in _names() if name not in DEVELOPERS))
    return [Extra(name, PURPOSES.get(name, ""), list(_missing(name))) for name in names] if _requirements() else []


def _names() -> list[str]:
    from importlib.metadata import metadata

    try:
        return metadata(NAME).get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return []


def _requirements() -> list[str]:
    try:
        return requires(NAME) or []
    except PackageNotFoundError:
        return []


def _missing(extra: str) -> Iterator[str]:
    """Yield the requirements of an extra that are not met; those of extras that it brings along too."""
    from packaging.requirements import Requirement

    for text in _requirements():
        each = Requirement(text)
        if each.marker is not None and not each.marker.evaluate({"extra": extra}):
            continue
        if each.marker is None and extra:
            continue  # of the base install
        if each.name == NAME:
            for inner in sorted(each.extras):
                yield from _missing(inner)
        elif (state := _state(each.name, str(each.specifier))) is not None:
            yield f"{each.name}{each.specifier} ({state})"


def _state(name: str, wanted: str) -> str | None:
    """Return what is wrong with a distribution; None if nothing is."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    try:
        found: str | None = version(name)
    except PackageNotFoundError:
        return "not installed"
    try:
        fits = found is not None and SpecifierSet(wanted).contains(found, prereleases=True)
    except InvalidVersion:
        fits = False
    return None if fits else f"{found} is installed" if found else "its metadata is damaged"
