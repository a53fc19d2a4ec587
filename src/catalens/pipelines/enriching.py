"""Runs an `EnrichPlan`: which pictures, where results go, and in which order the models are held."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import Any

from catalens.catalogue.opening import open_index
from catalens.catalogue.sources import Entry, Item
from catalens.catalogue.sources.formats import is_table
from catalens.core.errors import InputError
from catalens.core.types import Outcome
from catalens.core.vectors import batched
from catalens.pipelines.catalogue import catalogue_encoder
from catalens.pipelines.destination import Destination
from catalens.pipelines.encoding import EmbedStage
from catalens.pipelines.engine import run_job, stream
from catalens.pipelines.enrich_plan import EnrichPlan
from catalens.pipelines.events import Callbacks, JobReport
from catalens.pipelines.exiftool import XmpInFiles
from catalens.pipelines.index_fields import EnrichedIndex
from catalens.pipelines.journal import Journal
from catalens.pipelines.memory_plan import memory_bytes, predict_memory
from catalens.pipelines.output import Output
from catalens.pipelines.pictures import named_entries
from catalens.pipelines.session import Session
from catalens.pipelines.shards import Shards
from catalens.pipelines.stages import identity, record_of
from catalens.pipelines.xmp_sidecars import XmpSidecars

_SILENT = Callbacks()
_AT_A_TIME = 10_000
"""Pictures for which each model is loaded once, where only one may be in memory: loading must not count."""
_WARM_UP, _TIMED = 8, 24
"""Pictures of a dry run: what is loaded and encoded once must not be counted for each picture."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a dry run found.

    Attributes:
        pictures: that the outputs do not hold yet.
        held: pictures that they hold.
        items_per_s: measured on the first pictures; 0 where none could be read.
        limited_by: what took the most time.
        failed: of the pictures that were tried.
        memory_mb: predicted.
    """

    pictures: int
    held: int
    items_per_s: float
    limited_by: str
    failed: int
    memory_mb: float

    @property
    def seconds(self) -> float | None:
        """How long the job will take; None where nothing could be measured."""
        return self.pictures / self.items_per_s if self.items_per_s else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "pictures": self.pictures,
            "held": self.held,
            "items_per_s": round(self.items_per_s, 2),
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "limited_by": self.limited_by,
            "failed": self.failed,
            "memory_mb": round(self.memory_mb),
        }


class Enrichment:
    """A plan with its outputs open; use it as a context manager."""

    def __init__(self, plan: EnrichPlan, session: Session, *, dry_run: bool = False) -> None:
        """Check the plan and open what it writes to, before any work; a dry run makes no new file or folder.

        Raises:
            InputError: something in the plan is unknown or cannot be, or the memory limit is too small.
            CatalogueError: the index cannot be used.
        """
        self.plan, self.session = plan, session
        self._open = ExitStack()
        self.entries = _Chosen(plan)
        if plan.index is not None and "vectors" not in plan.do:
            plan = replace(plan, do={**plan.do, "vectors": {}})
            self.plan = plan
        self.stages = plan.stages()
        self.memory = predict_memory(self.stages, session.config)
        limit = memory_bytes(plan.memory_limit) if plan.memory_limit is not None else None
        if limit is not None and self.memory.unknown:
            raise InputError(
                f"the size of {', '.join(self.memory.unknown)} is not known, so no memory limit can be kept; "
                "name a model of `catalens models` or a folder"
            )
        self.one_at_a_time = limit is not None and self.memory.one_at_a_time(limit)
        self._journal: Journal | None = None
        try:
            self.outputs = self._outputs(dry_run=dry_run)
        except BaseException:
            self._open.close()
            raise

    def __enter__(self) -> Enrichment:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def run(self, callbacks: Callbacks = _SILENT) -> JobReport:
        """Do the work that the outputs do not hold yet.

        Raises:
            ModelError: a model cannot be loaded, or fails for one picture after the other.
        """
        if self.plan.engine == "ray":
            from catalens.pipelines.ray_engine import run_on_ray

            config = self.session.config
            return run_on_ray(
                self.entries,
                self.stages,
                self.outputs,
                config=config,
                workers=self.plan.workers,
                address=self.plan.address,
                callbacks=callbacks,
            )
        if not self.one_at_a_time:
            return self._run(self.entries, self._journal, callbacks)
        reports = [self._run(some, None, callbacks) for some in batched(self.entries, _AT_A_TIME)]
        return _sum(reports)

    def estimate(self) -> Estimate:
        """Try the first pictures, and count the others; nothing is written."""
        wanted, held = self._first_wanted()
        list(stream(wanted[:_WARM_UP], self.stages, self.session))
        started_s = time.perf_counter()
        seconds: dict[str, float] = {}
        tried = wanted[_WARM_UP:] or wanted
        report = run_job(tried, self.stages, session=self.session)
        seconds.update(report.seconds)
        elapsed_s = time.perf_counter() - started_s
        limit = max(seconds, key=lambda what: seconds[what], default="decoding")
        memory_mb = self.memory.single_mb if self.one_at_a_time else self.memory.together_mb
        total = sum(isinstance(entry, Item) for entry in self.entries)
        rate = report.done / elapsed_s if report.done else 0.0
        still_held = held if len(wanted) < _WARM_UP + _TIMED else self._held()
        return Estimate(total - still_held, still_held, rate, limit, len(report.failures), memory_mb)

    def _first_wanted(self) -> tuple[list[Entry], int]:
        wanted: list[Entry] = []
        held = 0
        for entry in self.entries:
            if self._is_held(entry):
                held += 1
            elif isinstance(entry, Item):
                wanted.append(entry)
            if len(wanted) == _WARM_UP + _TIMED:
                break
        return wanted, held

    def _held(self) -> int:
        return sum(self._is_held(entry) for entry in self.entries)

    def _is_held(self, entry: Entry) -> bool:
        if not isinstance(entry, Item) or not self.outputs:
            return False
        try:
            return all(output.holds(record_of(entry)) for output in self.outputs)
        except InputError:
            return False

    def _run(self, entries: Iterable[Entry], journal: Journal | None, callbacks: Callbacks) -> JobReport:
        return run_job(
            entries,
            self.stages,
            self.outputs,
            session=self.session,
            journal=journal,
            one_at_a_time=self.one_at_a_time,
            callbacks=callbacks,
        )

    def _outputs(self, *, dry_run: bool) -> list[Output]:
        plan = self.plan
        if dry_run:  # what is not there yet holds nothing
            there = {
                name: where for name in ("output", "index") if (where := getattr(plan, name)) and Path(where).exists()
            }
            plan = self.plan = replace(plan, output=there.get("output"), index=there.get("index"))
        elif not (plan.output or plan.sidecar or plan.xmp or plan.xmp_in_file or plan.index):
            raise InputError("results go nowhere; use --output FOLDER, --sidecar .txt, --xmp or --index CATALOGUE")
        about = identity(self.stages, self.session)
        made: list[Output] = []
        table = Path(plan.output) if plan.output and is_table(Path(plan.output)) else None
        if plan.output is not None and table is None:
            shards = Shards(
                Path(plan.output),
                plan.columns,
                plan=about,
                format=plan.format,
                rows_per_shard=plan.rows_per_shard,
            )
            made.append(shards)
        if table is not None or plan.sidecar is not None:
            destination = self._destination(table)
            made += destination.outputs()
            self._journal = destination.journal(about, plan.sources, self.session.config.cache)
            if self._journal is not None and self.one_at_a_time:
                raise InputError(
                    "a memory limit that allows one model at a time goes with a folder of shards (--output FOLDER/), "
                    "not with one table or text files; name a folder, or raise the limit"
                )
        made += self._xmp()
        if plan.index is not None:
            made.append(self._index(plan.index, about))
        return made

    def _xmp(self) -> list[Output]:
        overwrite = self.plan.if_exists == "overwrite"
        made: list[Output] = [XmpSidecars(overwrite=overwrite)] if self.plan.xmp else []
        if self.plan.xmp_in_file:
            made.append(self._open.enter_context(closing(XmpInFiles(overwrite=overwrite))))
        return made

    def _destination(self, table: Path | None) -> Destination:
        plan = self.plan
        columns = list(plan.columns)
        main = plan.main_text if plan.sidecar is not None else columns[-1 if plan.text is not None else 0]
        return Destination(
            text=main,
            known=[*columns, main],
            default_columns=("id", *columns, *([main] if main not in columns else [])),
            table=table,
            sidecar=plan.sidecar,
            if_exists=plan.if_exists,
        )

    def _index(self, uri: str, about: object) -> EnrichedIndex:
        """Open the index with the encoder that filled it, or that suits the pictures."""
        encoder = catalogue_encoder(uri, self.session, self.entries)
        name = encoder.name.rpartition("@")[0] or encoder.name
        at = next(place for place, stage in enumerate(self.stages) if stage.name == "vectors")
        if self.stages[at] == EmbedStage() and self.session.config.encoder is None:
            self.stages[at] = EmbedStage(name)
        index = self._open.enter_context(open_index(uri, encoder_name=encoder.name, dim=encoder.dim))
        return EnrichedIndex(index, about)


class _Chosen:
    """The entries of a plan's sources; each iteration reads them anew."""

    def __init__(self, plan: EnrichPlan) -> None:
        if not plan.sources:
            raise InputError("there are no pictures; name folders, tables or files")
        self._limit, self._sample = plan.limit, plan.sample
        self._parts = [_opened(name) for source in plan.sources for name in expand_braces(source)]

    def __iter__(self) -> Iterator[Entry]:
        entries: Iterator[Entry] = chain.from_iterable(self._parts)
        if self._sample is not None:
            share = self._sample
            entries = (entry for entry in entries if sampled(entry.id, share))
        return islice(entries, self._limit)


