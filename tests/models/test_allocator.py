"""What is freed is used again and not fetched afresh, seen by the page faults of a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import numpy as np
from catalens.models.allocator import keep_memory

def faults(pages):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(pages * 512).sum()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "keep":
    keep_memory()
faults(16384)
print(faults(16384))
"""


def faults_the_second_time(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told")
def test_a_second_array_of_the_same_size_costs_no_page_faults() -> None:
    # Pages may be as large as 2 MB where the kernel likes, so nothing is said of how many there are without it.
    usual, kept = faults_the_second_time("usual"), faults_the_second_time("keep")
    assert kept <= usual
    assert kept < 1000, f"{kept} of 16384 pages were fetched again"
