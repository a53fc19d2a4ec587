"""timm's networks of the EfficientNet family, MobileNetV2 among them, and the statistics of their batch norms."""

from __future__ import annotations

from typing import Any

import timm
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn


def efficientnet(name: str, **options: Any) -> EfficientNet:  # noqa: ANN401 - each network of timm has its own
    """Return a network with random weights.

    Args:
        name: timm's name of a network of this family, such as "mobilenetv2_100".
        options: of the network's class.
    """
    net = timm.create_model(name, pretrained=False, **options)
    assert isinstance(net, EfficientNet)
    return net


def mobilenet() -> EfficientNet:
    """Return a MobileNetV2 without its classifier, which pads as TensorFlow does."""
    return efficientnet("mobilenetv2_100", num_classes=0, pad_type="same")


def running_statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return the running mean and variance (channels,) of a norm that keeps them, as a norm does unless told not to."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var
