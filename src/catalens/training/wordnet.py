"""WordNet's nouns, read from its data files (Debian: `apt install wordnet-base`)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

WORDNET = Path("/usr/share/wordnet")


@dataclass(frozen=True, slots=True)
class Synset:
    """Words for one thing, and the synsets that it is a kind of."""

    words: tuple[str, ...]
    above: tuple[str, ...]


@dataclass(frozen=True)
class Nouns:
    """WordNet's nouns.

    Attributes:
        synsets: by their place in the file.
        senses: word in lower case → its synsets, the usual one first, and how often each was counted in texts.
    """

    synsets: Mapping[str, Synset]
    senses: Mapping[str, Sequence[tuple[str, int]]]

    @cached_property
    def kinds(self) -> Mapping[str, int]:
        """Synset → the number of all its kinds."""
        found = Counter[str]()
        for key in self.synsets:
            found.update(self.ancestors(key))
        return found

    def ancestors(self, start: str) -> Iterator[str]:
        """Return what a synset is a kind of, nearest first."""
        return _walk(self.synsets[start].above, lambda at: self.synsets[at].above)


def read_synsets(file: Path) -> dict[str, Synset]:
    """Return the synsets of `data.noun`."""
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            continue
        fields = line.split("|")[0].split()
        words = int(fields[3], 16)
        start = 4 + 2 * words
        pointers = [(fields[start + 1 + 4 * i], fields[start + 2 + 4 * i]) for i in range(int(fields[start]))]
        found[fields[0]] = Synset(
            tuple(fields[4 + 2 * i].replace("_", " ") for i in range(words)),
            tuple(target for kind, target in pointers if kind in {"@", "@i"}),
        )
    return found


def read_nouns(folder: Path = WORDNET) -> Nouns:
    """Read a folder of WordNet's data files."""
    counts: dict[tuple[str, int], int] = {}
    for line in (folder / "cntlist.rev").read_text(encoding="utf-8").splitlines():
        key, sense, count = line.split()
        word, _, rest = key.partition("%")
        if rest.startswith("1:"):
            counts[word, int(sense)] = int(count)
    senses = {}
    for line in (folder / "index.noun").read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            continue
        fields = line.split()
        first = 6 + int(fields[3])
        keys = fields[first : first + int(fields[2])]
        senses[fields[0].replace("_", " ")] = [
            (key, counts.get((fields[0], sense), 0)) for sense, key in enumerate(keys, start=1)
        ]
    return Nouns(read_synsets(folder / "data.noun"), senses)


def class_synsets(synsets: Mapping[str, Synset], names: Sequence[Sequence[str]]) -> list[str]:
    """Return the synset of each of the 1,000 ImageNet classes, in their order.

    Args:
        synsets: of WordNet.
        names: of each class, all words of its synset.
    """
    by_words: dict[frozenset[str], list[str]] = defaultdict(list)
    for key, synset in synsets.items():
        by_words[frozenset(word.lower() for word in synset.words)].append(key)
    found = []
    for at, words in enumerate(names):
        candidates = by_words[frozenset(word.lower() for word in words)]
        above = {key: {synsets[each].words[0] for each in _ancestors(synsets, key)} for key in candidates}
        wanted = ("animal",) if at < ANIMALS else PREFERRED
        found.append(next((key for word in wanted for key in candidates if word in above[key]), candidates[0]))
    return found


ANIMALS = 398
"""The first classes are animals; a name such as "crane" means the bird there and the machine later."""
PREFERRED = ("artifact", "food", "plant part", "plant", "natural object", "fungus", "geological formation", "person")


def _ancestors(synsets: Mapping[str, Synset], start: str) -> Iterator[str]:
    return _walk(synsets[start].above, lambda at: synsets[at].above)


def _walk(first: Iterable[str], following: Callable[[str], Iterable[str]]) -> Iterator[str]:
    queue, seen = list(first), set[str]()
    while queue:
        at = queue.pop(0)
        if at not in seen:
            seen.add(at)
            yield at
            queue += following(at)
