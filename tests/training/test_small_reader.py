"""The small reader: its graphs say what torch says, a picture is looked at once, and batch-mates change nothing."""

from __future__ import annotations

import json
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-models")
pytest.importorskip("timm", reason="timm is not installed: make test-models")
pytest.importorskip("onnx", reason="onnx is not installed: make test-models")

import torch
from PIL import Image

from catalens.core.errors import InputError, ModelError
from catalens.core.types import Decoding
from catalens.models.bundle import load_bundle
from catalens.models.readers.bundled import BundleReader, load_bundle_reader
from catalens.models.readers.rerank import RerankConfig, Reranker
from catalens.models.readers.support import LEAST, UNKNOWN, Support, SupportConfig, Thing
from catalens.training.export import Normalised, load_reader, write_bundle, write_reader
from catalens.training.facts import Fact
from catalens.training.reader import Reader, Shape
from catalens.training.reader_examples import Examples, ReaderText, reader_tokenizer
from catalens.training.reader_trainer import ReaderRecipe, ReaderTrainer
from catalens.training.self_critical import SelfCriticalRecipe, SelfCriticalTrainer
from catalens.training.towers import POOLED, ImageTower, TextTower
from catalens.training.validation import captions, closed_answers
from catalens.training.vocabulary import train_tokenizer

TEXTS = [
    "a black dog runs in the snow",
    "two men sit on a bench",
    "a red shirt with short sleeves",
    "what colour is it?",
]
CELLS, CHANNELS = 4, 320


@pytest.fixture(scope="module")
def reader() -> Reader:
    torch.manual_seed(3)
    shape = Shape(
        vocabulary=reader_tokenizer(TEXTS * 5, 320).get_vocab_size(),
        cells=CELLS,
        channels=CHANNELS,
        means=POOLED,
        width=32,
        depth=2,
        heads=2,
    )
    made = Reader(shape)
    for parameter in made.parameters():  # larger than at birth, or every word is as likely as any other
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


@pytest.fixture(scope="module")
def folder(reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(4)
    out = tmp_path_factory.mktemp("bundle")
    tokenizer = train_tokenizer(TEXTS * 5, 300)
    facts = {
        "name": "tiny",
        "revision": "1",
        "dim": 256,
        "input_size_wh": [48, 64],
        "resize": "squash",
        "precision": "float16",
        "logit_scale": 20.0,
        "unknown_texts": [],
        "licence": "Apache-2.0",
        "source": "a test",
        "scores": {},
    }
    text = TextTower(tokenizer.get_vocab_size(), width=32, depth=1)
    write_bundle(out, Normalised(ImageTower().eval()), text.eval(), tokenizer, facts)
    write_reader(out, reader, reader_tokenizer(TEXTS * 5, 320), {})
    return out


@pytest.fixture(scope="module")
def shipped(folder: Path) -> BundleReader:
    encoder = load_bundle(folder, runtime="onnxruntime")
    return load_bundle_reader(folder, encoder, runtime="onnxruntime")


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (64, 48, 3), dtype=np.uint8)) for _ in range(3)]


def test_tokenizers_are_stored_without_blanks(folder: Path) -> None:
    for place in (folder, folder / "reader"):
        assert len((place / "tokenizer.json").read_text(encoding="utf-8").splitlines()) == 1


def test_the_graphs_say_what_torch_says(shipped: BundleReader, reader: Reader, images: list[Image.Image]) -> None:
    _, features = shipped.encoder.encode_images_with(images, "features")
    cells = features[:, : CELLS * CHANNELS].reshape(-1, 1, CELLS, CHANNELS)
    pictures = Examples(cells, features[:, None, CELLS * CHANNELS :], [[]] * 3, [[]] * 3)
    text = ReaderText(reader_tokenizer(TEXTS * 5, 320))
    decoding = Decoding(max_tokens=8, beams=3)
    expected = captions(reader, text, pictures, decoding)
    assert [texts[0] for texts in shipped.caption(shipped.encode_images(images), decoding=decoding)] == expected


def test_a_score_is_the_log_likelihood_of_the_whole_answer(
    shipped: BundleReader, reader: Reader, images: list[Image.Image]
) -> None:
    _, features = shipped.encoder.encode_images_with(images[:1], "features")
    text, answers = ReaderText(reader_tokenizer(TEXTS * 5, 320)), ["black", "a red shirt", "snow"]
    [scores] = shipped.score(shipped.encode_images(images[:1]), "what colour is it?", answers)
    cells, means = (
        torch.from_numpy(part)
        for part in (
            features[:, : CELLS * CHANNELS].reshape(-1, CELLS, CHANNELS),
            features[:, CELLS * CHANNELS :],
        )
    )
    for answer, score in zip(answers, scores, strict=True):
        ids, wanted = text.answer("what colour is it?", answer)
        with torch.no_grad():
            logits, _ = reader(torch.tensor([ids]), reader.no_past(1), reader.encode_memory(cells, means))
        spoken = logits[0].log_softmax(-1)
        total = sum(float(spoken[at, want]) for at, want in enumerate(wanted) if want >= 0)
        assert score == pytest.approx(total, abs=0.05)


