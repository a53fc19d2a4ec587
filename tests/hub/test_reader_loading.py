"""From a name to a reader: families by their configuration, dtypes and devices, and every way in which it can fail."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from catalens.core.errors import CatalensError, InputError, ModelError
from catalens.core.types import Decoding
from catalens.models import device
from catalens.models.readers import load_reader, loading
from tests.support.reader_contract import pictures
from tests.support.tiny_parts import bert_like, save
from tests.support.tiny_readers import BUILD

DECODING = Decoding(max_tokens=4)


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return BUILD["blip"](tmp_path_factory.mktemp("readers") / "tiny-blip")


@pytest.mark.parametrize("name", BUILD)
def test_a_folder_says_its_family(name: str, tmp_path: Path) -> None:
    BUILD[name](tmp_path / name)
    with load_reader(str(tmp_path / name), device="cpu", dtype="float32") as reader:
        assert reader.name.startswith(f"{name}@")
        encoded = reader.encode_images(pictures(1))
        assert reader.answer(encoded, ["What?"], decoding=DECODING) if name != "blip" else reader.caption(encoded)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", BUILD)
def test_half_as_wide_numbers_give_nearly_the_same(name: str, dtype: str, tmp_path: Path) -> None:
    BUILD[name](tmp_path / name)
    wide, narrow = (load_reader(str(tmp_path / name), device="cpu", dtype=each) for each in ("float32", dtype))
    if name == "blip":
        assert narrow.caption(narrow.encode_images(pictures(1)), decoding=Decoding(max_tokens=1))[0][0]
        return
    asked = ("What colour is it?", ["red", "a green shirt"])
    scores, rough = (each.score(each.encode_images(pictures(2)), *asked) for each in (wide, narrow))
    assert rough == pytest.approx(scores, rel=0.05, abs=0.5)


def test_by_itself_it_takes_the_fastest_numbers(blip: Path) -> None:
    with load_reader(str(blip), device="cpu", threads=1) as reader:
        assert reader.caption(reader.encode_images(pictures(1)), decoding=DECODING)[0][0]


@pytest.mark.parametrize(
    ("has", "faster", "small", "large"),
    [
        ({"amx_bf16": True}, True, torch.bfloat16, torch.bfloat16),
        ({"avx512_bf16": True}, False, torch.float32, torch.bfloat16),
        ({"avx2": True}, True, torch.float32, torch.float32),
    ],
)
def test_a_processor_gets_the_numbers_that_it_multiplies_faster(
    *, has: dict[str, bool], faster: bool, small: torch.dtype, large: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    monkeypatch.setattr(device, "_bfloat16_is_faster", lambda: faster)
    assert device.choose_dtype("auto", torch.device("cpu")) is small
    assert device.choose_dtype("auto", torch.device("cpu"), large=True) is large


def test_the_clock_decides_about_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()
    for seconds, faster in (([2.0, 1.0], False), ([1.0, 1.1], False), ([1.0, 2.0], True)):
        taken = iter(seconds)
        monkeypatch.setattr("timeit.repeat", lambda *_, taken=taken, **__: [next(taken)])
        device._bfloat16_is_faster.cache_clear()
        assert device._bfloat16_is_faster() is faster
        assert torch.get_num_threads() == threads
    device._bfloat16_is_faster.cache_clear()


def test_large_weights_are_loaded_as_such(blip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr(device, "_bfloat16_is_faster", lambda: False)
    wanted = loading.Wanted(device="cpu")
    assert loading.load(blip, "blip", "BlipForConditionalGeneration", wanted).dtype is torch.float32
    monkeypatch.setattr(loading, "LARGE_BYTES", 1)
    assert loading.load(blip, "blip", "BlipForConditionalGeneration", wanted).dtype is torch.bfloat16


def test_variants_and_other_formats_beside_the_weights_do_not_make_a_model_large(
    blip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(blip, tmp_path / "blip")
    size = (folder / "model.safetensors").stat().st_size
    for name in ("model.fp16.safetensors", "pytorch_model.bin", "model-00001-of-00002.safetensors"):
        (folder / name).write_bytes(bytes(size + 1))
    monkeypatch.setattr(device, "cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr(device, "_bfloat16_is_faster", lambda: False)
    wanted = loading.Wanted(device="cpu")
    for largest, expected in ((size, torch.float32), (size - 1, torch.bfloat16)):
        monkeypatch.setattr(loading, "LARGE_BYTES", largest)
        assert loading.load(folder, "blip", "BlipForConditionalGeneration", wanted).dtype is expected


def test_shards_count_together(tmp_path: Path) -> None:
    for name, size in (("model.safetensors.index.json", 2), ("model-00001-of-00002.safetensors", 30)):
        (tmp_path / name).write_bytes(bytes(size))
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(bytes(40))
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(500))
    assert loading._weights_bytes(tmp_path) == 72


def test_the_revision_follows_the_weights(blip: Path, tmp_path: Path) -> None:
    other = BUILD["blip-vqa"](tmp_path / "tiny-blip")
    names = {load_reader(str(each), device="cpu").name for each in (blip, blip, other)}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "tpu"}, "no device 'tpu'; there are: .*cpu"),
        ({"device": "cuda:99"}, "no device 'cuda:99'"),
        ({"dtype": "int3"}, "no dtype 'int3'; there are: auto"),
        ({"quantise": "2bit"}, "must be '8bit', '4bit' or None"),
    ],
)
def test_settings_that_do_not_exist_are_named(blip: Path, settings: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_reader(str(blip), **settings)  # type: ignore[arg-type]


def test_quantising_without_its_library_names_the_command(blip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"need bitsandbytes: pip install .catalens\[quantise\]"):
        load_reader(str(blip), quantise="8bit")


def changed(blip: Path, folder: Path, **config: object) -> Path:
    shutil.copytree(blip, folder)
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | config))
    return folder


def test_damaged_folders_are_named(blip: Path, tmp_path: Path) -> None:
    cut = changed(blip, tmp_path / "cut")
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    no_weights = changed(blip, tmp_path / "none")
    (no_weights / "model.safetensors").unlink()
    no_tokenizer = changed(blip, tmp_path / "silent")
    (no_tokenizer / "tokenizer.json").unlink()
    broken = changed(blip, tmp_path / "broken")
    (broken / "config.json").write_text("{")
    for folder in (cut, no_weights, no_tokenizer, broken, tmp_path):
        with pytest.raises(CatalensError) as caught:
            load_reader(str(folder))
        assert folder.name in str(caught.value)


def test_missing_weights_are_never_made_up(blip: Path, tmp_path: Path) -> None:
    deeper = json.loads((blip / "config.json").read_text())["text_config"] | {"num_hidden_layers": 3}
    with pytest.raises(ModelError, match=r"lacks \d+ weights of BlipForConditionalGeneration"):
        load_reader(str(changed(blip, tmp_path / "deeper", text_config=deeper)))


def test_a_model_that_reads_no_pictures_is_refused(tmp_path: Path) -> None:
    import transformers

    config = transformers.BertConfig(vocab_size=80, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    save(tmp_path / "bert", transformers.BertModel(config), bert_like())
    with pytest.raises(ModelError, match="is a BertModel, which neither describes"):
        load_reader(str(tmp_path / "bert"))


def test_strangers_code_is_never_run(blip: Path, tmp_path: Path) -> None:
    own = changed(blip, tmp_path / "own", model_type="mine", auto_map={"AutoConfig": "mine.Mine"})
    (own / "mine.py").write_text("raise SystemExit('this ran')")
    with pytest.raises(ModelError, match="no configuration that transformers knows"):
        load_reader(str(own))


def test_strangers_code_of_a_part_is_not_run_whoever_says_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _="": "y")
    own = tmp_path / "own"
    mapped = dict.fromkeys(("AutoConfig", "AutoModel", "AutoModelForSeq2SeqLM"), f"{own}--trap.Trap")
    # transformers knows this kind of part, but not as one that writes; so it looks for the folder's own.
    text = {"model_type": "blip_text_model", "auto_map": mapped, "hidden_size": 8, "vocab_size": 80}
    changed(BUILD["blip2-opt"](tmp_path / "blip2"), own, text_config=text)
    (own / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nclass Trap: ...\n")
    with pytest.raises(ModelError, match="cannot be loaded from"):
        load_reader(str(own))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["blip-base", "Salesforce/blip-vqa-base"])
def test_without_a_network_a_sentence_says_so(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="cannot be reached"):
        load_reader(name)
