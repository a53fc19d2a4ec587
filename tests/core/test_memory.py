"""The budget: never more in use than there is, and nobody waits for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catalens.core import memory
from catalens.core.memory import ByteBudget, peak_bytes


def test_never_more_in_use_than_there_is() -> None:
    budget, lock, used, most = ByteBudget(100), threading.Lock(), 0, 0

    def work(size: int) -> None:
        nonlocal used, most
        with budget.reserve(size):
            with lock:
                used += min(size, 100)
                most = max(most, used)
            with lock:
                used -= min(size, 100)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [1, 30, 99, 100, 5_000, 60, 41, 0] * 200))
    assert used == 0
    assert 0 < most <= 100


def test_a_large_job_waits_for_a_small_one_and_then_runs() -> None:
    budget, order = ByteBudget(10), []
    started = threading.Event()

    def large() -> None:
        started.set()
        with budget.reserve(10):
            order.append("large")

    with budget.reserve(1):
        thread = threading.Thread(target=large)
        thread.start()
        started.wait()
        order.append("small")
    thread.join()
    assert order == ["small", "large"]


def test_an_error_gives_the_bytes_back() -> None:
    budget = ByteBudget(10)
    for _ in range(3):
        try:
            with budget.reserve(10):
                raise ValueError
        except ValueError:
            pass


@pytest.mark.skipif(not memory.STATUS.is_file(), reason="the system has no /proc")
def test_the_peak_is_this_process_own() -> None:
    held = bytearray(200_000_000)
    held[::4096] = b"x" * len(held[::4096])
    code = "from catalens.core.memory import peak_bytes; print(peak_bytes())"
    child = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    own = peak_bytes()
    assert own is not None
    assert own > len(held) > child > 1_000_000


def test_without_proc_the_peak_is_what_getrusage_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="Windows does not say what a process has held")
    monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
    assert (peak_bytes() or 0) > 1_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux is asked to forget pages")
def test_pages_of_a_file_are_forgotten_and_read_again(tmp_path: Path) -> None:
    """Neither the file's bytes nor the peak are lost, and memory that is no file's stays as it was."""
    code = """
import mmap, re, sys
from pathlib import Path
from catalens.core.memory import drop_mapped_pages, peak_bytes
import ctypes
def held(): return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
own = mmap.mmap(-1, 1 << 20)
own[:5] = b"mine!"
before = held()
assert sum(mapped[at] for at in range(0, len(mapped), 4096)) == 70_000
read = held()
for each in (mapped, own):
    drop_mapped_pages(ctypes.addressof(ctypes.c_char.from_buffer(each)), len(each))
print(read - before, held() - before, peak_bytes() - read, mapped[8192], own[:5].decode())
"""
    file = tmp_path / "file"
    file.write_bytes(b"\x07" * 40_960_000)
    ran = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    read, kept, above, byte, own = ran.stdout.split()
    assert int(read) > 35_000_000
    assert int(kept) < 5_000_000
    assert int(above) > -1_000_000  # the system counts in batches
    assert (byte, own) == ("7", "mine!")
