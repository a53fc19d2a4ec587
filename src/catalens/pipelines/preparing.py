"""Makes one table of pairs (image, question, answer) out of what people have, split by product, with a report."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalens.catalogue.sources import Item, open_source
from catalens.catalogue.sources.formats import is_table, table_kind, table_rows
from catalens.catalogue.sources.items import Row
from catalens.core.confinement import check_allowed
from catalens.core.content import read_content
from catalens.core.errors import ImageError, InputError
from catalens.core.files import write_atomically
from catalens.core.images import picture_format
from catalens.pipelines.finetuning import SHARES_LEFT, TITLES
from catalens.training.finetune.pairs import (
    Fields,
    Pair,
    Template,
    image_of,
    is_decision,
    pair_from_decision,
    pairs_from_fields,
    pairs_from_row,
)
from catalens.training.finetune.splits import SPLITS, Split, split_rows

_MAX_BYTES = 1 << 28
_ENDINGS = ("", ".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, slots=True)
class Prepared:
    """One pair with its image.

    Attributes:
        product: the id of the product.
        title: of the product; empty where it has none.
        image: the bytes of an image that is not a file; None for one at `path`.
        path: where the image is; empty for bytes.
        content: hash of the image's bytes.
        pair: question and answer.
    """

    product: str
    title: str
    image: bytes | None
    path: str
    content: str
    pair: Pair


@dataclass(slots=True)
class PrepareReport:
    """What became of the rows.

    Attributes:
        pairs: number of pairs per split.
        attributes: attribute → answer → number of pairs.
        duplicates: pairs left out because the same image has the same question and answer already.
        conflicts: pairs left out because the same image has another answer to the same question already.
        held_out: pairs left out because their product is in the tables for val and test.
        rejected: decisions that reject a value and name no better one.
        missing_images: rows whose image cannot be found or read.
        leakage: images and titles that are on two sides of the split; 0 by construction, counted all the same.
        bad: rows that came to nothing, each with its reason.
    """

    pairs: dict[Split, int] = field(default_factory=dict)
    attributes: dict[str, Counter[str]] = field(default_factory=dict)
    duplicates: int = 0
    conflicts: int = 0
    held_out: int = 0
    rejected: int = 0
    missing_images: int = 0
    leakage: int = 0
    bad: list[dict[str, str]] = field(default_factory=list)

    def refuse(self, row: str, reason: str, *, image: bool = False) -> None:
        """Note a row that came to nothing."""
        self.missing_images += image
        self.bad.append({"row": row, "error": reason})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        classes = {
            name: {"pairs": sum(counts.values()), "classes": len(counts), "majority": counts.most_common(1)[0][0]}
            for name, counts in sorted(self.attributes.items())
        }
        return {
            "pairs": self.pairs,
            "attributes": classes,
            "duplicates": self.duplicates,
            "conflicts": self.conflicts,
            "held_out": self.held_out,
            "rejected": self.rejected,
            "missing_images": self.missing_images,
            "bad_rows": len(self.bad),
            "leakage": self.leakage,
        }


def prepare(
    path: Path,
    out: Path,
    *,
    templates: Sequence[Template],
    images: Path | None = None,
    seed: int = 0,
    given: Mapping[Split, Path] | None = None,
) -> PrepareReport:
    """Write a parquet table of pairs; bad rows go to `OUT.bad.jsonl` and stop nothing.

    Args:
        path: a catalogue that `open_source` reads, or a text table of questions and answers.
        out: the .parquet file to write.
        templates: questions about the fields of a catalogue.
        images: folder of the images that question rows name; None for the file's own.
        seed: of the split.
        given: tables of val and test, where they are not to be split off; their products are left out of the others.

    Raises:
        InputError: there is nothing to read, no pair came of it, or the file cannot be written.
    """
    if out.suffix.lower() != ".parquet":
        raise InputError(f"{out} would hold parquet; name a file that ends in .parquet")
    report = PrepareReport()
    apart = {name: _read(each, images, templates, report) for name, each in (given or {}).items()}
    taken = {key for side in apart.values() for each in side for key in _keys(each) if key}
    kept = _read(path, images, templates, report)
    free = [each for each in kept if not taken & {*_keys(each)}]
    report.held_out = len(kept) - len(free)
    if not free:
        reason = "no row has a column that the questions name"
        if kept:
            reason = "all of its products are in the tables for val and test"
        elif report.bad:
            reason = report.bad[0]["error"]
        raise InputError(f"no pair came of {path}: {reason}")
    sides = split_rows([_keys(each) for each in free], seed=seed, shares=SHARES_LEFT[tuple(sorted(apart))])
    for name, side in apart.items():
        free += side
        sides += [name] * len(side)
    report.pairs = {name: sides.count(name) for name in SPLITS}
    report.leakage = _leakage(free, sides)
    for each in free:
        report.attributes.setdefault(each.pair.attribute or "all", Counter())[each.pair.answer] += 1
    _write(out, free, sides)
    bad = out.with_suffix(".bad.jsonl")
    bad.unlink(missing_ok=True)
    if report.bad:
        bad.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in report.bad), encoding="utf-8")
    return report


def _read(path: Path, images: Path | None, templates: Sequence[Template], report: PrepareReport) -> list[Prepared]:
    """Return the pairs of a table, each image's question once."""
    question_rows = _question_rows(path)
    if question_rows is not None:
        found = _from_questions(question_rows, images or path.parent, templates, report)
    else:
        found = _from_catalogue(path, templates, report)
    return _without_repeats(found, report)