def test_batch_mates_and_other_answers_change_nothing(shipped: BundleReader, images: list[Image.Image]) -> None:
    seen, alone = shipped.encode_images(images), shipped.encode_images(images[1:2])
    decoding = Decoding(max_tokens=6, beams=2)
    assert shipped.caption(seen, decoding=decoding)[1] == shipped.caption(alone, decoding=decoding)[0]
    assert shipped.answer(seen, ["what is it?", "who?"])[1] == shipped.answer(alone, ["what is it?", "who?"])[0]
    together = shipped.score(seen, "what?", ["black", "red shirt"])[1, 0]
    assert together == pytest.approx(float(shipped.score(alone, "what?", ["black"])[0, 0]), abs=1e-3)


def test_a_caption_goes_on_from_its_prompt(shipped: BundleReader, images: list[Image.Image]) -> None:
    for [text] in shipped.caption(shipped.encode_images(images), prompt="a black dog", decoding=Decoding(max_tokens=3)):
        assert text.startswith("a black dog")


def believing(shipped: BundleReader, support: Support | None = None, **changes: Any) -> BundleReader:
    """The same reader, told how far to believe its captions."""
    reader = copy(shipped)
    config = RerankConfig(**{"weight": 0.0, "least": -1.0, **changes})
    reader.reranker = Reranker(shipped.encoder, config, support)
    return reader


def test_the_caption_nearest_to_the_picture_comes_first(shipped: BundleReader, images: list[Image.Image]) -> None:
    seen, decoding = shipped.encode_images(images), Decoding(max_tokens=8, beams=4)
    likeliest = shipped.caption(seen, count=4, decoding=decoding)
    nearest = believing(shipped, weight=1e4).caption(seen, count=4, decoding=decoding)
    assert believing(shipped).caption(seen, count=4, decoding=decoding) == likeliest
    for before, after, vector in zip(likeliest, nearest, seen.vectors, strict=True):
        assert sorted(before) == sorted(after)
        cosines = shipped.encoder.encode_texts(after) @ vector
        assert cosines.tolist() == sorted(cosines.tolist(), reverse=True)
    best = believing(shipped, weight=1e4).caption(seen, decoding=decoding)
    assert best == [texts[:1] for texts in nearest], "what is chosen does not depend on how many are asked for"


def test_captions_without_a_prompt_keep_what_is_supported(shipped: BundleReader, images: list[Image.Image]) -> None:
    dim, never = shipped.encoder.dim, dict.fromkeys(LEAST, 1.1)
    config = SupportConfig(
        words=("dog",),
        things=(Thing("a cat", (0,)),),
        rivals=frozenset(),
        scale=1.0,
        least={**never, "thing": 0.5},
    )
    sure = Support(config, np.zeros((dim + 1, 1), np.float32), np.zeros((1, dim), np.float32))
    seen = shipped.encode_images(images)
    assert believing(shipped, sure).caption(seen) == [["a photo of a cat"]] * 3
    unsure = Support(replace(config, least=never), np.zeros((dim + 1, 1), np.float32), np.zeros((1, dim), np.float32))
    assert believing(shipped, unsure).caption(seen, count=2) == [[UNKNOWN] * 2] * 3
    for [text] in believing(shipped, unsure).caption(seen, prompt="a black dog", decoding=Decoding(max_tokens=3)):
        assert text.startswith("a black dog"), "who gives the beginning has said what it is"


def test_a_caption_near_nothing_is_not_said(shipped: BundleReader, images: list[Image.Image]) -> None:
    doubting, seen = believing(shipped, least=1.1), shipped.encode_images(images)
    assert doubting.caption(seen) == [[UNKNOWN]] * 3
    [first, second] = doubting.caption(seen, count=2)[0]
    assert first == UNKNOWN
    assert second != UNKNOWN
    for [text] in doubting.caption(seen, prompt="a black dog", decoding=Decoding(max_tokens=3)):
        assert text.startswith("a black dog"), "who gives the beginning has said what it is"
    assert UNKNOWN not in doubting.caption(seen, decoding=Decoding(max_tokens=5, temperature=1.0))[0]


