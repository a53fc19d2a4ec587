from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalens.core import caching
from catalens.core.errors import InputError, ModelError
from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows
from catalens.models.fakes import FakeEncoder
from catalens.tasks.labels import LabelBank, build_bank
from tests.support.word_encoder import WordEncoder

SIGNS = st.sampled_from([-0.5, 0.5])
ROWS = st.lists(st.tuples(SIGNS, SIGNS, SIGNS, SIGNS), min_size=1, max_size=40)
"""Rows of length one whose products are exact in any order of addition, and often equal."""


def bank_of(vectors: np.ndarray) -> LabelBank:
    half = np.asarray(vectors, np.float16)
    return LabelBank("test", [f"label {at}" for at in range(len(half))], half, half[:0], 10.0, None)


@given(labels=ROWS, pictures=ROWS, k=st.integers(1, 50))
def test_rank_equals_brute_force_ties_included(
    labels: list[tuple[float, ...]], pictures: list[tuple[float, ...]], k: int
) -> None:
    bank = bank_of(np.array(labels))
    positions, scores = bank.rank(np.array(pictures, np.float32), k)
    cosines = np.array(pictures) @ np.array(labels).T
    expected = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    assert positions.tolist() == expected.tolist()
    assert scores.tolist() == np.take_along_axis(cosines, expected, axis=1).tolist()


