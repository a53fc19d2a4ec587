"""The public face of Catalens: what the command does, as methods over one session of models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from catalens.core.errors import InputError
from catalens.core.types import GREEDY, Decoding, Record, Scores, Tag, Turn, Vectors
from catalens.pipelines.engine import run_job
from catalens.pipelines.events import SILENT, Callbacks, JobReport
from catalens.pipelines.one_or_many import One, RunsTasks, Task, one_or_many
from catalens.pipelines.pictures import Pictures, are_vectors, encoded_picture, entries_of, is_one
from catalens.pipelines.results import (
    Answer,
    Caption,
    FoundPrompt,
    PictureAttributes,
    ProductDescription,
    Restyled,
    Result,
)
from catalens.pipelines.stages import EncodedPicture, Picture, Stage, identity
from catalens.pipelines.texts import each_text
from catalens.tasks.interrogation import Plan
from catalens.tasks.prompts.plan import Mode, Search

if TYPE_CHECKING:
    from catalens.models.mixed import Input
    from catalens.pipelines.catalogue import Catalogue


class Lens(RunsTasks):
    """Tags, attributes, captions, answers, prompts, descriptions and search over one session of models.

    One picture in gives one value out, or raises. A list, a folder, a table or any iterable in gives an iterator of
    `Result`s, one per picture in their order as they are ready, failures among them. A picture is a path, bytes, a
    `data:` address, a Pillow image, an array, or what `encode_image` returned. Safe to share between threads; in
    async code: `await asyncio.to_thread(lens.tag, "photo.jpg")`.
    """

    def encode_image(self, picture: One) -> EncodedPicture:
        """Return a picture that remembers what models made of it: encoded once, asked many times."""
        return encoded_picture(picture)

    @one_or_many
    def tag(
        self,
        pictures: Pictures,
        labels: Sequence[str] | None = None,
        *,
        templates: Sequence[str] = (),
        schema: str | None = None,
        threshold: float | None = None,
        top: int = 10,
        deny: Sequence[str] = (),
        calibration: str | Path | None = None,
    ) -> Task[list[Tag]]:
        """Return the labels that fit, each with its probability.

        Args:
            pictures: one picture or many.
            labels: to choose from; None reads a schema.
            templates: sentences with {} for the label, whose vectors are averaged.
            schema: a bundled name or a .yaml file; None reads products with "fashion", other pictures with "everyday".
            threshold: the probability that a tag needs; None is 0, and for a schema what was learned or 0.35.
            top: most tags per picture.
            deny: tags never to give.
            calibration: file of learned thresholds.
        """
        from catalens.pipelines.tagging import TAGS, TagStage

        if labels is not None and not labels:
            raise InputError("labels is empty; give at least one, or None to read a schema")
        stage = TagStage(
            labels=each_text(labels or (), "labels"),
            templates=each_text(templates, "templates"),
            schema=schema,
            threshold=threshold,
            top=top,
            deny=each_text(deny, "deny"),
            calibration=_path(calibration),
        )
        return Task([stage], lambda values: [Tag(**row) for row in values[TAGS]])

    @one_or_many
    def attributes(
        self,
        pictures: Pictures,
        *,
        schema: str | None = None,
        threshold: float | None = None,
        calibration: str | Path | None = None,
        sources: str | Path | None = None,
    ) -> Task[PictureAttributes]:
        """Return one value, or "unknown", for each group of a schema that applies.

        Args:
            pictures: one picture or many.
            schema: a bundled name or a .yaml file; None reads products with "fashion", other pictures with "everyday".
            threshold: the probability that a value needs where none was learned.
            calibration: file of learned thresholds.
            sources: file of `catalens eval attributes`: which groups its reader answers.
        """
        from catalens.pipelines.attributes import AttributeStage

        stage = AttributeStage(
            schema=schema, threshold=threshold, calibration=_path(calibration), sources=_path(sources)
        )
        return Task([stage], PictureAttributes.from_values)

    @one_or_many
    def caption(
        self,
        pictures: Pictures,
        *,
        prompt: str = "",
        count: int = 1,
        decoding: Decoding = GREEDY,
        template: str = "{caption}",
        prefix: str = "",
        suffix: str = "",
    ) -> Task[Caption]:
        """Return captions by the reader.

        Args:
            pictures: one picture or many.
            prompt: what each caption begins with.
            count: captions per picture.
            decoding: how tokens are chosen.
            template: with {caption}, {tags}, an attribute such as {colour}, or a table's column.
            prefix: fixed words before.
            suffix: fixed words after.
        """
        from catalens.pipelines.captioning import CaptionStage, CaptionTemplate, caption_stages

        written = CaptionTemplate(template=template, prefix=prefix, suffix=suffix)
        stages = caption_stages(CaptionStage(prompt=prompt, count=count, decoding=decoding), written)
        return Task(stages, Caption.from_values)

    @one_or_many
    def answer(
        self,
        pictures: Pictures,
        question: str,
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding = GREEDY,
    ) -> Task[Answer]:
        """Return the reader's answer to a question.

        Args:
            pictures: one picture or many.
            question: in plain words.
            history: the conversation so far, oldest first; for readers that keep one.
            decoding: how tokens are chosen.
        """
        from catalens.pipelines.answering import AnswerStage

        stage = AnswerStage(questions=(question,), history=tuple(history), decoding=decoding)
        return Task([stage], Answer.from_values)

    @one_or_many
    def choose(
        self,
        pictures: Pictures,
        question: str,
        choices: Sequence[str],
        *,
        unknown_below: float | None = None,
    ) -> Task[Answer]:
        """Return the most probable of some allowed answers, with a probability for each.

        Args:
            pictures: one picture or many.
            question: in plain words.
            choices: the allowed answers.
            unknown_below: "unknown" where no answer is this probable; None takes what was learned, or 0.
        """
        from catalens.pipelines.answering import AnswerStage

        stage = AnswerStage(questions=(question,), choices=each_text(choices, "choices"), unknown_below=unknown_below)
        return Task([stage], Answer.from_values)

    @one_or_many
    def prompt(
        self,
        pictures: Pictures,
        *,
        mode: Mode = "best",
        caption: str | None = None,
        vocabulary: str | None = None,
        search: Search = "exact",
        max_flavors: int | None = None,
    ) -> Task[FoundPrompt]:
        """Return the prompt that comes nearest to a picture.

        Args:
            pictures: one picture or many.
            mode: "best" adds term by term; "negative" finds what the picture is not.
            caption: what the prompt begins with; "" for the nearest term, None lets the reader caption the picture.
            vocabulary: a folder of term tables, "fashion" or "clip-interrogator"; None takes what suits the encoder.
            search: "lazy" re-scores only the terms that may still win.
            max_flavors: most terms.
        """
        from catalens.pipelines.prompting import PromptStage, prompt_stages

        plan = Plan(mode=mode, search=search, max_flavors=max_flavors)
        stages = prompt_stages(PromptStage(plan=plan, vocabulary=vocabulary, caption=caption))
        return Task(stages, FoundPrompt.from_values)

    def describe(
        self,
        product: Mapping[str, object] | Pictures,
        *,
        writer: str = "template",
        tone: str = "plain",
        length: Literal["short", "medium", "long"] = "medium",
        language: str = "English",
        keywords: Sequence[str] = (),
        seed: int = 0,
        schema: str = "fashion",
    ) -> ProductDescription | Iterator[Result[ProductDescription]]:
        """Return a product description that states every known fact and adds none.

        Args:
            product: attribute → value; or one picture or many, whose attributes are read first.
            writer: "template", "bedrock:MODEL-ID", "openai:URL#MODEL" or "transformers:FOLDER".
            tone: "plain", "friendly" or "formal"; a model takes other words too.
            length: how much is written of each fact.
            language: the template writes English; a model may write others.
            keywords: search words to use.
            seed: chooses among the template's sentences.
            schema: whose attributes are read and whose words are checked.
        """
        from catalens.pipelines.attributes import AttributeStage
        from catalens.pipelines.describing import DescribeStage
        from catalens.tasks.instruction import Style

        style = Style(tone=tone, length=length, language=language, keywords=each_text(keywords, "keywords"), seed=seed)
        stage = DescribeStage(style=style, writer=writer, from_fields=isinstance(product, Mapping), schema=schema)
        if isinstance(product, Mapping):
            record = Record("product", "product", dict(product))  # type: ignore[arg-type]  # facts check the values
            return self.run_one(Task([stage], ProductDescription.from_values), Picture(record, None))
        task = Task([AttributeStage(schema=schema), stage], ProductDescription.from_values)
        if is_one(product):
            return self.run_one(task, encoded_picture(product))  # type: ignore[arg-type]
        return self.run_many(task, product)

    def restyle(
        self,
        picture: One,
        *,
        painter: str,
        artist: str = "",
        work: str = "",
        prompt: str | None = None,
        negative: str = "",
        strength: float = 0.6,
        seed: int = 0,
    ) -> Restyled:
        """Return a picture repainted in the style of an artist.

        Args:
            picture: to start from.
            painter: a diffusers model's folder or hub id, "bedrock:MODEL-ID", or "fake".
            artist: whose style.
            work: which painting of theirs.
            prompt: what is in the picture; None lets the interrogator find it.
            negative: what to keep out; "auto" lets the interrogator find it.
            strength: 0 keeps the picture, 1 ignores it.
            seed: random seed.
        """
        from catalens.pipelines.restyling import PaintStage, RestylePrompt, RestylePromptStage, restyle_stages

        words = RestylePromptStage(words=RestylePrompt(artist=artist, work=work, prompt=prompt, negative=negative))
        paint = PaintStage(painter=painter, strength=strength, seed=seed)
        return self.run_one(Task(restyle_stages(words, paint), Restyled.from_values), encoded_picture(picture))

    def encode(self, inputs: Input | Sequence[Input], *, batch_size: int = 32) -> Vectors:
        """Return unit rows (n, dim) for texts and pictures in one space; (dim,) for a single input.

        All are of one encoder: the configured one, or the bundled product encoder.
        """
        from catalens.models.mixed import encode

        encoder = self.session.encoder()
        with self.session.lock(encoder.name):
            return encode(encoder, inputs, batch_size=batch_size)

    def similarity(self, a: Input | Sequence[Input], b: Input | Sequence[Input]) -> Scores:
        """Return the (n, m) cosines of n things with m others: texts, pictures, or what `encode` returned."""
        from catalens.models.mixed import similarity

        left, right = (each if are_vectors(each) else self.encode(each) for each in (a, b))
        return similarity(left, right)  # type: ignore[arg-type]

    def index(self, path: str | Path) -> Catalogue:
        """Return a catalogue: records, vectors and words in one file, created when something is added."""
        from catalens.pipelines.catalogue import Catalogue

        return Catalogue(path, self.session)

    def run(
        self,
        pictures: Pictures,
        stages: Sequence[str | Stage],
        *,
        output: str | Path | None = None,
        sidecar: str | None = None,
        if_exists: Literal["skip", "overwrite", "append", "prepend"] = "skip",
        one_at_a_time: bool = False,
        callbacks: Callbacks = SILENT,
    ) -> JobReport:
        """Run any mix of stages over pictures in one pass; a job with an output goes on where it was stopped.

        Args:
            pictures: a folder, a table, a pattern, or any number of pictures.
            stages: "tags", "attributes", "captions", "prompts", "descriptions", "vectors", or stages of your own.
            output: a table that ends in .csv, .tsv, .jsonl, .json or .parquet.
            sidecar: ending of text files beside the pictures, with the last stage's text.
            if_exists: what to do with a picture whose row or file is there.
            one_at_a_time: hold one stage's models at a time.
            callbacks: called with results, failures and progress.
        """
        from catalens.pipelines.plan import destination_for, stages_named

        chosen = stages_named(stages)
        entries = entries_of(pictures)
        destination = destination_for(chosen, None if output is None else Path(output), sidecar, if_exists)
        names = list(getattr(entries, "names", ())) or [str(getattr(entries, "path", "-"))]
        journal = destination.journal(identity(chosen, self.session), names, self.session.config.cache)
        return run_job(
            entries,
            chosen,
            destination.outputs(),
            session=self.session,
            journal=journal,
            one_at_a_time=one_at_a_time,
            callbacks=callbacks,
        )


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
