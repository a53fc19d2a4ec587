"""`catalens finetune answers`: a reader that answers in a catalogue's own words, through LoRA or of a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.finetune_bundled import check_bundled, fit_bundled
from catalens.cli.finetune_scores import show_scores
from catalens.cli.finetune_steps import tell_step
from catalens.cli.options import Json, Quantise, settings
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.training.finetune.answers import Tuned


@dataclass(frozen=True, slots=True)
class _Defaults:
    batch_size: int
    rate: float
    dropout: float


_LORA, _BUNDLED = _Defaults(16, 5e-4, 0.05), _Defaults(64, 3e-4, 0.1)


@command(
    "catalens finetune prepare products.csv --out pairs.parquet",
    "catalens finetune answers pairs.parquet --model starter --out shop",
    "catalens finetune answers pairs.parquet --model Salesforce/blip2-flan-t5-xl --out shirts",
    "catalens finetune answers pairs.parquet --model smolvlm-500m --batch-size 8 --out shirts",
    'catalens ask photo.jpg "What is the fabric of the shirt?" --model shirts/merged',
)
def answers(
    pairs: Annotated[Path, Argument(metavar="PAIRS", help="Parquet table that `catalens finetune prepare` wrote.")],
    model: Annotated[
        str,
        Option(
            "--model",
            "-m",
            metavar="NAME",
            help="starter, everyday or a bundle; or BLIP-2, BLIP VQA or a chat model: a name, hub id or folder.",
        ),
    ],
    out: Annotated[Path, Option(help="Folder to write; the same command continues in it.")],
    epochs: Annotated[int, Option(min=1, help="Maximum passes over the rows.")] = 3,
    batch_size: Annotated[
        int | None, Option(min=1, help="Rows per forward pass. [16; 64 for the reader of a bundle]")
    ] = None,
    accumulate: Annotated[int, Option(min=1, help="Forward passes per step.")] = 1,
    rate: Annotated[
        float | None, Option(min=0.0, help="Learning rate. [5e-4; 3e-4 for the reader of a bundle]")
    ] = None,
    rank: Annotated[int, Option(min=1, help="Rank of the adapter.")] = 8,
    alpha: Annotated[int, Option(min=1, help="LoRA alpha: the adapter's scale times its rank.")] = 32,
    dropout: Annotated[
        float | None, Option(min=0.0, max=0.9, help="Dropout. [0.05 of the adapter; 0.1 of the reader of a bundle]")
    ] = None,
    target_modules: Annotated[
        str | None, Option(help="Comma-separated layers that get adapters. \\[query and value]")
    ] = None,
    dora: Annotated[bool, Option("--dora", help="Use DoRA.")] = False,
    rslora: Annotated[bool, Option("--rslora", help="Use rank-stabilised LoRA.")] = False,
    checkpoint_activations: Annotated[
        bool,
        Option(
            "--checkpoint-activations",
            help="Recompute activations to save memory, at the price of a forward pass (not BLIP VQA).",
        ),
    ] = False,
    quantise: Quantise = None,
    tensorboard: Annotated[
        bool, Option("--tensorboard", help="Also write the metrics for TensorBoard, into OUT/tensorboard.")
    ] = False,
    patience: Annotated[int, Option(min=1, help="Epochs without a better val loss before training stops.")] = 2,
    limit: Annotated[int | None, Option(min=1, help="Maximum rows per split.")] = None,
    seed: Annotated[int, Option(help="Random seed.")] = 0,
    device: Annotated[str | None, Option(help="Torch device. \\[the fastest]")] = None,
    dtype: Annotated[str, Option(help="float32, bfloat16, float16, or auto.")] = "auto",
    json: Json = False,
) -> None:
    """Fine-tune the answers of a reader.

    The reader of a bundle (starter, everyday) is trained whole, on the CPU, and written as a bundle to OUT/model. Image
    vectors, and so indexes, stay as they are. The share of the change that is kept is chosen on val; attributes that
    gain nothing are named, and if none gains, the old reader is kept.
    BLIP-2, BLIP VQA and chat models are trained with LoRA; OUT gets the adapter and the merged model.
    The loss counts only the answer's tokens. Chat models are prompted with their own chat templates. The output of the
    frozen vision part is computed once per image and cached on disk. After a kill, the same command continues with the
    next batch.
    On several GPUs: accelerate launch --multi_gpu -m catalens finetune answers ...
    """
    from catalens.models.readers.loading import Wanted, need_libraries

    need_libraries()
    if out.is_file():
        raise InputError(f"{out} is a file; name a folder")
    from catalens.pipelines.tuning_answers import read_pairs, tune_answers
    from catalens.pipelines.tuning_reader import bundle_of
    from catalens.training.finetune.answers import Plan
    from catalens.training.finetune.loop import Recipe
    from catalens.training.finetune.lora import Lora, need_peft
    from catalens.training.finetune.processes import join_processes
    from catalens.training.finetune.reader_answers import ReaderPlan

    targets = tuple(inputs.words(target_modules)) if target_modules else ()
    bundle = bundle_of(model)
    sizes = _BUNDLED if bundle else _LORA
    recipe = Recipe(
        epochs=epochs,
        batch_size=sizes.batch_size if batch_size is None else batch_size,
        accumulate=accumulate,
        rate=sizes.rate if rate is None else rate,
        patience=patience,
        seed=seed,
    )
    dropout = sizes.dropout if dropout is None else dropout
    lora = Lora(rank=rank, alpha=alpha, dropout=dropout, targets=targets, use_dora=dora, use_rslora=rslora)
    processes, own_device = join_processes(device)
    if bundle is not None:
        asked = {
            "adapters": lora != Lora(dropout=dropout),
            "--checkpoint-activations": checkpoint_activations,
            "--quantise": quantise is not None,
            f"--device {device}": device not in (None, "cpu"),
            f"--dtype {dtype}": dtype not in ("auto", "float32"),
            "several processes": processes.count > 1,
        }
        check_bundled(model, [name for name, is_asked in asked.items() if is_asked])
        fit_bundled(
            inputs.existing(pairs),
            ReaderPlan(bundle=bundle, out=out, dropout=dropout, recipe=recipe),
            limit=limit,
            tensorboard=tensorboard,
            as_json=output.wants_json(json),
        )
        return
    need_peft()
    plan = Plan(
        base=str(Path(model).resolve()) if Path(model).is_dir() else model,
        out=out,
        lora=lora,
        checkpoint_activations=checkpoint_activations,
        recipe=recipe,
    )
    table = read_pairs(inputs.existing(pairs), limit=limit)
    tuned = tune_answers(
        table,
        plan,
        cache=settings().cache / "features",
        wanted=Wanted(device=own_device, dtype=dtype, quantise=quantise),
        on_step=tell_step(out, tensorboard=tensorboard),
        say=output.say,
        processes=processes,
    )
    if processes.first:
        show_scores(tuned.scores, as_json=output.wants_json(json))
        _say_where(tuned, out, quantise)


def _say_where(tuned: Tuned, out: Path, quantise: str | None) -> None:
    """Print how good the model is, and how to use it."""
    loss, proof = tuned.state.chosen, tuned.proof
    if proof is None:
        output.say(loss)
        output.say(
            f"written: {out}; use it with --model {out / 'adapter'} --quantise {quantise} beside its base; without "
            "--quantise it is merged into the unquantised base when it is loaded, and answers may differ"
        )
        return
    same = "identical" if proof.same_answers else "not identical"
    output.say(
        f"{loss}; merged and adapter: logits within {proof.largest_difference:.2g} on {proof.rows} rows, answers {same}"
    )
    output.say(f"written: {out}; use it with --model {out / 'merged'}, or --model {out / 'adapter'} beside its base")
