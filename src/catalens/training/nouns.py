"""Write the nouns that stand for a bundle's classes: `python -m catalens.training.nouns everyday`.

WordNet's words for the things that the classes are (synonyms and hypernyms), and for what is a kind of them or beside
them: an image of a croissant looks most like those of other bread. See `docs/decisions/281-nouns.md`.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from catalens.core.classes import THINGS, Classes, NounTable
from catalens.models.bundle import load_bundle
from catalens.models.class_files import NOUN_FILE, save_nouns
from catalens.models.registry import shipped
from catalens.models.routing import EVERYDAY
from catalens.tasks.class_labels import SOMEBODY
from catalens.tasks.english import stems
from catalens.training.caption_truth import names_in
from catalens.training.kinds import read_classes
from catalens.training.wordnet import WORDNET, Nouns, class_synsets, read_nouns

_NOUN = re.compile(r"[a-z][a-z'-]*(?: [a-z][a-z'-]*)?")
_LEARNED_FROM = {"food", "foodstuff", "edible fruit", "vegetable", "produce", "clothing", "footwear"}
"""What the classes of training images are kinds of: of a word's synsets the first below these is meant."""
_LEAST_COVERED = 0.02
"""Share of the kinds of a thing that are classes; below, the classes say too little of it."""
_MOST_KINDS, _MOST_CLASSES = 300, 120
"""Of a thing whose other kinds take its classes: "furniture" is particular enough, "vehicle" is not."""
_MOST_NAMED = 230
"""Classes of a hypernym; of those with more, only the animals are things to name."""
_SENSES = 2
"""How much more often than as a thing a word may be said in another sense."""
_NO_THINGS = names_in(
    "solid,system,commodity,consumer goods,nutrient,restraint,piece,stick,supporting structure,natural object,"
    "plant organ,reproductive structure,plant part,protective covering,covering,female,strengthener,plant,artifact,"
    "instrumentality,object,causal agent,ware,obstruction,structure,upright,part,area"
)
_NO_KINDS = names_in(
    "fabric,ballplayer,spouse,knot,padding,machine,electronic device,weapon,disk,system,case,rack,seed,ware,shelter,"
    "memorial,plaything,trap,building,wheel,knit,chain,hook,screen,point,coast,seashore,promontory,mountain"
)
"""Things whose other kinds look too different, or are places with names of their own."""
OTHERWISE = names_in(
    "ray,dipper,rail,killer,painter,ounce,beam,top,bullet,ride,cell,chest,spiral,board,powder,file,measure,mouse,"
    "column,meter,scope,pipe,coach,comfort,rubber,rule,scale,blind,key,spot,litter,case,press,site,spring,head,hip,"
    "ear,drop,boxer,screw,liner,racer,monarch,admiral,drake,pirate,groom,stage,bow,pick,reel,hook,wing,buckeye"
)
"""Words for classes that mean something else in most lists of labels."""
PERSONS = names_in(
    "man,woman,boy,girl,child,kid,baby,toddler,infant,lady,gentleman,guy,adult,teenager,human,human being,couple,crowd"
)
"""Words for what is learned as a person or people."""


def noun_table(nouns: Nouns, classes: Classes) -> NounTable:
    """Return the nouns that `classes.named` lacks.

    Args:
        nouns: WordNet's.
        classes: the teacher's 1,000, and those of training images, with their words.
    """
    known = {stems(word) for word in classes.named}
    shown = _shown(nouns, classes)
    covered = {key: len(places) / (1 + nouns.kinds[key]) for key, places in shown.items()}
    same: dict[str, tuple[int, ...]] = {word: () for word in OTHERWISE if word in classes.named}
    somebody = tuple(at for word in SOMEBODY for at in classes.named[word])
    kinds = dict.fromkeys(sorted(PERSONS), somebody)
    for word in nouns.senses:
        if not _NOUN.fullmatch(word) or stems(word) in known or word in kinds:
            continue
        for key in _usual(nouns, word):
            if key in shown:
                if _is_thing(nouns, key, shown) and covered[key] >= _LEAST_COVERED:
                    same[word] = tuple(sorted(shown[key]))
                    break
                continue
            if places := _nearest(nouns, key, shown, covered, classes):
                kinds[word] = places
                break
    return NounTable(same, kinds)


def _shown(nouns: Nouns, classes: Classes) -> Mapping[str, set[int]]:
    """Return synset → the classes that it is true of."""
    shown: dict[str, set[int]] = defaultdict(set)
    teacher = read_classes()
    found = list(enumerate(class_synsets(nouns.synsets, [each.names for each in teacher])))
    for word, places in classes.named.items():
        learned = [at for at in places if at >= len(teacher)]
        if learned and len(places) <= len(learned) + 2 and (key := _learned(nouns, word)):
            found += [(at, key) for at in learned]
    for at, key in found:
        for each in (key, *nouns.ancestors(key)):
            shown[each].add(at)
    return shown


def _learned(nouns: Nouns, word: str) -> str | None:
    singular = next((each for each in (word, word[:-1], word[:-2], f"{word[:-3]}y") if each in nouns.senses), "")
    return next(
        (
            key
            for key, _ in nouns.senses.get(singular, ())
            if _LEARNED_FROM & {nouns.synsets[above].words[0] for above in nouns.ancestors(key)}
        ),
        None,
    )


def _usual(nouns: Nouns, word: str) -> Iterator[str]:
    """Return a word's synsets as far as they are usual; names of persons and places are none."""
    senses = [(key, count) for key, count in nouns.senses[word] if word in nouns.synsets[key].words]
    most = 0
    for key, count in senses:
        if count * _SENSES < most:
            return
        yield key
        most = max(most, count)
        if most:
            # Said in this sense: what it seldom means is not looked for.
            return


def _is_thing(nouns: Nouns, key: str, shown: Mapping[str, set[int]]) -> bool:
    words = nouns.synsets[key].words
    return words[0] not in _NO_THINGS and (len(shown[key]) <= _MOST_NAMED or words[0] == "animal")


def _nearest(
    nouns: Nouns, key: str, shown: Mapping[str, set[int]], covered: Mapping[str, float], classes: Classes
) -> tuple[int, ...]:
    """Return the classes of the nearest ancestor that people have a word for, if it is particular enough."""
    for above in nouns.ancestors(key):
        words = nouns.synsets[above].words
        if nouns.kinds[above] > _MOST_KINDS:
            break
        if above in shown and words[0].lower() in classes.named:
            fits = covered[above] >= _LEAST_COVERED and len(shown[above]) <= _MOST_CLASSES
            return tuple(sorted(shown[above])) if fits and words[0] not in _NO_KINDS else ()
    return ()


def main() -> None:
    """Write the table, where WordNet is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", choices=(EVERYDAY,))
    parser.add_argument("--wordnet", type=Path, default=WORDNET)
    options = parser.parse_args()
    if not (options.wordnet / "data.noun").is_file():
        print(f"skipped: there is no WordNet in {options.wordnet}; `apt install wordnet-base` brings it")  # noqa: T201
        return
    folder = shipped(options.world)
    (folder / NOUN_FILE).unlink(missing_ok=True)  # made for other classes, it could not be read
    encoder = load_bundle(folder, runtime="onnxruntime")
    things = encoder.classes[THINGS]
    save_nouns(folder, encoder.name, len(things.vectors), noun_table(read_nouns(options.wordnet), things))


if __name__ == "__main__":
    main()
