"""Autoscaling of an endpoint: the requests of Application Auto Scaling, built from values alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalens.core.errors import InputError
from catalens.deployment.requests import VARIANT, Call, Mode

_SERVICE = "application-autoscaling"
_DIMENSION = "sagemaker:variant:DesiredInstanceCount"
_COOL_DOWN_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How far an endpoint scales, and by what.

    Attributes:
        least: instances; 0 only for asynchronous endpoints.
        most: instances.
        target: requests per instance and minute; of an asynchronous endpoint, requests that wait per instance.
    """

    least: int
    most: int
    target: float

    @classmethod
    def of(cls, text: str, target: float) -> Scaling:
        """Read MIN:MAX.

        Raises:
            InputError: it is not of that form, or the numbers make no sense.
        """
        least, _, most = text.partition(":")
        if not (least.isdecimal() and most.isdecimal() and int(least) <= int(most) and int(most) >= 1 and target > 0):
            raise InputError(f"--autoscale {text}: give MIN:MAX instances, such as 1:4, and a target above 0")
        return cls(least=int(least), most=int(most), target=target)


def scaling_calls(name: str, mode: Mode, scaling: Scaling) -> list[Call]:
    """Return the calls that make an endpoint scale; it must be in service.

    Raises:
        InputError: this kind of endpoint does not scale so.
    """
    if mode == "serverless":
        raise InputError("a serverless endpoint scales by itself; --max-concurrency limits it")
    if mode == "real-time" and scaling.least < 1:
        raise InputError("a real-time endpoint keeps at least 1 instance; --mode async scales to 0")
    place = _place(name)
    limits = {"MinCapacity": scaling.least, "MaxCapacity": scaling.most}
    policy = {
        "PolicyName": f"catalens-{name}",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": scaling.target,
            "ScaleInCooldown": _COOL_DOWN_S,
            "ScaleOutCooldown": _COOL_DOWN_S,
            **_metric(name, mode),
        },
    }
    return [
        Call(_SERVICE, "register_scalable_target", {**place, **limits}),
        Call(_SERVICE, "put_scaling_policy", {**place, **policy}),
    ]


def deregister_call(name: str) -> Call:
    """Return the call that ends the autoscaling of an endpoint, with its policies."""
    return Call(_SERVICE, "deregister_scalable_target", _place(name))


def _place(name: str) -> dict[str, str]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/{VARIANT}",
        "ScalableDimension": _DIMENSION,
    }


def _metric(name: str, mode: Mode) -> Mapping[str, Any]:
    if mode == "real-time":
        return {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}
    return {
        "CustomizedMetricSpecification": {
            "MetricName": "ApproximateBacklogSizePerInstance",
            "Namespace": "AWS/SageMaker",
            "Dimensions": [{"Name": "EndpointName", "Value": name}],
            "Statistic": "Average",
        }
    }
