"""`catalens finetune encoder`: an encoder whose texts find a catalogue's images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option

from catalens.cli import output
from catalens.cli.commands import command
from catalens.cli.finetune_steps import encode_side, sides_named, tell_step
from catalens.cli.options import Json, session_for
from catalens.cli.tally import Tally
from catalens.core.errors import InputError
from catalens.training.finetune.metrics import metric_line

if TYPE_CHECKING:
    from catalens.training.finetune.encoders import TunedEncoder


@command(
    "catalens finetune encoder products.csv --model openai/clip-vit-base-patch32 --out shop",
    "catalens finetune encoder products.csv --model ViT-B-16-SigLIP/webli --text description --whole --out shop",
    "catalens finetune encoder products.csv --model starter --out shop",
    'catalens search shop.catalens "red striped t-shirt" --model shop/model',
)
def encoder(
    table: Annotated[Path, Argument(metavar="TABLE", help="Table or folder with a picture and its text in each row.")],
    model: Annotated[str, Option("--model", "-m", metavar="NAME", help="Encoder: a name, hub id, folder or bundle.")],
    out: Annotated[Path, Option(help="Folder to write; the same command continues in it.")],
    text: Annotated[str | None, Option(metavar="COLUMN", help="Column with the texts. \\[title]")] = None,
    train: Annotated[
        Literal["both", "image", "text"], Option(help="Towers to train; the other one is cached.")
    ] = "both",
    whole: Annotated[bool, Option("--whole", help="Train all weights instead of LoRA adapters.")] = False,
    hard_negatives: Annotated[
        str | None, Option(metavar="COLUMN", help="Fill batches with rows of the same value, such as a category.")
    ] = None,
    val: Annotated[Path | None, Option(help="Validation table. \\[a part of TABLE]")] = None,
    test: Annotated[Path | None, Option(help="Test table. \\[a part of TABLE]")] = None,
    epochs: Annotated[int, Option(min=1, help="Maximum passes over the rows.")] = 3,
    batch_size: Annotated[int, Option(min=2, help="Batch size: the rows contrasted with each other.")] = 64,
    chunk: Annotated[
        int | None, Option(min=1, help="Rows held in memory at a time; slower by a forward pass, same gradient.")
    ] = None,
    rate: Annotated[float, Option(min=0.0, help="Learning rate; try 1e-5 with --whole.")] = 5e-4,
    rank: Annotated[int, Option(min=1, help="Rank of the adapters.")] = 8,
    alpha: Annotated[int, Option(min=1, help="LoRA alpha: the adapters' scale times their rank.")] = 32,
    dropout: Annotated[float, Option(min=0.0, max=0.9, help="Dropout of the adapters.")] = 0.05,
    tensorboard: Annotated[
        bool, Option("--tensorboard", help="Also write the metrics for TensorBoard, into OUT/tensorboard.")
    ] = False,
    patience: Annotated[int, Option(min=1, help="Epochs without a better val loss before training stops.")] = 2,
    limit: Annotated[int | None, Option(min=1, help="Maximum rows of TABLE.")] = None,
    seed: Annotated[int, Option(help="Random seed.")] = 0,
    device: Annotated[str | None, Option(help="Torch device. \\[the fastest]")] = None,
    json: Json = False,
) -> None:
    """Fine-tune an encoder so that texts find their images, and write it as a model that every command takes by path.

    The loss is the one that the encoder was trained with: softmax for CLIP, sigmoids for SigLIP. The same text or image
    is never a negative of itself. The weights written are the average of old and new that is best on val; if the old
    ones are, they stay. Of a bundle, a linear map after each tower is trained.
    """
    from catalens.models.readers.loading import need_libraries

    need_libraries()
    from catalens.pipelines.tuning_encoder import (
        MODEL,
        Pictures,
        open_encoder,
        pair_rows,
        scores_of,
        texts_of,
        towers_of,
        tune,
    )
    from catalens.training.finetune.encoders import EncoderPlan
    from catalens.training.finetune.loop import Recipe
    from catalens.training.finetune.lora import Lora, need_peft
    from catalens.training.finetune.processes import join_processes

    if not whole:
        need_peft()
    if join_processes(device)[0].count > 1:
        raise InputError("an encoder is fine-tuned in one process: every row of a batch is compared with every other")
    if out.is_file():
        raise InputError(f"{out} is a file; name a folder")
    on_step = tell_step(out, tensorboard=tensorboard)
    paths = sides_named(table, val, test)
    session, as_json = session_for(model, device=device), output.wants_json(json)
    opened, pictures, tally = open_encoder(model, session), Pictures(), Tally(as_json=as_json)
    tables = {
        name: encode_side(
            path, opened.encoder, session, tally, limit=limit if name == "train" else None, noted=pictures.note
        )
        for name, path in paths.items()
    }
    rows = pair_rows(tables, text=text, hard=hard_negatives, seed=seed)
    if bare := sum(not found for each in tables.values() for found in texts_of(each, text)):
        output.say(f"{bare} rows without a {text or 'title'} are left out", style="yellow")
    towers = towers_of(opened, train, rows, tables, pictures)
    plan = EncoderPlan(
        scale=opened.encoder.logit_scale,
        bias=opened.encoder.logit_bias,
        recipe=Recipe(epochs=epochs, batch_size=batch_size, rate=rate, patience=patience, seed=seed),
        lora=None if whole else Lora(rank=rank, alpha=alpha, dropout=dropout),
        chunk=chunk,
    )
    tuned = tune(opened, towers, rows, plan, out, on_step)
    if as_json:
        output.emit(scores_of(tuned))
    _tell(tuned, out / MODEL, as_json=as_json)
    tally.finish()


def _tell(tuned: TunedEncoder, model: Path, *, as_json: bool) -> None:
    before, after = tuned.test[0.0], tuned.test[tuned.alpha]
    if not as_json:
        names = {"untuned": 0.0, "tuned": 1.0, f"average, {tuned.alpha:g} tuned": tuned.alpha}
        rows = [(name, *tuned.test[alpha].values()) for name, alpha in names.items()]
        output.show_rows(rows, "weights", *(f"recall@{rank}#" for rank in before), title="test texts find their image")
    recalls = {f"recall_at_{rank}": (before[rank], after[rank]) for rank in (1, 10)}
    values = {
        f"{name}_{when}": pair[at] for name, pair in recalls.items() for at, when in enumerate(("before", "after"))
    }
    output.say(metric_line(values))
    if not tuned.alpha:
        output.say("fine-tuning did not help on val, so the old weights are written", style="yellow")
    output.say(f"written: {model}; use it with --model {model}")
