"""The bundled encoders give the same rows in any company and on any processor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.contracts.test_encoder import TEXTS, WITHIN, pictures, shipped_bundle

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["starter", "everyday"])
def test_many_texts_of_every_length_do_not_change_each_other(name: str) -> None:
    # Packed rows of a hundred texts have other shapes than those of four, and so other kernels.
    encoder = shipped_bundle(name, "onnxruntime")
    words = ["red", "blue", "striped", "cotton", "dress", "shirt", "shoe", "bag", "for", "women", "with", "a", "zip"]
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, rng.integers(1, 12))) for _ in range(100)]
    together = encoder.encode_texts(texts)
    assert max(np.abs(together[at] - encoder.encode_texts([texts[at]])[0]).max() for at in range(0, 100, 9)) < WITHIN


CAPPED = """
import sys
from pathlib import Path
import numpy as np
from tests.contracts.test_encoder import TEXTS, pictures, shipped_bundle
for name in ("starter", "everyday"):
    encoder = shipped_bundle(name, "openvino")
    for kind, encode, items in (("images", encoder.encode_images, pictures(5)), ("texts", encoder.encode_texts, TEXTS)):
        rows = encode(items)
        alone = np.concatenate([encode([item]) for item in items])
        np.savez(Path(sys.argv[1]) / f"{name}-{kind}.npz", rows=rows, alone=alone)
"""


def test_fewer_instructions_give_the_same_rows(tmp_path: Path) -> None:
    """oneDNN, which OpenVINO computes with, can be held to an older instruction set; ONNX Runtime cannot."""
    pytest.importorskip("openvino", reason="openvino is not installed")
    root = Path(__file__).parents[2]
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    subprocess.run([sys.executable, "-c", CAPPED, str(tmp_path)], check=True, env=environment, cwd=root)
    for name in ("starter", "everyday"):
        here = shipped_bundle(name, "openvino")
        for kind, rows in (("images", here.encode_images(pictures(5))), ("texts", here.encode_texts(TEXTS))):
            found = np.load(tmp_path / f"{name}-{kind}.npz")
            assert np.abs(found["rows"] - found["alone"]).max() < WITHIN
            assert (found["rows"] * rows).sum(axis=1).min() > 0.99999
