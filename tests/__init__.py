"""The tests. A pytest-xdist worker stays on one core, so that the threads of several workers do not compete.

This package is imported before anything that counts the cores: BLAS, OpenVINO, ONNX Runtime and torch all ask for the
cores of their process, and child processes inherit the limit.
"""

import os

_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if _worker:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if hasattr(os, "sched_setaffinity"):  # not on macOS
        _cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {_cores[int(_worker.removeprefix("gw")) % len(_cores)]})