def test_rank_of_many_pictures_is_cut_into_blocks_and_loses_none() -> None:
    rng = np.random.default_rng(5)
    bank = bank_of(unit_rows(rng.standard_normal((100_000, 4))))
    pictures = unit_rows(rng.standard_normal((400, 4)))
    assert len(list(bank.blocks(400))) > 1
    positions, scores = bank.rank(pictures, 3)
    alone = [bank.rank(pictures[at : at + 1], 3) for at in (0, 166, 167, 168, 399)]
    assert [positions[at].tolist() for at in (0, 166, 167, 168, 399)] == [found[0][0].tolist() for found in alone]
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("k", [0, -3])
def test_rank_refuses_less_than_one(k: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        bank_of(np.eye(4)).rank(np.eye(4, dtype=np.float32), k)


def test_a_label_is_the_unit_mean_over_wordings_and_templates() -> None:
    encoder = WordEncoder("shirt tee photo")
    bank = build_bank(encoder, ["top"], templates=["{}", "photo {}"], wordings={"top": ["shirt", "tee"]})
    texts = encoder.encode_texts(["shirt", "photo shirt", "tee", "photo tee"])
    assert np.abs(bank.vectors[0] - unit_rows(texts.mean(axis=0, keepdims=True))[0]).max() < 1e-3
    assert abs(float(np.linalg.norm(bank.vectors[0].astype(np.float32))) - 1.0) < 1e-3


def test_a_text_that_labels_share_is_encoded_once() -> None:
    encoder = WordEncoder("shirt tee")
    build_bank(encoder, ["a", "b"], templates=["{}"], wordings={"a": ["shirt", "tee"], "b": ["tee"]})
    assert sorted(encoder.texts) == ["shirt", "tee"]


def test_braces_in_a_label_are_just_letters() -> None:
    encoder = WordEncoder("x")
    build_bank(encoder, ["{0} {}"], templates=["a {}"])
    assert encoder.texts == ["a {0} {}"]


def test_texts_go_in_batches_of_like_length() -> None:
    encoder = FakeEncoder()
    lengths: list[list[int]] = []
    encode = encoder.encode_texts

    class Watched(FakeEncoder):
        def encode_texts(self, texts: object) -> Vectors:
            lengths.append([len(text) for text in texts])  # type: ignore[attr-defined]
            return encode(texts)  # type: ignore[arg-type]

    labels = ["x" * (1 + at % 60) + f" {at}" for at in range(600)]
    seen: list[tuple[int, int]] = []
    bank = build_bank(Watched(), labels, templates=["{}"], progress=lambda done, of: seen.append((done, of)))
    assert len(bank) == 600
    assert [len(batch) for batch in lengths] == [256, 256, 88]
    assert max(lengths[0]) <= min(lengths[1])
    assert seen == [(256, 600), (512, 600), (600, 600)]
    assert np.abs(bank.vectors[7] - encode([labels[7]])[0]).max() < 1e-3, "rows are in the order of the labels"


def test_texts_for_none_of_these_are_one_more_row() -> None:
    encoder = WordEncoder("shirt nothing", unknown_texts=("nothing", "nothing else"))
    bank = build_bank(encoder, ["shirt"])
    assert (bank.vectors.shape, bank.unknown.shape) == ((1, 3), (1, 3))
    assert build_bank(WordEncoder("shirt"), ["shirt"]).unknown.shape == (0, 2)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "at least one"),
        ("shirt", "list"),
        (["a", "b", "a"], "'a' is listed twice"),
        (["a", " "], "number 2 is empty"),
        (["a\nb"], "line break"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(labels: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_bank(FakeEncoder(), labels)


@pytest.mark.parametrize("templates", [[], ["a photo"], ["{} and {}"]])
def test_templates_without_one_place_are_refused(templates: list[str]) -> None:
    with pytest.raises(InputError, match="template"):
        build_bank(FakeEncoder(), ["a"], templates=templates)


def test_an_encoder_that_loses_a_row_is_found_out() -> None:
    class Lossy(FakeEncoder):
        def encode_texts(self, texts: object) -> Vectors:
            return super().encode_texts(texts)[1:]  # type: ignore[arg-type]

    with pytest.raises(ModelError, match="returned"):
        build_bank(Lossy(), ["a", "b"])


def test_the_second_time_nothing_is_encoded(tmp_path: Path) -> None:
    first = build_bank(FakeEncoder(), ["a", "b"], cache_dir=tmp_path)
    again = FakeEncoder()
    second = build_bank(again, ["a", "b"], cache_dir=tmp_path)
    assert again.batches == []
    assert np.array_equal(first.vectors, second.vectors)
    assert np.array_equal(build_bank(again, ["a", "b"]).vectors, second.vectors), "with and without cache alike"


def test_the_cache_is_mapped_not_read(tmp_path: Path) -> None:
    build_bank(FakeEncoder(), ["a", "b"], cache_dir=tmp_path)
    vectors: object = build_bank(FakeEncoder(), ["a", "b"], cache_dir=tmp_path).vectors
    while isinstance(vectors, np.ndarray) and not isinstance(vectors, np.memmap):
        vectors = vectors.base
    assert isinstance(vectors, np.memmap)


def test_whatever_the_vectors_depend_on_is_in_the_key(tmp_path: Path) -> None:
    other_name = FakeEncoder()
    other_name.name = "fake, fine-tuned"
    with_unknown = FakeEncoder()
    with_unknown.unknown_texts = ("nothing",)
    build_bank(FakeEncoder(), ["a", "b"], cache_dir=tmp_path)
    build_bank(FakeEncoder(), ["b", "a"], cache_dir=tmp_path)
    build_bank(FakeEncoder(), ["a b"], cache_dir=tmp_path)
    build_bank(FakeEncoder(), ["a", "b"], templates=["{}"], cache_dir=tmp_path)
    build_bank(FakeEncoder(), ["a", "b"], wordings={"a": ["c"]}, cache_dir=tmp_path)
    build_bank(other_name, ["a", "b"], cache_dir=tmp_path)
    build_bank(with_unknown, ["a", "b"], cache_dir=tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 7


def cut(content: bytes) -> bytes:
    return content[:-1]


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def emptied(content: bytes) -> bytes:
    return b""


def lengthened(content: bytes) -> bytes:
    return content + b"\0"


def flipped(content: bytes) -> bytes:
    return content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]


def zeroed(content: bytes) -> bytes:
    return content[:128] + bytes(len(content) - 128)


def not_numpy(content: bytes) -> bytes:
    return b"not an array" * 20


def another_shape(content: bytes) -> bytes:
    return content.replace(b"(3, 16)", b"(4, 12)")


def pickled(content: bytes) -> bytes:
    return content.replace(b"'<f2'", b"'|O' ")


@pytest.mark.parametrize(
    "damage", [cut, halved, emptied, lengthened, flipped, zeroed, not_numpy, another_shape, pickled]
)
def test_a_damaged_cache_entry_is_built_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    whole = build_bank(FakeEncoder(), ["a", "b", "c"], cache_dir=tmp_path)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    assert damage(content) != content
    file.unlink()
    file.write_bytes(damage(content))
    encoder = FakeEncoder()
    again = build_bank(encoder, ["a", "b", "c"], cache_dir=tmp_path)
    assert sum(encoder.batches) == 6
    assert np.array_equal(again.vectors, whole.vectors)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [content], "repaired, and no other file left"


def test_a_failing_encoder_leaves_nothing_behind(tmp_path: Path) -> None:
    class Failing(FakeEncoder):
        def encode_texts(self, texts: object) -> Vectors:
            raise ModelError("no")

    with pytest.raises(ModelError):
        build_bank(Failing(), ["a"], cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caching._noticed.clear()
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        banks = [build_bank(FakeEncoder(), labels, cache_dir=blocked) for labels in (["a"], ["b"])]
    assert [list(bank.labels) for bank in banks] == [["a"], ["b"]]
    [notice] = caplog.messages
    assert str(blocked) in notice
    assert "CATALENS_CACHE" in notice


def test_vectors_of_a_rebuilt_encoder_are_not_taken_from_the_cache(tmp_path: Path) -> None:
    class Rebuilt(FakeEncoder):
        @property
        def fingerprint(self) -> str:
            return f"{self.name}#rebuilt"

        def encode_texts(self, texts: Sequence[str]) -> Vectors:
            return -super().encode_texts(texts)

    first = build_bank(FakeEncoder(), ["a"], cache_dir=tmp_path)
    again = build_bank(Rebuilt(), ["a"], cache_dir=tmp_path)
    assert first.encoder_name == again.encoder_name
    assert np.array_equal(again.vectors, -np.asarray(first.vectors))
