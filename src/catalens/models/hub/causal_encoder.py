"""Runs a pretrained encoder with torch, encoding a shared prefix of texts once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from catalens.core.errors import ModelError
from catalens.core.types import Vectors
from catalens.models.hub.causal import CausalText, causal_text
from catalens.models.hub.encoder import TorchEncoder
from catalens.models.hub.naflex import NaflexEncoder
from catalens.models.packing import Pack
from catalens.models.parts import EncoderParts
from catalens.models.prefix import PrefixTower


class CausalTorchEncoder(TorchEncoder):
    """A `PrefixEncoder` over a causal text tower.

    Args:
        parts: the pieces.
        text: their text tower, as a `CausalText`.
        device: as for `TorchEncoder`, and so is dtype.
    """

    def __init__(
        self, parts: EncoderParts, text: CausalText, *, device: str | None = None, dtype: str | None = None
    ) -> None:
        super().__init__(replace(parts, text=text), device=device, dtype=dtype)
        self._causal = text
        self._tower = PrefixTower(self._vectors, self._present, text.nothing(), parts.dim)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return (n, dim) unit vectors of n texts, packed together.

        Raises:
            InputError: a text is not a str, or contains a lone surrogate.
            ModelError: the tower failed, or returned an invalid vector.
        """
        return self._tower.rows(self._tokens.read(texts))

    def encode_after(self, prefix: str, endings: Sequence[str]) -> Vectors:
        """Return (n, dim) unit vectors of the n texts `prefix + ending`, encoding the prefix once.

        Raises:
            InputError: a text is not a str, or contains a lone surrogate.
            ModelError: the tower failed, or returned an invalid vector.
        """
        texts = self._tokens.read([prefix + ending for ending in endings])
        return self._tower.rows(texts, prefix=self._tokens.open_end(prefix))

    def _vectors(self, pack: Pack, past: torch.Tensor) -> Vectors:
        return self._rows(lambda ends: self._run(pack, ends, past)[0], torch.from_numpy(pack.ends).to(self._device))

    def _present(self, pack: Pack, past: torch.Tensor) -> torch.Tensor:
        try:
            with torch.inference_mode():
                return self._run(pack, torch.from_numpy(pack.ends).to(self._device), past)[1]
        except RuntimeError as error:
            raise ModelError(f"{self.name} failed on a prefix of {pack.input_ids.shape[1]} tokens: {error}") from error

    def _run(self, pack: Pack, ends: torch.Tensor, past: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ids, mask = (torch.from_numpy(each).to(self._device) for each in (pack.input_ids, pack.attention_mask))
        run: tuple[torch.Tensor, torch.Tensor] = self._causal(ids, mask, ends, past)
        return run


def torch_encoder(parts: EncoderParts, *, device: str | None = None, dtype: str | None = None) -> TorchEncoder:
    """Run a model with torch; a `PrefixEncoder` where its text tower is causal.

    Raises:
        InputError: the device or dtype is unknown.
        ModelError: it does not fit there.
    """
    if parts.patches is not None:
        return NaflexEncoder(parts, parts.patches, device=device, dtype=dtype)
    causal = causal_text(parts.text) if parts.pad_id is None else None
    if causal is None:
        return TorchEncoder(parts, device=device, dtype=dtype)
    return CausalTorchEncoder(parts, causal, device=device, dtype=dtype)
