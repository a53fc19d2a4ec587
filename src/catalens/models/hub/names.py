"""Parses the names of pretrained models. Nothing is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Literal

from catalens.core.errors import InputError, ModelError
from catalens.models.hub.files import ADAPTER
from catalens.models.hub.known import KNOWN
from catalens.models.hub.layout import CONFIGS, find_layout
from catalens.models.hub.text_modules import PICTURES_OF

ACCEPTED = (
    "a name from `catalens models`; an open_clip pair such as ViT-L-14/openai; a hub id such as "
    "openai/clip-vit-base-patch32, or hf-hub:org/name for open_clip's; a sentence-transformers name such as "
    "clip-ViT-B-32; IMAGES+TEXTS, a CLIP model and a text model of sentence-transformers for its pictures; any of "
    "these with @REVISION; a folder; ARCH::weights.safetensors; s3://bucket/prefix"
)

NO_REVISIONS = "{name} has no revisions; only models of the hub do"
"""Message for a name with @ that has no revisions."""

_ZOO = re.compile(r"(ViT|RN\d|EVA0\d|MobileCLIP|PE-Core|coca_|convnext_|nllb-clip|roberta-|xlm-roberta)[^/\s]*")
_TAG = re.compile(r"[\w.-]+")
_OPENAI = re.compile(r"(ViT-[BL]/\d+(@\d+px)?|RN\d+(x\d+)?)")
_PINNED = re.compile(r"(?P<name>.+)@(?P<revision>\w[\w./-]*)")
_HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_SENTENCE_TRANSFORMERS = ("clip-ViT-B-32", "clip-ViT-B-16", "clip-ViT-L-14", *PICTURES_OF)
_LIKE, _BEGUN = 0.6, 0.9
"""Least similarity for a suggestion, and the similarity of a name with the same start; 1 is equal."""
_WEIGHTS = (".safetensors", ".pt", ".pth", ".bin")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model's files are.

    Attributes:
        name: canonical name: all spellings of a model share it, and so one index.
        kind: "hub", a repository; "zoo", an open_clip architecture and tag; "folder"; "file", weights of an
            open_clip architecture; "s3".
        target: the repository, the tag, the path, or the address.
        architecture: open_clip's name of it, for "zoo" and "file".
        open_clip: whether the name asks for open_clip's files where a repository has others too.
        revision: commit, branch or tag in the name; None if it has none.
        pictures: for a text model, the place of the model that encodes pictures; None for a model that does both.
    """

    name: str
    kind: Literal["hub", "zoo", "folder", "file", "s3"]
    target: str
    architecture: str = ""
    open_clip: bool = False
    revision: str | None = None
    pictures: Place | None = None

    def at(self, revision: str | None) -> Place:
        """Return the same place at a revision; None leaves the one of the name.

        Raises:
            InputError: the name asks for another revision.
            ModelError: the place has no revisions.
        """
        if revision is None or revision == self.revision:
            return self
        if self.kind not in ("hub", "zoo"):
            raise ModelError(NO_REVISIONS.format(name=self.target))
        if self.revision is not None:
            raise InputError(
                f"{self.name}@{self.revision} names a revision, but {revision!r} was passed too; pass only one"
            )
        return replace(self, revision=revision)


def parse(name: str, *, among: tuple[str, ...] = ()) -> Place:
    """Parse a name; a revision may follow after @.

    Args:
        name: as the user wrote it.
        among: other known names, for suggestions.

    Raises:
        ModelError: the name is not accepted (the message lists the nearest known ones), or has no revisions.

    >>> parse("ViT-L-14::openai@main").name
    'ViT-L-14/openai'
    >>> parse("clip-ViT-B-32").target
    'sentence-transformers/clip-ViT-B-32'
    """
    bare, revision = split_revision(name)
    place = _local(bare) or _pair(bare) or _prefixed(bare) or _zoo(bare) or _hub(bare)
    if place is None:
        raise ModelError(unknown(name, among))
    known = PICTURES_OF.get(place.name.rpartition("/")[2])
    if place.pictures is None and known is not None:
        place = replace(place, pictures=parse(known))
    return place.at(revision)


def split_revision(name: str) -> tuple[str, str | None]:
    """Split NAME@REVISION; an existing path, an address or a name such as ViT-L/14@336px stays whole.

    >>> split_revision("openai/clip-vit-base-patch32@main"), split_revision("ViT-L/14@336px")
    (('openai/clip-vit-base-patch32', 'main'), ('ViT-L/14@336px', None))
    """
    found = _PINNED.fullmatch(name)
    if (
        found is None
        or _OPENAI.fullmatch(name.removeprefix("open_clip:"))
        or name.startswith("s3://")
        or name.endswith(_WEIGHTS)
        or Path(name).expanduser().exists()
    ):
        return name, None
    return found["name"], found["revision"]


