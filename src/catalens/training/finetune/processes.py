"""The processes that train one model together, through accelerate: shares of rows, sums and gathered results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

from catalens.core.errors import ModelError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: of this process, from 0.
        count: of all processes.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def share(self, rows: Sequence[T]) -> Sequence[T]:
        """Return this process's part of some rows: every `count`-th one."""
        return rows[self.rank :: self.count]

    def piece(self, rows: Sequence[T]) -> Sequence[T]:
        """Return this process's part of some rows, in which neighbours stay together."""
        start, end = (len(rows) * rank // self.count for rank in (self.rank, self.rank + 1))
        return rows[start:end]

    def total(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.count == 1:
            return values
        from accelerate.utils import reduce

        summed: Tensor = reduce(values, reduction="sum")
        return summed

    def gather(self, values: Sequence[T]) -> list[T]:
        """Return the values of all processes in the order of the rows that `share` dealt out."""
        if self.count == 1:
            return list(values)
        from accelerate.utils import gather_object

        places = [self.rank + self.count * at for at in range(len(values))]
        found: list[tuple[int, Any]] = gather_object(list(zip(places, values, strict=True)))
        return [value for _, value in sorted(found, key=lambda each: each[0])]

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()


ALONE = Processes()


def join_processes(device: str | None) -> tuple[Processes, str | None]:
    """Return this process among those that `accelerate launch` started, and the device that it has to itself.

    Args:
        device: as the user named it; "cpu" keeps every process on the processor. None is the process's own accelerator.

    Raises:
        ModelError: accelerate is missing, or several processes were to share one accelerator.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE, device
    if device not in (None, "cpu"):
        raise ModelError(f"several processes cannot share the device {device}; leave --device out, or name cpu")
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ModelError('several processes need accelerate: pip install "catalens[finetune]"') from error
    state = PartialState(cpu=device == "cpu")
    return Processes(state.process_index, state.num_processes), str(state.device)
