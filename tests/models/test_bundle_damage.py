"""Everything that can be wrong with a bundle is a clear error that names the file: when it is opened, or by `check`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from catalens.core.errors import ModelError
from catalens.models.bundle import load_bundle
from catalens.models.facts import BundleFacts
from tests.support.tiny import DIM, HEIGHT, PROJECTION, TABLE, WIDTH, image_graph, seal, text_graph, tiny_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle")


@pytest.mark.parametrize("folder", ["missing", "."])
def test_a_folder_without_bundle_json_is_no_bundle(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ModelError, match=r"is not a bundle: it has no bundle\.json.*text\.onnx"):
        load_bundle(tmp_path / folder)


@pytest.mark.parametrize("name", ["image.onnx", "text.onnx", "tokenizer.json"])
def test_half_a_bundle_names_what_is_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"an incomplete bundle: {name} is missing"):
        load_bundle(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1, 2]", b"null", b'"text"', b"{}"])
def test_a_damaged_bundle_json_is_named(folder: Path, content: bytes) -> None:
    (folder / "bundle.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"bundle\.json cannot be used: "):
        load_bundle(folder)


def test_another_format_says_which_one_is_read(folder: Path) -> None:
    seal(folder, format="catalens-bundle/9")
    with pytest.raises(ModelError, match=r"'catalens-bundle/9'; this version reads 'catalens-bundle/3'"):
        load_bundle(folder)


@pytest.mark.parametrize("key", [field.name for field in fields(BundleFacts) if field.default is MISSING])
def test_a_missing_value_is_named(folder: Path, key: str) -> None:
    file = folder / "bundle.json"
    facts = json.loads(file.read_text())
    del facts[key]
    file.write_text(json.dumps(facts))
    with pytest.raises(ModelError, match=f"bundle.json cannot be used: it has no '{key}', which is"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", ""),
        ("name", "tiny@1"),
        ("revision", 1),
        ("dim", "16"),
        ("dim", 16.0),
        ("dim", True),
        ("dim", 0),
        ("dim", 10**9),
        ("input_size_wh", [12]),
        ("input_size_wh", [12, -16]),
        ("input_size_wh", [10**12, 10**12]),
        ("input_size_wh", "12x16"),
        ("resize", "shrink"),
        ("resample", 3),
        ("max_tokens", 1),
        ("max_tokens", 10**9),
        ("pad_id", "0"),
        ("end_id", None),
        ("precision", "fp16"),
        ("logit_scale", 0.0),
        ("logit_scale", float("nan")),
        ("logit_scale", "20"),
        ("logit_bias", "none"),
        ("unknown_texts", "something else"),
        ("unknown_texts", [""]),
        ("probe", {}),
        ("probe", {"a": "97"}),
        ("probe", ["a"]),
        ("sha256", {"text.onnx": 1}),
        ("sha256", {"../secret": "0"}),
        ("sha256", {"..": "0"}),
        ("sha256", {"C:secret": "0"}),
        ("sha256", {"a\\\\b": "0"}),
        ("licence", None),
        ("scores", 0.9),
        ("exact_image", "yes"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(folder: Path, key: str, value: object) -> None:
    seal(folder, **{key: value})
    with pytest.raises(ModelError, match=rf"bundle\.json cannot be used: '{key}' is .*; it should be "):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["image.onnx", "text.onnx", "tokenizer.json"])
def test_a_file_that_was_changed_is_found_by_its_checksum(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name} is damaged or not the file .* SHA-256 differs"):
        load_bundle(folder)


def test_a_file_without_a_checksum_is_not_believed(folder: Path) -> None:
    seal(folder, sha256={})
    with pytest.raises(ModelError, match=r"image\.onnx is damaged or not the file"):
        load_bundle(folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"not JSON"])
def test_what_is_no_tokenizer_is_named(folder: Path, content: bytes) -> None:
    (folder / "tokenizer.json").write_bytes(content)
    seal(folder)
    with pytest.raises(ModelError, match=r"tokenizer\.json is not a tokenizer: "):
        load_bundle(folder).check()


def test_another_tokenizer_is_found_by_its_ids(folder: Path) -> None:
    seal(folder, probe={"a shirt": [1, 2, 3]})
    with pytest.raises(ModelError, match=r"tokenizer\.json is not this bundle's tokenizer: 'a shirt' has other ids"):
        load_bundle(folder).check()


def _one_row_for_all() -> onnx.ModelProto:
    made = image_graph()
    made.graph.node[-1].output[0] = "unit"
    made.graph.node.append(helper.make_node("ReduceMean", ["unit"], ["vectors"], axes=[0], keepdims=1))
    return made


def _of_another_name() -> onnx.ModelProto:
    made = text_graph()
    made.graph.output[0].name = "rows"
    return made


def _two_inputs() -> onnx.ModelProto:
    made = image_graph()
    made.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["n"]))
    return made


def _of_another_size() -> onnx.ModelProto:
    made = image_graph(np.tile(PROJECTION, (4, 1)))
    shape = made.graph.input[0].type.tensor_type.shape
    shape.dim[1].dim_value, shape.dim[2].dim_value = 2 * HEIGHT, 2 * WIDTH
    return made


NO_TOWERS: dict[str, tuple[str, Callable[[], onnx.ModelProto], str]] = {
    "narrow pictures": ("image.onnx", lambda: image_graph(PROJECTION[:, :8]), r"returned an array \(2, 8\)"),
    "narrow texts": ("text.onnx", lambda: text_graph(TABLE[:, :1]), r"returned an array \(2, 1\)"),
    "not a number": ("image.onnx", lambda: image_graph(np.full_like(PROJECTION, np.nan)), "not finite"),
    "no direction": ("text.onnx", lambda: text_graph(np.zeros_like(TABLE)), "not finite"),
    "one row for all": ("image.onnx", _one_row_for_all, rf"returned an array \(1, {DIM}\); expected \(2, {DIM}\)"),
    "another name": ("text.onnx", _of_another_name, "returns rows; it should take input_ids and return vectors"),
    "two inputs": ("image.onnx", _two_inputs, "takes pixels, mask and returns vectors; it should take pixels and"),
    "another size": ("image.onnx", _of_another_size, r"failed on an array \(2, 16, 12, 3\) of uint8"),
    "texts of five": ("text.onnx", lambda: text_graph(length=5), r"failed on an array \(1, \d+\) of int64"),
}


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("case", NO_TOWERS)
def test_a_graph_that_is_no_tower_is_found_by_running_it(folder: Path, case: str, runtime: str) -> None:
    pytest.importorskip(runtime, reason=f"{runtime} is not installed")
    name, build, message = NO_TOWERS[case]
    onnx.save(build(), folder / name)
    seal(folder)
    with pytest.raises(ModelError, match=f"{name}.*{message}"):
        load_bundle(folder, runtime=runtime, threads=1).check()


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("spoil", [lambda content: content[: len(content) // 2], lambda _: b"", lambda _: b"graph"])
def test_a_graph_that_cannot_be_read_is_named(folder: Path, spoil: Callable[[bytes], bytes], runtime: str) -> None:
    pytest.importorskip(runtime, reason=f"{runtime} is not installed")
    file = folder / "text.onnx"
    file.write_bytes(spoil(file.read_bytes()))
    seal(folder)
    with pytest.raises(ModelError, match=r"text\.onnx cannot be loaded as an ONNX graph: [^\n]*[a-z]{3}"):
        load_bundle(folder, runtime=runtime, threads=1).check()


@pytest.mark.parametrize("changes", [{"dim": 8}, {"input_size_wh": [16, 12]}])
def test_facts_that_do_not_fit_the_graphs_are_found(folder: Path, changes: dict[str, Any]) -> None:
    seal(folder, **changes)
    with pytest.raises(ModelError, match=r"image\.onnx does not return vectors of width"):
        load_bundle(folder, runtime="onnxruntime", threads=1).check()


def test_more_tokens_than_the_tokenizer_was_trained_for_are_refused(folder: Path) -> None:
    onnx.save(text_graph(TABLE[:200]), folder / "text.onnx")
    seal(folder)
    with pytest.raises(ModelError, match=r"text\.onnx does not return vectors"):
        load_bundle(folder, runtime="onnxruntime", threads=1).check()


def test_a_bundle_json_that_is_nested_too_deeply_is_refused(folder: Path) -> None:
    (folder / "bundle.json").write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(ModelError, match=r"bundle\.json cannot be used: it is nested too deeply"):
        load_bundle(folder)


def _endless(trips: int = 2**62) -> onnx.ModelProto:
    """A graph whose result is multiplied by one, over and over."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes_on"]),
            helper.make_node("Identity", ["so_far"], ["further"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("so_far", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("further", TensorProto.FLOAT, None),
        ],
    )
    made = image_graph()
    made.graph.node[-1].output[0] = "unit"
    made.graph.initializer.append(numpy_helper.from_array(np.array(trips), "trips"))
    made.graph.node.append(helper.make_node("Loop", ["trips", "", "unit"], ["vectors"], body=body))
    return made


def _endless_inside() -> onnx.ModelProto:
    """The loop stands inside the branch of an If."""
    loop = _endless().graph.node[-1]
    made = image_graph()
    branch = helper.make_graph(
        [loop], "branch", [], [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, None)]
    )
    made.graph.node[-1].output[0] = "unit"
    made.graph.initializer.append(numpy_helper.from_array(np.ones((), dtype=np.bool_), "yes"))
    made.graph.node.append(helper.make_node("If", ["yes"], ["vectors"], then_branch=branch, else_branch=branch))
    return made


