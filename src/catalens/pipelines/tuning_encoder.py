"""Fine-tunes an encoder on the images and texts of a table: reads it, opens the towers, trains, and writes a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from catalens.catalogue.sources import Entry, Item
from catalens.core.errors import InputError, ModelError
from catalens.core.files import save_image_atomically, write_text_atomically
from catalens.core.images import read_image
from catalens.models.bundle import BundleEncoder
from catalens.models.facts import GRAPHS
from catalens.models.registry import SHIPPED, find_place, shipped
from catalens.models.resizing import fit_all
from catalens.models.tokens import Tokens
from catalens.pipelines.finetuning import EncodedTable, product_keys, sides_of, title_of
from catalens.render.loss_plot import loss_plot
from catalens.training.finetune.encoders import (
    EncoderPlan,
    LinearMap,
    PairRow,
    Sides,
    Tower,
    TunedEncoder,
    known_vectors,
    tune_encoder,
)
from catalens.training.finetune.splits import Split, product_groups
from catalens.training.finetune.text_graph import write_map
from catalens.training.finetune.tuned_bundle import copy_bundle, write_facts

if TYPE_CHECKING:
    from catalens.core.protocols import Encoder
    from catalens.models.parts import EncoderParts
    from catalens.pipelines.session import Session
    from catalens.training.finetune.loop import StepNote

MODEL, LOSS_PLOT, SCORES = "model", "loss.png", "scores.json"
"""What is written into the folder of a run."""
Picture = Any
"""Where an image is: a path, bytes, or what returns them."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenEncoder:
    """An encoder that can be fine-tuned.

    Attributes:
        encoder: as it is now.
        parts: its towers; None for a bundle, whose vectors are mapped instead.
        folder: of the bundle; None for towers.
    """

    encoder: Encoder
    parts: EncoderParts | None
    folder: Path | None