def _opened(name: str) -> Iterable[Entry]:
    from catalens.catalogue.sources.bucket import bucket_entries, is_bucket
    from catalens.catalogue.sources.datasets import dataset_source, is_dataset
    from catalens.catalogue.sources.records import CatalogueSource, is_catalogue
    from catalens.catalogue.sources.tar import is_tar, tar_source

    if is_bucket(name):
        return bucket_entries(name)
    if is_tar(name):
        return tar_source(Path(name))
    if is_dataset(Path(name)):
        return dataset_source(Path(name))
    if is_catalogue(name):
        return CatalogueSource(name)
    return named_entries([name])


def expand_braces(name: str) -> list[str]:
    """Return the names that a brace range stands for.

    >>> expand_braces("shards-{008..010}.tar"), expand_braces("photos/")
    (['shards-008.tar', 'shards-009.tar', 'shards-010.tar'], ['photos/'])

    Raises:
        InputError: a range that ends before it begins, or of more than a million names.
    """
    found = re.search(r"\{(\d+)\.\.(\d+)\}", name)
    if found is None or Path(name).exists():
        return [name]
    first, last = int(found[1]), int(found[2])
    if not 0 <= last - first < 1_000_000:
        raise InputError(f"{name}: the range {found[0]} is empty or has more than a million names")
    width = len(found[1]) if found[1].startswith("0") else 0
    before, after = name[: found.start()], name[found.end() :]
    return [each for number in range(first, last + 1) for each in expand_braces(f"{before}{number:0{width}}{after}")]


def sampled(id: str, share: float) -> bool:
    """Return whether an item is in the sample: by its id, so the same ones are chosen each time.

    >>> sum(sampled(f"{number}.jpg", 0.1) for number in range(10_000))
    1013
    """
    digest = blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def _sum(reports: Sequence[JobReport]) -> JobReport:
    seconds: dict[str, float] = {}
    for report in reports:
        for what, spent_s in report.seconds.items():
            seconds[what] = seconds.get(what, 0.0) + spent_s
    failures: tuple[Outcome, ...] = tuple(each for report in reports for each in report.failures)
    return JobReport(
        sum(report.done for report in reports),
        sum(report.skipped for report in reports),
        failures,
        sum(report.elapsed_s for report in reports),
        seconds,
    )
