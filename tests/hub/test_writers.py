"""A chat model of the real class, tiny and random: in a folder, and behind a real server."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from catalens.core.errors import AnswerError, ModelError
from catalens.models.writers import load_writer
from catalens.tasks.describing import describe
from catalens.tasks.facts import Fact
from catalens.tasks.lexicon import build_lexicon
from catalens.tasks.schema import load_schema

sys.path.append(str(Path(__file__).parents[1] / "models" / "writers"))
from tests.support.http_double import Reply, serving

CHAT = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHAT
MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "say a red tee"}]


def save_chat_model(folder: Path, template: str | None = CHAT) -> None:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    marks = ["<unk>", "<end>", "<system>", "<user>", "<assistant>"]
    trainer = trainers.BpeTrainer(
        special_tokens=marks, vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(["a red tee with short sleeves"], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>", pad_token="<end>")
    fast.chat_template = template
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=None,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.eos_token_id,
        initializer_range=0.5,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("chat")
    save_chat_model(made)
    return made


def generated(
    folder: Path, messages: list[dict[str, str]], max_tokens: int, ends: int | None = None
) -> tuple[str, bool]:
    """Return what transformers' own generate says, and whether it came to an end."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder)
    text = "".join(f"<{each['role']}>{each['content']}<end>" for each in messages) + "<assistant>"
    inputs = tokenizer(text, return_tensors="pt")
    ids = model.generate(
        **inputs, max_new_tokens=max_tokens, do_sample=False, eos_token_id=ends or tokenizer.eos_token_id
    )
    new = ids[0, inputs["input_ids"].shape[1] :].tolist()
    return str(tokenizer.decode(new, skip_special_tokens=True)).strip(), new[-1] in {ends, tokenizer.eos_token_id}


