"""The four functions that SageMaker's inference toolkits call; a bundle's `code/inference.py` offers them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from catalens.serving.embedded import Endpoint, Lines, endpoint_config
from catalens.serving.problems import ProblemError, as_problem


def model_fn(model_dir: str) -> Endpoint:
    """Load the models of the unpacked archive.

    Raises:
        CatalensError: the bundle is incomplete, or a model cannot be had.
    """
    return Endpoint(endpoint_config(Path(model_dir), os.environ))


def input_fn(body: bytes | bytearray | str, content_type: str) -> tuple[bytes, str]:
    """Return the request's body as bytes, with its type; toolkits decode some types to text beforehand."""
    return (body.encode() if isinstance(body, str) else bytes(body)), content_type


def predict_fn(request: tuple[bytes, str], endpoint: Endpoint) -> Any:  # noqa: ANN401 - JSON values
    """Answer a request as the service's /invocations does.

    Raises:
        Exception: of the toolkit, with the status that the service would give.
    """
    try:
        return endpoint.answer(*request)
    except Exception as error:  # whatever it is, the caller is owed a status and one sentence
        raise _with_status(as_problem(error, endpoint.service)) from error


def output_fn(answer: Any, accept: str) -> str:  # noqa: ANN401, ARG001 - JSON values, whatever is accepted
    """Return the answer as JSON, or as JSON lines where the request was of lines."""
    if isinstance(answer, Lines):
        return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in answer)
    return json.dumps(answer, ensure_ascii=False)


def _with_status(problem: ProblemError) -> Exception:
    """Return the problem as the toolkit passes it on; a toolkit answers every foreign exception with 500."""
    try:
        from sagemaker_inference.errors import BaseInferenceToolkitError
    except ImportError:
        return problem
    toolkit_error: Exception = BaseInferenceToolkitError(problem.status, problem.detail, problem.detail)
    return toolkit_error
