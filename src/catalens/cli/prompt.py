"""`catalens prompt`: prompts that describe pictures, for image generators."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

from catalens.cli import output
from catalens.cli.commands import command
from catalens.cli.flags import RunFlags, SidecarFlags, TableFlags
from catalens.cli.jobs import run_stages
from catalens.cli.options import Model, Pictures, session_for
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.stages import Values

_caption = partial(Option, rich_help_panel="Caption")
_search = partial(Option, rich_help_panel="Search")


@command(
    "catalens prompt photo.jpg",
    'catalens prompt photo.jpg --caption "a red dress" --mode fast',
    "catalens prompt photos/ --model ViT-L-14/openai --captioner blip-large --output prompts.csv",
    "catalens prompt photos/ --sidecar .txt --if-exists append --no-caption",
    'catalens prompt captions.csv --caption "{caption}" --output prompts.jsonl',
    "catalens prompt photo.jpg --mode negative --runners-up 3",
    "catalens prompt photo.jpg --vocabulary my-terms/ --search lazy --check",
)
def prompt(
    pictures: Pictures,
    *,
    mode: Annotated[
        Literal["best", "fast", "classic", "negative"],
        Option(help="best: greedy search over whole prompts; negative: the terms farthest from the picture."),
    ] = "best",
    caption: Annotated[
        str | None, _caption(metavar="TEXT", help="Caption to start from; {title} is a table's column.")
    ] = None,
    captioner: Annotated[
        str | None, _caption(metavar="NAME", help="Reader that captions the picture: a name from `catalens models`.")
    ] = None,
    no_caption: Annotated[bool, _caption("--no-caption", help="Start from the nearest term.")] = False,
    vocabulary: Annotated[
        str | None,
        Option(
            metavar="FOLDER",
            help="Folder of term tables (artists.txt, flavors.txt …), or fashion, or clip-interrogator.",
        ),
    ] = None,
    max_flavors: Annotated[int | None, Option(min=1, help="Maximum terms. \\[32; classic: 3]")] = None,
    runners_up: Annotated[int, Option(min=0, help="Number of runner-up terms to list per table.")] = 0,
    token_limit: Annotated[int | None, Option(min=8, help="Maximum tokens. \\[the encoder's context length]")] = None,
    search: Annotated[
        Literal["exact", "lazy"], _search(help="lazy re-scores only terms that can still win.")
    ] = "exact",
    check: Annotated[bool, _search("--check", help="Also search exactly, and report the loss of lazy search.")] = False,
    min_flavors: Annotated[int, _search(min=0, help="Minimum terms, even if they do not raise the cosine.")] = 8,
    candidates: Annotated[int, _search(min=1, help="Number of nearest terms to search.")] = 2048,
    like: Annotated[Literal["clip-interrogator"] | None, _search(help="Reproduce that tool's output exactly.")] = None,
    sidecars: SidecarFlags,
    table: TableFlags,
    model: Model = None,
    run: RunFlags,
) -> None:
    """Find prompts for an image generator that describe these pictures.

    A prompt is a caption followed by the terms that bring the prompt nearest to the picture, each with its cosine.
    Without --model, images are routed to the bundled product or everyday encoder. The same command resumes an
    interrupted run.
    """
    from catalens.pipelines.prompting import VALUES, PromptStage, prompt_stages
    from catalens.tasks.interrogation import Plan

    if sum((caption is not None, captioner is not None, no_caption)) > 1:
        raise InputError("--caption, --captioner and --no-caption exclude each other; give one of them")
    if check and search == "exact":
        raise InputError("--check measures what --search lazy loses; give both")
    plan = Plan(
        mode=mode,
        search=search,
        min_flavors=min_flavors,
        max_flavors=max_flavors,
        candidates=candidates,
        token_limit=token_limit,
        runners_up=runners_up,
        compatible=like is not None,
    )
    stage = PromptStage(plan=plan, vocabulary=vocabulary, caption=caption, check=check)
    stages = prompt_stages(stage, captioner, captions=not no_caption)
    destination = table.destination("prompt", stage.gives, sidecars)
    shown = [*VALUES, *stage.gives[len(VALUES) :]]
    run_stages(pictures, stages, session_for(model), destination, run, shown=shown, show=_show)


def _show(record: Record, values: Values) -> None:
    output.show_rows(_rows(values), "words", "what", "cosine#", title=record.id)


def _rows(values: Values) -> Iterator[tuple[object, ...]]:
    """Yield a prompt, its terms, and what came next or had no room."""
    from rich.text import Text

    tokens = "" if values["tokens"] is None else f", {values['tokens']} tokens"
    yield Text(values["prompt"], style="bold"), f"prompt{tokens}, by {values['encoder']}", values["cosine"]
    for term in values["terms"]:
        yield term["term"], term["kind"], term["cosine"]
    for term in values["runners_up"]:
        yield Text(term["term"], style="dim"), f"next {term['kind']}", term["cosine"]
    for words in values["left_out"]:
        yield Text(words, style="dim"), "no room", ""
