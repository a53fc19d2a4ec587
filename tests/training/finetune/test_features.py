"""The cache of frozen features: what was put comes back, keyed by everything that decides it."""

from pathlib import Path

import numpy as np
import pytest

from catalens.core.errors import InputError
from catalens.training.finetune.features import FeatureCache


def test_gives_back_what_was_put(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(1200, 2, 3)).astype(np.float16)
    keys = [f"{at:032x}" for at in range(1200)]
    with FeatureCache(tmp_path, "blip2@1", (2, 3), np.float16) as cache:
        cache.put(dict(zip(keys, rows, strict=True)))
    with FeatureCache(tmp_path, "blip2@1", (2, 3), np.float16) as cache:
        assert cache.known([*keys[:3], "stranger"]) == set(keys[:3])
        np.testing.assert_array_equal(cache.get(keys[::-1]), rows[::-1])
        assert cache.get([]).shape == (0, 2, 3)
        with pytest.raises(KeyError):
            cache.get(["stranger"])


@pytest.mark.parametrize(
    ("model", "shape", "dtype"),
    [("blip2@2", (2, 3), np.float16), ("blip2@1", (3, 2), np.float16), ("blip2@1", (2, 3), np.float32)],
)
def test_other_models_shapes_and_types_have_other_files(
    tmp_path: Path, model: str, shape: tuple[int, ...], dtype: type
) -> None:
    with FeatureCache(tmp_path, "blip2@1", (2, 3), np.float16) as cache:
        cache.put({"a": np.ones((2, 3))})
    with FeatureCache(tmp_path, model, shape, dtype) as other:
        assert other.known(["a"]) == set()


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with FeatureCache(tmp_path, "m", (2,), np.float32) as cache:
        cache.blobs._base.execute(
            "CREATE TRIGGER full BEFORE INSERT ON features WHEN NEW.key = 'b' BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        with pytest.raises(InputError, match="cannot be written"):
            cache.put({"a": np.ones(2), "b": np.ones(2)})
        assert cache.known(["a", "b"]) == set()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    with FeatureCache(tmp_path, "m", (2,), np.float32) as cache:
        file = cache.blobs.file
    file.write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match="delete it"):
        FeatureCache(tmp_path, "m", (2,), np.float32)