def unknown(name: str, among: tuple[str, ...] = ()) -> str:
    """Return the message for an unknown name, with the nearest known names."""
    return f"there is no model {name!r}{hint(name, among)}; accepted are: {ACCEPTED}"


def hint(name: str, among: Iterable[str] = ()) -> str:
    """Return " (did you mean …?)" with the nearest known names, or nothing if the name is known or none is near."""
    from catalens.models.known_readers import KNOWN_READERS

    readers = (each for spec in KNOWN_READERS for each in (spec.name, spec.repository))
    names = dict.fromkeys([*among, *(spec.name for spec in KNOWN), *readers])
    near = [] if name in names else nearest(name, names)
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Return at most three names, most similar first; a name without its owner, or only its start, matches the whole.

    >>> nearest("siglip-base", ["blip-base", "google/siglip-base-patch16-224", "fake"])
    ['google/siglip-base-patch16-224', 'blip-base']
    """
    given = name.lower()

    def likeness(other: str) -> float:
        parts = [other.lower()] if "/" in given else [other.lower(), _own_part(other).lower()]
        begun = _BEGUN if any(part.startswith(given) for part in parts) else 0.0
        return max(begun, *(SequenceMatcher(None, part, given).ratio() for part in parts))

    found = sorted(((likeness(each), each) for each in names), key=lambda pair: -pair[0])
    return [each for like, each in found if like >= _LIKE][:3]


def _own_part(name: str) -> str:
    """Return a name without its owner or its tag."""
    owner, _, rest = name.rpartition("/")
    return owner if _ZOO.fullmatch(owner) else rest


def _local(name: str) -> Place | None:
    """Return the place of an existing path: existing paths come first."""
    path = Path(name).expanduser()
    if path.is_dir():
        return Place(path.resolve().name, "folder", str(path))
    return _of_file(path) if path.is_file() else None


def _of_file(file: Path) -> Place:
    """Return the folder of the model that a file belongs to."""
    folder, hint = file.absolute().parent, ""
    for open_clip in (False, True):
        place = Place(folder.resolve().name, "folder", str(folder), open_clip=open_clip)
        if file.name in (*CONFIGS, ADAPTER, "adapter_model.safetensors") or (folder / CONFIGS[0]).is_file():
            return place
        try:
            weights = [each.name for each in find_layout(folder, open_clip=open_clip).weights]
        except ModelError:
            break  # not part of a model's folder
        if file.name in weights:
            return place
        hint = hint or f"; its folder is loaded from {weights[0]}"
    raise ModelError(f"{file} contains weights only; add open_clip's architecture, such as ViT-B-32::{file}{hint}")


def _pair(name: str) -> Place | None:
    """Return the place of the texts in IMAGES+TEXTS."""
    images, mark, texts = name.partition("+")
    if not (images and mark and texts):
        return None
    pictures, place = parse(images), parse(texts)
    return replace(place, name=f"{pictures.name}+{place.name}", pictures=pictures)


def _prefixed(name: str) -> Place | None:
    if name.startswith("s3://"):
        bucket, _, prefix = name.removeprefix("s3://").strip("/").partition("/")
        if not bucket or not prefix:
            raise ModelError(f"{name!r} is not a folder of a bucket; write s3://bucket/prefix")
        return Place(prefix.rpartition("/")[2], "s3", f"s3://{bucket}/{prefix}")
    for prefix, open_clip in (("hf-hub:", True), ("hf_clip:", False)):
        rest = name.removeprefix(prefix)
        if rest != name and _HUB_ID.fullmatch(rest):
            return Place(f"hf-hub:{rest}" if open_clip else rest, "hub", rest, open_clip=open_clip)
    return None


def _zoo(name: str) -> Place | None:
    """Pairs of open_clip, joined by / or ::, and OpenAI's own names such as ViT-B/32."""
    given = name.removeprefix("open_clip:")
    if _OPENAI.fullmatch(given):
        given = given.replace("/", "-").replace("@", "-").removesuffix("px") + "/openai"
    architecture, mark, tag = given.partition("::") if "::" in given else given.partition("/")
    if not mark or not _ZOO.fullmatch(architecture):
        return None
    if tag.endswith(_WEIGHTS):
        path = Path(tag).expanduser()
        if not path.is_file():
            raise ModelError(f"{name!r}: there is no file {tag}")
        return Place(f"{architecture}::{path.name}", "file", str(path), architecture, open_clip=True)
    if not _TAG.fullmatch(tag):
        return None
    return Place(f"{architecture}/{tag}", "zoo", tag, architecture, open_clip=True)


def _hub(name: str) -> Place | None:
    bare = name.removeprefix("sentence-transformers/")
    if bare in _SENTENCE_TRANSFORMERS:
        return Place(bare, "hub", f"sentence-transformers/{bare}")
    return Place(name, "hub", name) if _HUB_ID.fullmatch(name) else None
