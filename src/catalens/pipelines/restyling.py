"""Restyling: the prompt for a painter, from given words or from the picture, and the painting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal

from catalens.catalogue.sources import Entry, Item
from catalens.core.errors import CatalensError, InputError
from catalens.core.protocols import Encoder
from catalens.core.types import PaintRequest, Record, Vectors
from catalens.pipelines.captioning import CAPTION
from catalens.pipelines.destination import STANDARD_INPUT
from catalens.pipelines.encoding import encode_pictures
from catalens.pipelines.output import OutputRow
from catalens.pipelines.prompting import FirstCaptionStage, Interrogator
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Stage, Step, Values
from catalens.render.image_metadata import FORMATS, PaintFacts, check_place, save_painted
from catalens.tasks.interrogation import Plan
from catalens.tasks.restyling import restyling_prompt

AUTO = "auto"
PAINTING = "painting"
REQUEST = ("prompt", "negative_prompt", "strength", "steps", "guidance", "seed")
_PAINTER_TOKENS = 77
"""What the text towers of Stable Diffusion read; tokens beyond are ignored."""
_FEWEST_TOKENS = 8
_WHOLE_WH = (1 << 16, 1 << 16)
"""A painter is given the whole picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestylePrompt:
    """How the words for a painting are made.

    Attributes:
        artist: whose style; may be empty.
        work: which painting of theirs; may be empty.
        template: with {prompt}, {artist} and {work}; None is the usual one.
        prompt: what is in the picture; None lets the interrogator find it.
        negative: what to keep out; "auto" lets the interrogator find it.
        mode: the interrogator's.
        vocabulary: the interrogator's tables; None takes what suits the encoder.

    Raises:
        InputError: the template makes no sense.
    """

    artist: str = ""
    work: str = ""
    template: str | None = None
    prompt: str | None = None
    negative: str = ""
    mode: Literal["best", "fast", "classic"] = "best"
    vocabulary: str | None = None

    def __post_init__(self) -> None:
        self.fill(self.prompt if self.prompt is not None else "words")

    def fill(self, words: str) -> str:
        """Put a picture's words into the template."""
        return restyling_prompt(words, artist=self.artist, work=self.work, template=self.template)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestylePromptStage:
    """The prompt and the negative prompt of each painting.

    Attributes:
        words: how they are made.
        encoder: the interrogator's; None takes the configured one, or chooses by the picture.
    """

    words: RestylePrompt
    encoder: str | None = None
    name = "prompts"
    gives = ("prompt", "negative_prompt")

    def load(self, session: Session) -> Step:
        """Load the interrogator's encoders, where words have to be found."""
        words = self.words
        if words.prompt is not None and words.negative != AUTO:
            given: Values = {"prompt": words.fill(words.prompt), "negative_prompt": words.negative}
            return Step(lambda pictures: [given] * len(pictures), reads_images=False)
        router = session.router(self.encoder)
        searcher = Interrogator(Plan(mode=words.mode), words.vocabulary, session)

        def one(encoder: Encoder, vector: Vectors, caption: str) -> Values:
            found, negative = words.prompt, words.negative
            if found is None:
                plan = Plan(mode=words.mode, token_limit=token_limit(encoder, words))
                found = searcher.search(encoder, vector[None], [caption], plan)[0].text
            if negative == AUTO:
                negative = searcher.search(encoder, vector[None], [""], Plan(mode="negative"))[0].text
            return {"prompt": words.fill(found), "negative_prompt": negative}

        def run(pictures: Sequence[Picture]) -> list[Values]:
            rows = encode_pictures(pictures, router, session).split()
            captions = [str(picture.values.get(CAPTION, "")) for picture in pictures]
            return [one(encoder, vector, caption) for (encoder, vector), caption in zip(rows, captions, strict=True)]

        return Step(run, size_wh=router.input_size_wh, batch_size=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintStage:
    """A painting of each picture, from its prompt.

    Attributes:
        painter: its name; None only says what would be asked of one.
        strength: 0 keeps the picture, 1 ignores it.
        steps: denoising steps; None is the model's own number.
        guidance: guidance scale; None is the model's own.
        seed: random seed.
        dtype: weight precision: "auto", "float32", "float16" or "bfloat16".
        region: of Bedrock; None is the environment's.
    """

    painter: str | None = None
    strength: float = 0.6
    steps: int | None = None
    guidance: float | None = None
    seed: int = 0
    dtype: str = "auto"
    region: str | None = None
    name = "paintings"
    gives = (PAINTING, "painter")

    @property
    def options(self) -> dict[str, Any]:
        """What a painter is asked for beside the words."""
        return {"strength": self.strength, "steps": self.steps, "guidance": self.guidance, "seed": self.seed}

    def load(self, session: Session) -> Step:
        """Load the painter."""
        name = self.painter
        painter = None if name is None else session.painter(name, dtype=self.dtype, region=self.region)

        def one(picture: Picture) -> Values | CatalensError:
            image = picture.pixels()
            prompt, negative = picture.values["prompt"], picture.values["negative_prompt"]
            if painter is None:
                return {**self.options, "painter": None, "image": {"width": image.width, "height": image.height}}
            try:
                request = PaintRequest(image=image, prompt=prompt, negative_prompt=negative, **self.options)
                with session.lock(painter.name):
                    painting = painter.paint(request)
            except CatalensError as error:
                return error
            return {**self.options, "painter": painter.name, PAINTING: painting}

        return Step(lambda pictures: [one(picture) for picture in pictures], size_wh=_WHOLE_WH, batch_size=1)


def restyle_stages(
    words: RestylePromptStage, paint: PaintStage, captioner: str | None = None, *, captions: bool = True
) -> list[Stage]:
    """Return the stages of a restyling: a caption where the interrogator begins with one, the words, the painting."""
    reads = captions and words.words.prompt is None
    return [*([FirstCaptionStage(captioner)] if reads else []), words, paint]


@dataclass(slots=True, kw_only=True)
class PaintingFiles:
    """Paintings as picture files; no two of a run share a place.

    Attributes:
        path: one file, or a folder, made if needed.
        is_file: whether it is one file.
        if_exists: "skip" leaves a painting that is there, "overwrite" replaces it.
        taken: place → the source of the picture whose painting goes there.
    """

    path: Path
    is_file: bool
    if_exists: Literal["skip", "overwrite"] = "skip"
    taken: dict[Path, str] = field(default_factory=dict)

    def place(self, record: Record) -> Path:
        """Return the file of a picture's painting.

        Raises:
            InputError: another picture of this run goes there.
        """
        stem = PurePath(record.id).stem if record.id != STANDARD_INPUT else "picture"
        path = self.path if self.is_file else self.path / f"{stem}-restyled.png"
        owner = self.taken.setdefault(path.resolve(), record.id)
        if owner != record.id:
            raise InputError(f"its painting would go to {path}, where that of {owner} goes; rename one of the two")
        return path

    def without_own(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Return entries without what this run has just painted: a folder may be read while paintings go into it."""
        for each in entries:
            if not isinstance(each, Item) or Path(each.source).resolve() not in self.taken:
                yield each

    def row(self, record: Record, values: Values) -> dict[str, Any]:
        """Return what is known of a painting, or would be asked of a painter, as JSON values."""
        asked = {name: values[name] for name in ("painter", *REQUEST, "image") if name in values}
        return {"id": record.id, "source": record.source, "output": str(self.place(record)), **asked}

    def holds(self, record: Record) -> bool:
        """Return whether the painting is there and stays.

        Raises:
            InputError: there is no place for it.
        """
        path = self.place(record)
        if path.exists() and self.if_exists == "skip":
            return True
        if path.parent.is_dir():
            check_place(path, overwrite=self.if_exists == "overwrite")
        return False

    def write(self, results: Sequence[OutputRow]) -> None:
        """Write each painting with what it was made with.

        Raises:
            InputError: the words do not fit the format.
            OSError: it cannot be written.
        """
        for result in results:
            values, path = result.values, self.place(result.record)
            facts = PaintFacts(model=values["painter"], **{name: values[name] for name in REQUEST})
            path.parent.mkdir(parents=True, exist_ok=True)
            save_painted(values[PAINTING], path, facts, overwrite=self.if_exists == "overwrite")

    def finish(self) -> None:
        """Nothing waits."""


def painting_files(path: Path | None, *, many: bool, if_exists: Literal["skip", "overwrite"] = "skip") -> PaintingFiles:
    """Return where paintings go.

    Args:
        path: a picture file, or a folder; None is the current folder.
        many: whether there may be more than one picture.
        if_exists: what to do where a painting is there.

    Raises:
        InputError: a file of another kind, or one file for several pictures.
    """
    is_file = path is not None and bool(path.suffix) and not path.is_dir()
    if path is not None and is_file and path.suffix.lower() not in FORMATS:
        raise InputError(f"--output {path}: give a name that ends in {', '.join(FORMATS)}, or a folder")
    if is_file and many:
        raise InputError(f"--output {path} is one picture; give a folder for several")
    return PaintingFiles(path=path or Path(), is_file=is_file, if_exists=if_exists)


def token_limit(encoder: Encoder, words: RestylePrompt) -> int | None:
    """Return how many tokens the template leaves for the prompt, so that the painter reads all of it.

    Args:
        encoder: whose tokenizer counts; Stable Diffusion's text towers count as CLIP's do.
        words: with the template, and what fills it.

    Returns:
        At most what the encoder reads; None where it does not count tokens.
    """
    from catalens.tasks.prompts.scoring import CountsTokens

    if not isinstance(encoder, CountsTokens):
        return None
    around = encoder.count_tokens(words.fill("a"))[0] - encoder.count_tokens("a")[0]
    most = encoder.count_tokens("a " * _PAINTER_TOKENS)[1]
    return max(_FEWEST_TOKENS, min(most, _PAINTER_TOKENS - around))