def _keys(each: Prepared) -> list[str]:
    """Return what identifies the product of a pair: the hash of its image, and its title."""
    return [each.content, " ".join(each.title.casefold().split())]


def _question_rows(path: Path) -> Iterator[Row] | None:
    """Return the rows of a file of questions; None if it is a catalogue."""
    if path.is_dir() or not is_table(path) or table_kind(path) == "parquet":
        return None
    first = next((row.values for row in table_rows(path) if row.error is None), {})
    asked = {key.casefold() for key in first} & {"question", "messages", "conversations", "instruction"}
    if not asked and not is_decision(first):
        return None
    return table_rows(path)


def _from_questions(
    rows: Iterator[Row], folder: Path, templates: Sequence[Template], report: PrepareReport
) -> Iterator[Prepared]:
    for row in rows:
        if row.error is not None:
            report.refuse(row.place, row.error)
            continue
        try:
            name = image_of(row.values) or ""
            pairs = _pairs_of(row.values, name, templates, report)
        except InputError as error:
            report.refuse(row.place, str(error))
            continue
        try:
            file = None if name[:5].lower() == "data:" else _find(folder, name)
            encoded = _encoded(name if file is None else file)
        except InputError as error:
            report.refuse(row.place, str(error), image=True)
            continue
        title = next((str(row.values[each]) for each in TITLES if row.values.get(each)), "")
        content = hashlib.blake2b(encoded, digest_size=16).hexdigest()
        product, path = (name, str(file)) if file else (content, "")
        for pair in pairs:
            yield Prepared(product, title, None if file else encoded, path, content, pair)


def _pairs_of(row: Fields, product: str, templates: Sequence[Template], report: PrepareReport) -> list[Pair]:
    if not is_decision(row):
        pairs = pairs_from_row(row)
        if pairs is None:
            raise InputError("the row has no question")
        return pairs
    pair = pair_from_decision(row, product, templates)
    report.rejected += pair is None
    return [] if pair is None else [pair]


def _find(folder: Path, name: str) -> Path:
    named = [name, name.replace("\\", "/")] if "\\" in name else [name] * bool(name)  # a table made on Windows
    for place, each, ending in itertools.product(("", "images"), named, _ENDINGS):
        file = folder / place / f"{each}{ending}"
        check_allowed(file)
        with suppress(OSError):  # a name may be too long for a file
            if file.is_file():
                return file.absolute()
    raise InputError(f"there is no image {name[:200]!r} in {folder}")


def _encoded(picture: object) -> bytes:
    """Return the bytes of an image.

    Raises:
        ImageError: there is none.
    """
    content, name = read_content(picture, max_bytes=_MAX_BYTES)
    if picture_format(content[:64]) is None:
        raise ImageError(f"{name[:200]} is not a picture")
    return content


def _from_catalogue(path: Path, templates: Sequence[Template], report: PrepareReport) -> Iterator[Prepared]:
    for entry in open_source(path):
        if not isinstance(entry, Item):
            report.refuse(entry.id, entry.error or "", image="picture" in (entry.error or ""))
            continue
        pairs = pairs_from_fields(entry.fields, entry.id, templates)
        try:
            content = _encoded(entry.picture)
        except ImageError as error:
            report.refuse(entry.id, str(error), image=True)
            continue
        is_file = isinstance(entry.picture, str | Path)
        title = next((str(entry.fields[name]) for name in TITLES if entry.fields.get(name)), "")
        key = hashlib.blake2b(content, digest_size=16).hexdigest()
        for pair in pairs:
            file = str(Path(str(entry.picture)).absolute()) if is_file else ""
            yield Prepared(entry.id, title, None if is_file else content, file, key, pair)


def _without_repeats(found: Iterator[Prepared], report: PrepareReport) -> list[Prepared]:
    answers: dict[tuple[str, str], str] = {}
    kept: list[Prepared] = []
    for each in found:
        key = (each.content, each.pair.question)
        if key not in answers:
            answers[key] = each.pair.answer
            kept.append(each)
        elif answers[key] == each.pair.answer:
            report.duplicates += 1
        else:
            report.conflicts += 1
    return kept


def _leakage(kept: Sequence[Prepared], sides: Sequence[Split]) -> int:
    seen: dict[str, set[Split]] = {}
    for each, side in zip(kept, sides, strict=True):
        for key in filter(None, (each.content, each.title)):
            seen.setdefault(key, set()).add(side)
    return sum(len(where) > 1 for where in seen.values())


def _write(out: Path, kept: Sequence[Prepared], sides: Sequence[Split]) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise InputError('a table of pairs needs pyarrow: pip install "catalens[parquet]"') from error
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns: dict[str, Any] = {
        "id": pa.array([each.product for each in kept], pa.string()),
        "image": pa.array([{"bytes": each.image, "path": each.path} for each in kept], image),
        "content": pa.array([each.content for each in kept], pa.string()),
        "question": pa.array([each.pair.question for each in kept], pa.string()),
        "answer": pa.array([each.pair.answer for each in kept], pa.string()),
        "attribute": pa.array([each.pair.attribute for each in kept], pa.string()),
        "split": pa.array(list(sides), pa.string()),
    }
    write_atomically(out, lambda file: parquet.write_table(pa.table(columns), file))
