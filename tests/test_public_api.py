"""What users and packagers rely on: names, start-up, README, what is in the wheel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import catalens
from catalens.models.registry import shipped
from tests.support.drawings import drawn

ROOT = Path(__file__).parents[1]
HEAVY = (
    # optional or large: never without a command that needs them
    *("torch", "transformers", "timm", "onnxruntime", "openvino", "tokenizers", "usearch", "pyarrow"),
    # part of the base install, but slower to import than a help page may take
    *("numpy", "PIL", "yaml", "sqlite3"),
)


def loaded_after(statement: str) -> set[str]:
    """Return the heavy modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(ran.stdout.splitlines()[-1])) & set(HEAVY)


@pytest.mark.parametrize(
    "statement",
    [
        "import catalens",
        "import catalens.cli",
        "import catalens.cli\ntry:\n    catalens.cli.app(['--help'])\nexcept SystemExit:\n    pass",
        "import catalens.cli\ntry:\n    catalens.cli.app(['search', '--help'])\nexcept SystemExit:\n    pass",
    ],
    ids=["package", "cli", "help", "help of a command"],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(statement: str) -> None:
    assert loaded_after(statement) == set()


def test_every_public_name_is_there_and_no_other() -> None:
    assert list(catalens.__all__) == sorted(catalens.__all__)
    assert set(dir(catalens)) == set(catalens.__all__)
    for name in catalens.__all__:
        assert getattr(catalens, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        catalens.no_such_name  # noqa: B018


def test_every_public_thing_says_what_it_is() -> None:
    silent = [name for name in catalens.__all__ if name != "__version__" and not getattr(catalens, name).__doc__]
    assert silent == []


def test_rooms_import_one_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([str(lint)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stdout


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    pytest.importorskip("hatchling", reason="building a wheel offline needs hatchling: make test installs it")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=600)
    (wheel,) = folder.glob("*.whl")
    assert wheel.stat().st_size <= 32_000_000
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_every_file_of_the_package(wheel_names: set[str]) -> None:
    source = ROOT / "src"
    shipped = {
        path.relative_to(source).as_posix()
        for path in (source / "catalens").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped <= wheel_names
    assert "catalens/py.typed" in wheel_names
    assert "catalens/tasks/data/fashion.yaml" in wheel_names
    assert not [name for name in wheel_names if name.startswith(("tests/", "benchmarks/"))]


README = (ROOT / "README.md").read_text(encoding="utf-8")
RUNNABLE = re.findall(r"<!-- run -->\n```(console|python)\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def beside_the_readme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README's examples speak of: photo.jpg, photos/ and products.csv."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "photos").mkdir()
    rows = ["image,title,type,colour"]
    for product in drawn(6):
        product.picture.save(folder / "photos" / f"{product.id}.png")
        rows.append(f'photos/{product.id}.png,"{product.title}",{product.article_type},{product.colour}')
    product.picture.save(folder / "photo.jpg")
    (folder / "products.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_the_readme_has_blocks_that_run() -> None:
    assert {kind for kind, _ in RUNNABLE} == {"console", "python"}
    every = re.findall(r"```(?:console|python)\n(.*?)```", README, flags=re.DOTALL)
    left_out = set(every) - {block for _, block in RUNNABLE}
    # The others install, download, or talk to a server.
    assert all(re.search("make |--model|--writer|--painter|pull", block) for block in left_out), left_out


@pytest.mark.slow
@pytest.mark.skipif(
    not (shipped("starter") / "bundle.json").is_file(), reason="the starter is not trained yet: make starter"
)
@pytest.mark.parametrize(("kind", "block"), RUNNABLE)
def test_the_readme_s_blocks_run_as_they_stand(beside_the_readme: Path, kind: str, block: str) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    script = "\n".join(line.removeprefix("$ ") for line in block.splitlines())
    command = [sys.executable, "-c", block] if kind == "python" else ["bash", "-euo", "pipefail", "-c", script]
    ran = subprocess.run(
        command, cwd=beside_the_readme, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout
