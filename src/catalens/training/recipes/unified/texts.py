"""The unified encoder's text tower: the starter's as it is, and the everyday one's, over one vocabulary.

Both start from the shipped bundles. The vocabulary is the starter's with everyday words appended as its last merges: a
text without those words is cut up exactly as the starter cuts it, so the starter's half stays what it was.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from tokenizers import Tokenizer
from torch import Tensor, nn

from catalens.core.errors import InputError
from catalens.training.towers import Table, TextTower

SPACE = "\u0120"
"""What stands for the space before a word in a byte-level vocabulary."""


def read_tower(folder: Path) -> TextTower:
    """Read the text tower of a bundle back from its graph.

    Raises:
        InputError: the graph is not a causal text tower of this project.
    """
    weights = _weights(onnx.load(folder / "text.onnx"))
    names = [name.removeprefix("tower.") for name in weights if name.startswith("tower.")]
    depth, branch = (len({n.split(".")[1] for n in names if n.startswith(f"{part}.")}) for part in ("blocks", "branch"))
    unnamed = [value for name, value in weights.items() if "MatMul" in name]
    if "tower.token.weight" not in weights or len(unnamed) != 4 * (depth + branch) + 1 + bool(branch):
        raise InputError(f"{folder} does not hold a causal text tower")
    vocabulary, width = weights["tower.token.weight"].shape
    tower = TextTower(vocabulary, unnamed[-1].shape[1], width=width, depth=depth, branch=branch)
    state = {name: weights[f"tower.{name}"] for name in names}
    blocks = [*(f"blocks.{at}" for at in range(depth)), *(f"branch.{at}" for at in range(branch))]
    order = [f"{block}.{part}" for block in blocks for part in ("qkv", "out", "up", "down")]
    for name, value in zip([*order, "project", *(["branch_project"] if branch else [])], unnamed, strict=True):
        state[f"{name}.weight"] = value.T.contiguous()
    tower.load_state_dict(state)
    tower.eval()
    return tower


def _weights(model: onnx.ModelProto) -> dict[str, Tensor]:
    """Return every float weight under the name it had before it was stored smaller, in the order of its use."""
    stored = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    out: dict[str, Tensor] = {}
    for name, value in stored.items():
        base, _, kind = name.rpartition(".")
        if kind == "half":
            out[base] = torch.from_numpy(value.astype("float32"))
        elif kind == "bytes":
            scale = torch.from_numpy(stored[f"{base}.scale"].copy())
            axis = 0 if base.startswith("tower.") else 1
            wide = scale if scale.ndim == 0 else scale.unsqueeze(1 - axis)
            out[base] = torch.from_numpy(value.astype("float32")) * wide
        elif name.startswith("tower.") and kind not in ("scale", "zero"):
            out[name] = torch.from_numpy(value.copy())
    return out


def new_words(tokenizer: Tokenizer, texts: Iterable[str], *, least: int, most: int) -> list[str]:
    """Return frequent words that the tokenizer cuts into pieces, the most frequent first.

    Args:
        tokenizer: whose vocabulary lacks them.
        texts: where they are counted.
        least: occurrences that a word needs.
        most: words returned.
    """
    counts = Counter(word for text in texts for word in text.lower().split() if word.isalpha() and word.isascii())
    vocabulary = tokenizer.get_vocab()
    words = [word for word, n in counts.most_common() if n >= least and SPACE + word not in vocabulary]
    return words[:most]


def extended(tokenizer: Tokenizer, words: Sequence[str]) -> Tokenizer:
    """Append words to a byte-level BPE as its last merges; its end mark stays the highest id.

    >>> from catalens.models.registry import shipped
    >>> old = Tokenizer.from_file(str(shipped("starter") / "tokenizer.json"))
    >>> new = extended(old, ["people"])
    >>> old.encode("people").tokens[:-1], new.encode("people").tokens[:-1], new.get_vocab_size() > 6000
    (['Ġpe', 'o', 'ple'], ['Ġpeople'], True)
    """
    body = json.loads(tokenizer.to_str())
    vocabulary: dict[str, int] = body["model"]["vocab"]
    end = max(tokenizer.get_vocab().items(), key=lambda item: item[1])[0]
    taken = [token for token in tokenizer.get_vocab() if token != end]
    known = set(taken)
    vocabulary = {token: at for at, token in enumerate(sorted(taken, key=tokenizer.get_vocab().__getitem__))}
    for word in words:
        pieces = tokenizer.encode(word).tokens[:-1]
        while len(pieces) > 1:
            joined = pieces[0] + pieces[1]
            merge = [pieces[0], pieces[1]]
            if merge not in body["model"]["merges"]:
                body["model"]["merges"].append(merge)
            if joined not in known:
                known.add(joined)
                vocabulary[joined] = len(vocabulary)
            pieces = [joined, *pieces[2:]]
    body["model"]["vocab"] = vocabulary
    for each in body["added_tokens"]:
        each["id"] = len(vocabulary)
    for each in (body["post_processor"] or {}).get("special_tokens", {}).values():
        each["ids"] = [len(vocabulary)]
    return Tokenizer.from_str(json.dumps(body))


def moved(tower: TextTower, old: Tokenizer, new: Tokenizer) -> TextTower:
    """Replace a tower's vocabulary: a token's embedding is the mean of the old embeddings of its text."""
    width = tower.token.weight.shape[1]
    table = torch.zeros(new.get_vocab_size(), width)
    known, end = old.get_vocab(), new.get_vocab_size() - 1
    with torch.no_grad():
        for token, at in new.get_vocab().items():
            if token in known:
                table[at] = tower.token.weight[known[token]]
            elif at != end:
                text = new.decode([at])
                ids = old.encode(text).ids[:-1] or [0]
                table[at] = tower.token.weight[ids].mean(0)
        table[end] = tower.token.weight[old.get_vocab_size() - 1]
    tower.token = nn.Embedding(*table.shape)
    tower.token.weight.data = table
    return tower


class Pieces(nn.Module):
    """An embedding for a longer vocabulary that has no rows of its own for the words it lacks.

    A token of the new vocabulary is looked up as the old one of the same text, or as the first piece that the old
    vocabulary makes of it: the half that knows products has no use for everyday words, and a row of each would be
    the larger part of what they cost.
    """

    places: Tensor

    def __init__(self, table: Table, old: Tokenizer, new: Tokenizer) -> None:
        super().__init__()
        known, end = old.get_vocab(), new.get_vocab_size() - 1
        places = torch.zeros(new.get_vocab_size(), dtype=torch.long)
        for token, at in new.get_vocab().items():
            places[at] = known[token] if token in known else old.encode(new.decode([at])).ids[0]
        places[end] = old.get_vocab_size() - 1
        self.table = table
        self.register_buffer("places", places)

    @property
    def weight(self) -> Tensor:
        """The old vocabulary's rows."""
        return self.table.weight

    def forward(self, input_ids: Tensor) -> Tensor:
        """Look up ids of the new vocabulary."""
        return self.table(self.places[input_ids])


