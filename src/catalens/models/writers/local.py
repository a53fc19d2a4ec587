"""A local chat model, run by transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from jinja2 import TemplateError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BatchEncoding,
    GenerationConfig,
    PreTrainedTokenizerBase,
)

from catalens.core.errors import AnswerError, ModelError
from catalens.models.device import choose_device
from catalens.models.hub.files import check_tokenizer, check_vocabulary
from catalens.models.own_code import without_own_code
from catalens.models.readers.tokens import end_token_ids
from catalens.models.remote.replies import without_reasoning


class GenerativeModel(Protocol):
    """What is used of a causal language model of transformers."""

    device: torch.device
    generation_config: GenerationConfig

    def generate(self, **inputs: Any) -> torch.Tensor:
        """Return the ids (1, length) of the inputs and of what follows them."""


class LocalWriter:
    """A `Writer` with greedy decoding, on an accelerator if there is one."""

    def __init__(self, model: GenerativeModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
        self.name = name
        self._model: GenerativeModel | None = model
        self._tokenizer = tokenizer
        # Without generation_config.json the model's own end may not be that of a turn, which the tokenizer knows.
        ends = (*end_token_ids(model.generation_config.eos_token_id), tokenizer.eos_token_id)
        self._ends = frozenset(each for each in ends if each is not None)

    def write(self, system: str, instruction: str, *, max_tokens: int = 400) -> str:
        """Return the model's text.

        Raises:
            AnswerError: the text was cut off, or is empty.
            ModelError: the chat template refuses the instruction, memory ran out, or the writer is closed.
        """
        if self._model is None:
            raise ModelError(f"{self.name} is closed; load it again")
        inputs = self._inputs(system, instruction).to(self._model.device)
        length = inputs["input_ids"].shape[1]
        pad = self._tokenizer.pad_token_id
        try:
            with torch.inference_mode():
                [ids] = self._model.generate(
                    **inputs,
                    max_new_tokens=max_tokens,
                    do_sample=False,
                    eos_token_id=sorted(self._ends),
                    temperature=None,
                    top_p=None,
                    top_k=None,
                    pad_token_id=min(self._ends) if pad is None else pad,
                )
        except (RuntimeError, ValueError, IndexError) as error:
            raise ModelError(f"{self.name} failed: {error}; give fewer facts, or use a smaller model") from error
        written = ids[length:].tolist()
        if len(written) >= max_tokens and written[-1] not in self._ends:
            raise AnswerError(f"{self.name} was cut off after {max_tokens} tokens; ask for a shorter text")
        text = without_reasoning(str(self._tokenizer.decode(written, skip_special_tokens=True)))
        if not text:
            raise AnswerError(f"{self.name} returned no text; use another model")
        return text

    def close(self) -> None:
        """Free the weights."""
        self._model = None

    def _inputs(self, system: str, instruction: str) -> BatchEncoding:
        user = {"role": "user", "content": instruction}
        try:
            return self._template([{"role": "system", "content": system}, user])
        except TemplateError:
            # Templates without a system role: the system text goes before the instruction.
            try:
                return self._template([{"role": "user", "content": f"{system}\n\n{instruction}"}])
            except TemplateError as error:
                raise ModelError(f"the chat template of {self.name} refuses an instruction: {error}") from error

    def _template(self, messages: list[dict[str, str]]) -> BatchEncoding:
        text = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        # The template has added the special tokens already.
        inputs: BatchEncoding = self._tokenizer(str(text), add_special_tokens=False, return_tensors="pt")
        return inputs


def load_local(folder: Path) -> LocalWriter:
    """Load a chat model from a folder; nothing is downloaded, and no remote code runs.

    Raises:
        ModelError: the folder does not exist, has no causal model or no chat template, or files are damaged or
            missing.
    """
    name = f"transformers:{folder.name}"
    if not folder.is_dir():
        raise ModelError(f"{str(folder)!r} is not a folder; transformers:FOLDER takes the folder of a chat model")
    if (folder / "config.json").is_file():
        check_tokenizer(folder, f"save it: AutoTokenizer.from_pretrained(…).save_pretrained({str(folder)!r})")
    try:
        with without_own_code():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            # Declared to return the model alone, whatever is asked for.
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                dtype="auto",
                use_safetensors=True,
                output_loading_info=True,
            )
            model, info = loaded
    except Exception as error:  # transformers, tokenizers and safetensors raise many kinds for damaged files
        raise ModelError(f"{str(folder)!r} cannot be loaded as a chat model: {error}") from error
    if missing := sorted(info["missing_keys"]):
        kind = type(model).__name__
        raise ModelError(f"{str(folder)!r} lacks {len(missing)} weights of {kind}, {missing[0]} among them")
    check_vocabulary(folder, len(tokenizer), model.config.get_text_config().vocab_size)
    if not tokenizer.chat_template:
        raise ModelError(f"{str(folder)!r} has no chat template, so it is not a chat model; use an instruct variant")
    return LocalWriter(model.to(choose_device()).eval(), tokenizer, name)