def test_what_a_reader_believes_is_kept_in_its_bundle(shipped: BundleReader, reader: Reader, folder: Path) -> None:
    facts, words = folder / "reader" / "reader.json", reader_tokenizer(TEXTS * 5, 320)
    belief = RerankConfig(weight=4.0, least=0.1)
    write_reader(folder, reader, words, {}, belief)
    loaded = load_bundle_reader(folder, shipped.encoder, runtime="onnxruntime")
    assert loaded.reranker is not None
    assert loaded.reranker.config == belief
    whole = json.loads(facts.read_text())
    for wrong in ({**whole["belief"], "least": "much"}, {"weight": 1}, [1]):
        facts.write_text(json.dumps({**whole, "belief": wrong}))
        with pytest.raises(ModelError, match="belief"):
            load_bundle_reader(folder, shipped.encoder, runtime="onnxruntime")
    write_reader(folder, reader, words, {})
    assert load_bundle_reader(folder, shipped.encoder, runtime="onnxruntime").reranker is None


def test_nothing_in_gives_nothing_out(shipped: BundleReader) -> None:
    seen = shipped.encode_images([])
    assert len(seen) == 0
    assert shipped.caption(seen) == []
    assert shipped.answer(seen, ["what?"]) == []
    assert shipped.score(seen, "what?", ["a", "b"]).shape == (0, 2)


def test_wrong_looks_questions_and_files_are_named(
    shipped: BundleReader, images: list[Image.Image], folder: Path
) -> None:
    with pytest.raises(InputError, match="another reader"):
        shipped.caption(images)
    with pytest.raises(InputError, match="question 1 of 1 is empty"):
        shipped.answer(shipped.encode_images(images), [" "])
    with pytest.raises(InputError, match="answer 2 of 2 is empty"):
        shipped.score(shipped.encode_images(images), "what?", ["black", ""])
    with pytest.raises(ModelError, match="no reader"):
        load_bundle_reader(folder / "reader", shipped.encoder)
    words = folder / "reader" / "words.onnx"
    whole = words.read_bytes()
    words.write_bytes(whole[:-1])
    with pytest.raises(ModelError, match="damaged"):
        load_bundle_reader(folder, shipped.encoder)
    words.write_bytes(whole)


def test_training_learns_what_a_picture_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    colours = ["red", "blue", "green"]
    kinds = rng.integers(0, 3, 96)
    means = np.eye(3, 16, dtype=np.float16)[kinds][:, None] + rng.normal(0, 0.05, (96, 1, 16)).astype(np.float16)
    pictures = Examples(
        cells=np.zeros((96, 1, CELLS, 8), np.float16),
        means=means,
        captions=[[f"a {colours[kind]} shirt"] for kind in kinds],
        facts=[[Fact("colour", ("what colour is it?",), colours[kind])] for kind in kinds],
    )
    tokenizer = reader_tokenizer(["a red shirt", "a blue shirt", "a green shirt", "what colour is it?"] * 5, 300)
    recipe = ReaderRecipe(epochs=25, batch=32, captions=1, questions=1, rate=3e-3, dropout=0.0, depth=1, average=0.9)
    trainer = ReaderTrainer(recipe, pictures, tokenizer, tmp_path)
    trainer.run(lambda reader: closed_answers(reader, trainer.text, pictures, ["colour"]))
    said = captions(trainer.averaged(), trainer.text, pictures)
    assert np.mean([said[i] == pictures.captions[i][0] for i in range(96)]) > 0.95
    assert closed_answers(trainer.averaged(), trainer.text, pictures, ["colour"])["colour"] > 0.95


def test_captions_that_are_rewarded_become_likelier(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    kinds = rng.integers(0, 3, 60)
    colours = ["red", "blue", "green"]
    pictures = Examples(
        cells=np.zeros((60, 1, CELLS, 8), np.float16),
        means=np.eye(3, 16, dtype=np.float16)[kinds][:, None],
        captions=[[f"a {colours[kind]} shirt on a chair", f"one {colours[kind]} shirt"] for kind in kinds],
        facts=[[Fact("colour", ("what colour is it?",), colours[kind])] for kind in kinds],
    )
    tokenizer = reader_tokenizer([text for texts in pictures.captions for text in texts] + ["what colour is it?"], 300)
    recipe = ReaderRecipe(epochs=6, batch=20, captions=1, questions=1, rate=3e-3, dropout=0.0, depth=1, average=0.9)
    ReaderTrainer(recipe, pictures, tokenizer, tmp_path).run(lambda _: {})
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    reader, _ = load_reader(tmp_path)
    reward = SelfCriticalRecipe(epochs=10, batch=20, rate=1e-3, average=0.9)
    rewarding = SelfCriticalTrainer(reward, recipe, reader, pictures, tokenizer, tmp_path)
    _, before = rewarding.policy_loss(np.arange(60))
    rewarding.train_on_rewards()
    _, after = rewarding.policy_loss(np.arange(60))
    assert after > before + 0.5, "CIDEr-D, of ten"
    drawn = rewarding.sample(torch.zeros(2, CELLS, 8), torch.zeros(2, 16))
    assert len(drawn) == 2 * reward.samples
    assert not {*rewarding.text.marks, rewarding.text.end_id} & {i for row in drawn for i in row}
