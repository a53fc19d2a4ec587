"""Tables of terms that prompts are made of: plain text, one term a line, as clip-interrogator has them.

Knows files; knows nothing of vectors.
"""

from __future__ import annotations

import ast
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from catalens.core.errors import InputError
from catalens.tasks.vocabularies import load_vocabulary, vocabulary_names

_log = logging.getLogger(__name__)

CLIP_INTERROGATOR = "clip-interrogator"
"""The name of the lists of that package, if it is installed."""
FASHION = "fashion"
"""The name of the shipped tables for encoders that know products only: no artists, movements or sites."""

Kind = Literal["artist", "flavor", "medium", "movement", "site", "negative"]
"""The role of a term in a prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Terms as the files have them, without the space around a line; each file is called as its field, and `.txt`.

    Attributes:
        filled: names of the tables that a folder lacks, for which the bundled ones are used.
    """

    artists: Sequence[str]
    flavors: Sequence[str]
    mediums: Sequence[str]
    movements: Sequence[str]
    sites: Sequence[str]
    negative: Sequence[str]
    filled: Sequence[str] = ()

    def phrases(self) -> Mapping[Kind, Sequence[str]]:
        """Return the words that may go into a prompt: an artist and a site go into several.

        >>> Tables(artists=["Hokusai"], flavors=[], mediums=[], movements=[], sites=[], negative=[]).phrases()["artist"]
        ['by Hokusai', 'inspired by Hokusai']
        """
        site_words = ("{}", "trending on {}", "featured on {}", "{} contest winner")
        return {
            "artist": [how + name for how in ("by ", "inspired by ") for name in self.artists],
            "flavor": self.flavors,
            "medium": self.mediums,
            "movement": self.movements,
            "site": [words.replace("{}", site) for words in site_words for site in self.sites],
            "negative": self.negative,
        }


TABLES = tuple(each.name for each in fields(Tables) if each.name != "filled")


def load_tables(vocabulary: str | Path | None = None) -> Tables:
    """Read the six tables.

    Args:
        vocabulary: None for the shipped ones, "fashion" for those of clothes and other products, "clip-interrogator"
            for those of that package; or a folder with some of `artists.txt`, `flavors.txt`, `mediums.txt`,
            `movements.txt`, `sites.txt` and `negative.txt` (UTF-8). A file that is missing there is the shipped one,
            which is logged and kept in `filled`; an empty file is a table without terms.

    Raises:
        InputError: there is no such folder, it holds none of the files, or one cannot be read.

    >>> load_tables().mediums[:2]
    ('a photo', 'a photograph')
    """
    if vocabulary is None:
        return _tables(_shipped)
    if str(vocabulary) == FASHION:
        return _fashion()
    if str(vocabulary) == CLIP_INTERROGATOR:
        return _clip_interrogator()
    folder = Path(vocabulary)
    names = ", ".join(f"{name}.txt" for name in TABLES)
    if not folder.is_dir():
        raise InputError(
            f"there is no vocabulary {str(vocabulary)!r}: name {FASHION}, {CLIP_INTERROGATOR}, or a folder "
            f"with some of {names}"
        )
    filled = tuple(name for name in TABLES if not (folder / f"{name}.txt").is_file())
    if len(filled) == len(TABLES):
        raise InputError(f"the folder {folder} holds none of {names}; a vocabulary has at least one of them")

    if filled:
        _log.warning(
            "%s has no %s: the shipped terms are used; an empty file leaves a table out",
            folder,
            ", ".join(f"{name}.txt" for name in filled),
        )
    tables = _tables(lambda name: _shipped(name) if name in filled else _read(folder / f"{name}.txt"))
    return replace(tables, filled=filled)


def _tables(read: Callable[[str], Sequence[str]]) -> Tables:
    return Tables(**{name: read(name) for name in TABLES})


def _shipped(name: str) -> Sequence[str]:
    text = (resources.files("catalens.tasks") / "data" / "prompt" / f"{name}.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def _fashion() -> Tables:
    names = [name for name in vocabulary_names() if name.startswith("fashion-") and name != "fashion-sizes"]
    return Tables(
        artists=(),
        flavors=tuple(dict.fromkeys(term for name in names for term in load_vocabulary(name))),
        mediums=_shipped("fashion/mediums"),
        movements=(),
        sites=(),
        negative=_shipped("negative"),
    )


def _read(file: Path, *, errors: str = "strict") -> Sequence[str]:
    try:
        with file.open(encoding="utf-8-sig", errors=errors) as lines:
            return tuple(line.strip() for line in lines)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {file} as UTF-8 text, one term a line: {error}") from error


def _clip_interrogator() -> Tables:
    """Read the installed package's files; its sites are words of its program, which is read and never run."""
    spec = find_spec("clip_interrogator")
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "the vocabulary clip-interrogator belongs to a package that is not installed: pip install clip-interrogator"
        )
    folder = Path(spec.submodule_search_locations[0])
    sites = _sites(folder / "clip_interrogator.py")
    # That package reads bytes that are not UTF-8 as question marks; so its lists are what they are to itself.
    return _tables(lambda name: sites if name == "sites" else _read(folder / "data" / f"{name}.txt", errors="replace"))


def _sites(program: Path) -> Sequence[str]:
    """Find the assignment `sites = [...]` in a program's text."""
    try:
        tree = ast.parse(program.read_text(encoding="utf-8"))
        [found] = [
            ast.literal_eval(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and [ast.unparse(each) for each in node.targets] == ["sites"]
        ]
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(
            f"{program} is not of a version of clip-interrogator whose lists are known, such as 0.6.0: {error}"
        ) from error
    return tuple(found)