class Pictures(dict[str, Picture]):
    """Id → where its image is, noted while a table is read."""

    def note(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield the entries of a table."""
        for entry in entries:
            if isinstance(entry, Item):
                self[entry.id] = entry.picture
            yield entry


def open_encoder(name: str, session: Session) -> OpenEncoder:
    """Open an encoder by name or folder.

    Raises:
        ModelError: it cannot be had, or keeps the aspect ratio of images, which training does not support.
    """
    folder = shipped(name) if name in SHIPPED else Path(name).expanduser()
    if name in SHIPPED or (folder / "bundle.json").is_file():
        return OpenEncoder(session.encoder(name), None, folder)
    from catalens.models.cache import default_cache
    from catalens.models.hub.causal_encoder import torch_encoder
    from catalens.models.hub.loading import find_files, load_parts

    parts = load_parts(find_files(find_place(name), cache=session.config.cache or default_cache()))
    if parts.patches is not None:
        raise ModelError(f"{name} keeps the aspect ratio of images and cannot be fine-tuned; take one of a fixed size")
    if parts.save is None:
        raise ModelError(f"{name} is two models and cannot be fine-tuned as one; fine-tune the one of its pictures")
    return OpenEncoder(torch_encoder(parts, device=session.config.device, dtype="float32"), parts, None)


def pair_rows(
    tables: Mapping[Split, EncodedTable], *, text: str | None, hard: str | None, seed: int
) -> dict[Split, list[PairRow]]:
    """Return rows of image and text, split by product.

    Args:
        tables: the one for train; those for val and test where there are some.
        text: column with the texts; None for the title.
        hard: column whose equal values share a batch; None for random batches.
        seed: of the split.

    Raises:
        InputError: there is no such column, or train or val has no text.
    """
    columns = sorted({name for table in tables.values() for each in table.records for name in each.fields})
    if hard is not None and hard not in columns:
        raise InputError(f"there is no column {hard!r} for --hard-negatives; there are: {', '.join(columns)}")
    sides: dict[Split, list[PairRow]] = {}
    for name, (table, places) in sides_of(tables, seed=seed).items():
        texts = texts_of(table, text)
        keys = [[*key, found.casefold()] for key, found in zip(product_keys(table), texts, strict=True)]
        groups = product_groups(keys)
        kinds = sorted({str(each.fields.get(hard)) for each in table.records}) if hard else []
        sides[name] = [
            PairRow(
                table.records[at].id,
                table.hashes[at],
                texts[at],
                groups[at],
                kinds.index(str(table.records[at].fields.get(hard))) if hard else 0,
            )
            for at in places
            if texts[at]
        ]
    if not sides["train"] or not sides["val"]:
        raise InputError(
            f"the table has too few rows with a {text or 'title'} to train on and to validate by; name the column with "
            f"--text: {', '.join(columns)}"
        )
    return sides


def texts_of(table: EncodedTable, column: str | None) -> list[str]:
    """Return the text of each row, from a column or, with None, its title; "" where it has none."""
    return [
        " ".join(str(each.fields.get(column) or "" if column else title_of(each)).split()) for each in table.records
    ]


def towers_of(
    opened: OpenEncoder,
    sides: Sides,
    rows: Mapping[Split, Sequence[PairRow]],
    tables: Mapping[Split, EncodedTable],
    pictures: Mapping[str, Picture],
) -> tuple[Tower, Tower]:
    """Return the towers of an encoder; a side that is not trained, and every side of a bundle, is its vectors.

    Args:
        opened: the encoder.
        sides: to train.
        rows: all that will be encoded.
        tables: with the vectors of their images.
        pictures: id of a row → where its image is.
    """
    parts = opened.parts
    images = {key: vector for each in tables.values() for key, vector in zip(each.hashes, each.vectors, strict=True)}
    every = list(dict.fromkeys(row.text for side in rows.values() for row in side))
    if parts is not None and sides != "text":
        image = Tower(parts.image, _pixels(parts, pictures))
    else:
        image = Tower(_still(opened, trained=sides != "text"), known_vectors(images, lambda row: row.content))
    if parts is not None and sides != "image":
        text = Tower(parts.text, _ids(parts))
    else:
        texts = dict(zip(every, opened.encoder.encode_texts(every), strict=True))
        text = Tower(_still(opened, trained=sides != "image"), known_vectors(texts, lambda row: row.text))
    return image, text


def write_encoder(
    opened: OpenEncoder, towers: tuple[Tower, Tower], tuned: TunedEncoder, plan: EncoderPlan, out: Path
) -> None:
    """Write the model with the weights that its towers have, its card or facts, and the reports of the run."""
    folder = out / MODEL
    scores = scores_of(tuned)
    if opened.parts is not None and opened.parts.save is not None:
        opened.parts.save(folder)
        write_text_atomically(folder / "README.md", _card(opened, tuned, plan))
    elif opened.folder is not None and isinstance(opened.encoder, BundleEncoder):
        copy_bundle(opened.folder, folder)
        for name, tower in zip(GRAPHS, towers, strict=True):
            if isinstance(tower.module, LinearMap):
                write_map(opened.folder / name, folder / name, tower.module.matrix())
        about = f"with vectors mapped by what was learned of {out.name}"
        write_facts(opened.encoder, folder, out.name, about=about, scores=scores)
    write_text_atomically(out / SCORES, json.dumps(scores, indent=1) + "\n")
    save_image_atomically(loss_plot(tuned.state.losses, tuned.state.val), out / LOSS_PLOT)


def tune(
    opened: OpenEncoder,
    towers: tuple[Tower, Tower],
    rows: Mapping[Split, Sequence[PairRow]],
    plan: EncoderPlan,
    out: Path,
    on_step: Callable[[StepNote], None],
) -> TunedEncoder:
    """Train, and write the model and the reports."""
    out.mkdir(parents=True, exist_ok=True)
    tuned = tune_encoder(*towers, rows, plan, out, on_step)
    write_encoder(opened, towers, tuned, plan, out)
    return tuned


def scores_of(tuned: TunedEncoder) -> dict[str, Any]:
    """Return recall on val and test, by share of the tuned weights, as plain values."""
    return {
        "tuned_share": tuned.alpha,
        **{
            side: {
                str(alpha): {f"recall@{rank}": round(value, 4) for rank, value in found.items()}
                for alpha, found in all_.items()
            }
            for side, all_ in (("val", tuned.val), ("test", tuned.test))
        },
    }


def _still(opened: OpenEncoder, *, trained: bool) -> torch.nn.Module:
    if opened.parts is None and trained:
        return LinearMap(opened.encoder.dim)
    return torch.nn.Identity()


def _pixels(parts: EncoderParts, pictures: Mapping[str, Picture]) -> Callable[..., torch.Tensor]:
    device = next(parts.image.parameters()).device
    mean, std = (
        torch.tensor(each, device=device).view(3, 1, 1) for each in (parts.preprocess.mean, parts.preprocess.std)
    )
    pool = ThreadPoolExecutor(thread_name_prefix="fit")

    def load(row: PairRow) -> Any:  # noqa: ANN401 - an image of Pillow
        picture = pictures[row.id]
        return read_image(picture() if callable(picture) else picture)

    def pixels(rows: Sequence[PairRow]) -> torch.Tensor:
        fitted = torch.from_numpy(fit_all(list(pool.map(load, rows)), parts.preprocess, pool)).to(device)
        return (fitted.permute(0, 3, 1, 2).float() / 255 - mean) / std

    return pixels


def _ids(parts: EncoderParts) -> Callable[..., torch.Tensor]:
    device = next(parts.text.parameters()).device
    tokens = Tokens(parts.tokenizer, max_tokens=parts.max_tokens, pad_id=parts.pad_id, end_id=parts.end_id)

    def ids(rows: Sequence[PairRow]) -> torch.Tensor:
        found = tokens.read([row.text for row in rows])
        # A causal tower's vector is that of the end token, which does not see what follows.
        padded = np.zeros((len(found), max(map(len, found))), dtype=np.int64)
        for row, each in zip(padded, found, strict=True):
            row[: len(each)] = each
        return torch.from_numpy(padded).to(device)

    return ids


def _card(opened: OpenEncoder, tuned: TunedEncoder, plan: EncoderPlan) -> str:
    base = opened.encoder.name
    lines = [
        f"| {name} | " + " | ".join(f"{value:.3f}" for value in tuned.test[alpha].values()) + " |"
        for name, alpha in (("untuned", 0.0), ("tuned", 1.0), (f"average, {tuned.alpha:g} tuned", tuned.alpha))
    ]
    return "\n".join(
        [
            f"---\nbase_model: {base.rpartition('@')[0]}\n---",
            f"# {base}, fine-tuned by `catalens finetune encoder`",
            f"- {tuned.state.step} steps of {plan.recipe.batch_size} rows, {tuned.state.chosen}",
            f"- adapters: {plan.lora or 'none, whole towers'}; loss: {'softmax' if plan.bias is None else 'sigmoids'}",
            "\nText to image on test rows, recall at 1, 5 and 10:\n\n| weights | @1 | @5 | @10 |\n|---|---|---|---|",
            *lines,
            "",
        ]
    )
