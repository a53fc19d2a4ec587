"""Where the text results of a job go: the outputs and the journal that flags or arguments ask for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from catalens.catalogue.sources.formats import is_table, table_columns
from catalens.catalogue.sources.table import ID_COLUMNS, IMAGE_COLUMNS
from catalens.core.caching import try_to_keep
from catalens.core.columns import matching_column
from catalens.core.errors import InputError
from catalens.pipelines.journal import Journal
from catalens.pipelines.output import Output
from catalens.pipelines.result_table import Table
from catalens.pipelines.sidecars import IfExists, Sidecars

STANDARD_INPUT = "-"
"""The name of a picture that comes as bytes on standard input."""

_COUNTED = ("caption", "prompt", "description", "vector")
"""Values that are counted by their own name: each picture has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where the text results of a job go.

    Attributes:
        text: the value that is the result.
        known: every value that users may ask for; a table may also have image, id and source.
        several: the value that lists all results of a picture, where there may be more than one: text files hold it,
            and a table too if it is among `known`.
        default_columns: the table's columns besides image, as NAME or NAME=VALUE; empty takes `text`, and `several`
            if it is among `known`.
        sidecar: ending of the text files; None writes none.
        into: folder of the text files; None puts them beside the pictures.
        table: file of the table; None writes none.
        columns: the table's columns as a user writes them, such as "file_name=image,caption"; None takes the default,
            with image and id under the names that a table that is there has for them.
        identity: what tells the table's rows apart by default; the other, where a table that is there has no such.
        if_exists: what to do with a picture that has its text already.
    """

    text: str
    known: Sequence[str]
    several: str | None = None
    default_columns: Sequence[str] = ()
    sidecar: str | None = None
    into: Path | None = None
    table: Path | None = None
    columns: str | None = None
    if_exists: IfExists = "skip"
    identity: Literal["image", "id"] = "image"

    def outputs(self) -> list[Output]:
        """Open the outputs; what cannot be written is found here, before the work begins.

        Raises:
            InputError: arguments that do not go together, or a table that cannot be used.
        """
        if self.into is not None and self.sidecar is None:
            raise InputError("--into goes with --sidecar: it names the folder of the text files")
        if self.columns is not None and self.table is None:
            raise InputError("--columns goes with --output: it names the table's columns")
        made: list[Output] = []
        if self.sidecar is not None:
            made.append(
                Sidecars(self.several or self.text, ending=self.sidecar, if_exists=self.if_exists, folder=self.into)
            )
        if self.table is not None:
            columns = self._columns()
            made.append(Table(self.table, self.text, several=self.several, columns=columns, if_exists=self.if_exists))
        return made

    def written(self, done: int, skipped: int) -> str:
        """Return where results were written, and how many, in a sentence; empty where they go nowhere."""
        where = [str(self.table)] if self.table is not None else []
        where += [f"{self.sidecar} files"] if self.sidecar is not None else []
        what = self.text if self.text in _COUNTED else "result"
        there = f"; {skipped} {'picture' if skipped == 1 else 'pictures'} had one already" if skipped else ""
        return f"{' and '.join(where)}: {done} {what}{'' if done == 1 else 's'} written{there}" if where else ""

    def journal(self, job: object, pictures: Sequence[str], cache: Path | None) -> Journal | None:
        """Return the journal of the job: beside its table, else in the cache.

        Args:
            job: everything that results depend on beside the pictures, as JSON values.
            pictures: as they were named; what comes from standard input is another picture each time.
            cache: folder for what can be made again; None keeps no journal without a table.
        """
        if STANDARD_INPUT in pictures or (self.table is None and self.sidecar is None):
            return None
        about = [job, self.sidecar, str(self.into), self.columns, self.if_exists]
        if self.table is not None:
            return Journal(self.table.with_name(f"{self.table.name}.part"), about)
        if cache is None or not try_to_keep(lambda: (cache / "jobs").mkdir(parents=True, exist_ok=True), cache):
            return None
        paths = [str(Path(name).absolute()) for name in pictures]
        digest = hashlib.sha256(json.dumps([about, paths]).encode()).hexdigest()[:32]
        return Journal(cache / "jobs" / f"{digest}.part", about, in_cache=True)

    def _columns(self) -> dict[str, str]:
        own = self.default_columns or (self.text,)
        if not self.default_columns and self.several is not None and self.several in self.known:
            own = (self.text, self.several)
        chosen = self._named_as_there([self.identity, *own]) if self.columns is None else self.columns.split(",")
        pairs = [column.partition("=") for column in chosen]
        columns = {name.strip(): value.strip() or name.strip() for name, _, value in pairs}
        known = ["image", "id", "source", *self.known]
        for name in columns.values():
            if name not in known:
                raise InputError(f"--columns: there is no value {name!r}; there are {', '.join(known)}")
        return columns

    def _named_as_there(self, columns: list[str]) -> list[str]:
        """Return columns in which image and id have the names that a table that is there has for them."""
        if self.table is None or not self.table.is_file() or not is_table(self.table):
            return columns
        names = table_columns(self.table)
        there = {"image": matching_column(IMAGE_COLUMNS, names), "id": matching_column(ID_COLUMNS, names)}
        other = "id" if self.identity == "image" else "image"
        if there[self.identity] is None and there[other] is not None:
            columns = [other, *(column for column in columns if column not in there)]
        return [f"{there[column]}={column}" if there.get(column) else column for column in columns]