@pytest.mark.parametrize("build", [_endless, _endless_inside])
def test_a_graph_with_a_loop_is_refused_before_it_is_run(folder: Path, build: Callable[[], onnx.ModelProto]) -> None:
    onnx.save(build(), folder / "image.onnx")
    seal(folder)
    with pytest.raises(ModelError, match=r"image\.onnx holds Loop, which may run without end"):
        load_bundle(folder)


def test_weights_outside_the_graph_need_a_checksum(folder: Path) -> None:
    onnx.save(image_graph(), folder / "image.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    seal(folder)
    load_bundle(folder, runtime="onnxruntime", threads=1).check()
    facts = json.loads((folder / "bundle.json").read_text())
    seal(folder, sha256={name: each for name, each in facts["sha256"].items() if name != "w.bin"})
    with pytest.raises(ModelError, match=r"image\.onnx keeps weights in w\.bin, for which bundle\.json has no"):
        load_bundle(folder)


def test_weights_in_another_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    onnx.save(image_graph(), folder / "image.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    content = (folder / "image.onnx").read_bytes()
    (folder / "image.onnx").write_bytes(content.replace(b"w.bin", b"../wb"))
    (folder / "w.bin").rename(tmp_path / "wb")
    seal(folder)
    with pytest.raises(ModelError, match=r"image\.onnx keeps weights in '\.\./wb'; they belong into a file beside it"):
        load_bundle(folder)