def end_at(folder: Path, messages: list[dict[str, str]], length: int) -> int:
    """Return the token that the model writes at a place, so that a test can make it the end."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder)
    inputs = tokenizer(
        "".join(f"<{m['role']}>{m['content']}<end>" for m in messages) + "<assistant>", return_tensors="pt"
    )
    ids = model.generate(**inputs, max_new_tokens=length, do_sample=False)
    return int(ids[0, -1])


def with_end(folder: Path, tmp_path: Path, end: int, template: str = CHAT) -> Path:
    made = tmp_path / "ending"
    made.mkdir()
    save_chat_model(made, template)
    model = LlamaForCausalLM.from_pretrained(made)
    tokenizer = AutoTokenizer.from_pretrained(made)
    model.generation_config.eos_token_id = [int(tokenizer.eos_token_id), end]
    model.save_pretrained(made)
    return made


def test_a_text_is_what_transformers_own_generate_gives(folder: Path, tmp_path: Path) -> None:
    end = end_at(folder, MESSAGES, 12)
    ending = with_end(folder, tmp_path, end)
    expected, ended = generated(folder, MESSAGES, 40, end)
    assert ended
    writer = load_writer(f"transformers:{ending}")
    assert writer.name == "transformers:ending"
    assert writer.write("be brief", "say a red tee", max_tokens=40) == expected


def test_a_template_without_a_system_gets_it_before_the_instruction(folder: Path, tmp_path: Path) -> None:
    joined = [{"role": "user", "content": "be brief\n\nsay a red tee"}]
    end = end_at(folder, joined, 9)
    expected, _ = generated(folder, joined, 40, end)
    writer = load_writer(f"transformers:{with_end(folder, tmp_path, end, NO_SYSTEM)}")
    assert writer.write("be brief", "say a red tee", max_tokens=40) == expected


def test_a_text_without_an_end_is_cut_off(folder: Path) -> None:
    with pytest.raises(AnswerError, match="cut off after 3 tokens"):
        load_writer(f"transformers:{folder}").write("be brief", "say a red tee", max_tokens=3)


def test_folders_that_hold_no_chat_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a folder"):
        load_writer(f"transformers:{tmp_path / 'none'}")
    with pytest.raises(ModelError, match="cannot be loaded as a chat model"):
        load_writer(f"transformers:{tmp_path}")
    save_chat_model(tmp_path, template=None)
    with pytest.raises(ModelError, match="no chat template"):
        load_writer(f"transformers:{tmp_path}")


def test_a_writer_without_its_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(folder, tmp_path / "bare"))
    (bare / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer: none of tokenizer\.json.*AutoTokenizer"):
        load_writer(f"transformers:{bare}")


def test_the_end_of_a_turn_is_known_without_a_generation_config(folder: Path, tmp_path: Path) -> None:
    end = end_at(folder, MESSAGES, 12)
    made = tmp_path / "ending"
    save_chat_model_ending(folder, made, end)
    expected, _ = generated(folder, MESSAGES, 40, end)
    last = str(AutoTokenizer.from_pretrained(folder).decode([end]))  # a special token now, and so not part of the text
    written = load_writer(f"transformers:{made}").write("be brief", "say a red tee", max_tokens=40)
    assert written == expected.removesuffix(last).strip()


def save_chat_model_ending(folder: Path, made: Path, end: int) -> None:
    """A model whose own configuration has another end than its tokenizer, and no generation_config.json."""
    shutil.copytree(folder, made)
    tokenizer = AutoTokenizer.from_pretrained(made)
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    tokenizer.save_pretrained(made)
    (made / "generation_config.json").unlink()
    config = json.loads((made / "config.json").read_text())
    (made / "config.json").write_text(json.dumps(config | {"eos_token_id": 0}))


def test_cut_weights_are_named_and_missing_ones_are_never_made_up(folder: Path, tmp_path: Path) -> None:
    cut, deeper = (Path(shutil.copytree(folder, tmp_path / name)) for name in ("cut", "deeper"))
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(ModelError, match=r"cut' cannot be loaded as a chat model: "):
        load_writer(f"transformers:{cut}")
    config = json.loads((deeper / "config.json").read_text()) | {"num_hidden_layers": 3}
    (deeper / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"deeper' lacks \d+ weights of LlamaForCausalLM, model\.layers\.2\."):
        load_writer(f"transformers:{deeper}")


def trapped(folder: Path, tmp_path: Path, config: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    """Return a copy whose configuration wants code of the folder's own, which would leave a mark."""
    made = tmp_path / "trapped"
    shutil.copytree(folder, made)
    file = made / "config.json"
    file.write_text(json.dumps(config(json.loads(file.read_text()))))
    (made / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nclass Trap: ...\n")
    return made


@pytest.mark.parametrize("part", ["model", "tokenizer", "nested"])
def test_a_folder_s_own_code_is_not_run_whoever_says_yes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr("builtins.input", lambda _="": "y")
    own = ("AutoConfig", "AutoModel", "AutoModelForCausalLM")

    def change(config: dict[str, Any]) -> dict[str, Any]:
        if part == "model":
            return config | {"model_type": "mine", "auto_map": dict.fromkeys(own, "trap.Trap")}
        if part == "nested":
            mapped = dict.fromkeys(own, f"{tmp_path / 'trapped'}--trap.Trap")
            text = {"model_type": "blip_text_model", "auto_map": mapped, "hidden_size": 8, "vocab_size": 8}
            return {"model_type": "fuyu", "text_config": text}
        return config | {"model_type": "mine"}

    made = trapped(folder, tmp_path, change)
    if part == "tokenizer":
        file = made / "tokenizer_config.json"
        mapped = {"AutoTokenizer": ["trap.Trap", "trap.Trap"]}
        file.write_text(json.dumps(json.loads(file.read_text()) | {"auto_map": mapped, "tokenizer_class": "Trap"}))
    with pytest.raises(ModelError, match="cannot be loaded as a chat model"):
        load_writer(f"transformers:{made}")
    assert not (tmp_path / "sprung").exists()


def test_behind_a_real_server_the_same_words_come_and_nonsense_is_replaced(folder: Path) -> None:
    def answer(body: Any) -> Reply:
        text, _ = generated(folder, body["messages"], 12)
        return Reply(200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})

    facts = (Fact("type", ("Tshirts",)), Fact("colour", ("Red",)))
    lexicon = build_lexicon(load_schema())
    with serving() as server:
        server.answer = answer
        writer = load_writer(f"{server.address}/v1#tiny")
        assert writer.write("be brief", "say a red tee") == generated(folder, MESSAGES, 12)[0]
        made = describe(facts, lexicon, writer=writer)
        assert len(server.asked) == 3
    assert (made.writer, len(made.problems)) == ("template", 2)
    assert made.text == describe(facts, lexicon).text