class PairTower(nn.Module):
    """Two text towers over one vocabulary: unit rows (n, dim of the first + dim of the second).

    Each half is of unit length before both are scaled by the square root of one half, so that an image which lies in
    one half alone ranks all texts as that half's tower does.
    """

    def __init__(self, sold: TextTower, seen: TextTower) -> None:
        super().__init__()
        self.sold, self.seen = sold, seen

    def forward(self, input_ids: Tensor) -> Tensor:
        """Encode a batch (n, length); the end mark is the highest id."""
        rows: Tensor = torch.cat([self.sold(input_ids), self.seen(input_ids)], dim=1) * 0.5**0.5
        return rows

    def after(self, input_ids: Tensor, sees: Tensor, ends: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Encode packed texts as `TextTower.after` does; the first tower's layers of the past come first."""
        layers = len(self.sold.blocks) + len(self.sold.branch)
        first, first_present = self.sold.after(input_ids, sees, ends, past[:layers])
        second, second_present = self.seen.after(input_ids, sees, ends, past[layers:])
        rows = torch.cat([first, second], dim=1) * 0.5**0.5
        return rows, torch.cat([first_present, second_present])

    def nothing(self) -> Tensor:
        """Return the past of no tokens."""
        return torch.cat([self.sold.nothing(), self.seen.nothing()])
