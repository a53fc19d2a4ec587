"""What the label of an image says of words: labels of single objects, groceries on shelves, and clothes at home."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from catalens.tasks.english import stems
from catalens.training.caption_truth import COMPOUNDS, DOGS, PEOPLE_SAID, names_in
from catalens.training.kinds import ALIASES, Class
from catalens.training.recipes.unified.wild import WildPicture

WITH_PEOPLE = names_in(
    "hammerhead,toy terrier,Lhasa,Appenzeller,miniature poodle,sturgeon,academic gown,balance beam,barbell,"
    "basketball,bassoon,bicycle-built-for-two,bobsled,bow,candle,canoe,chain mail,cradle,crash helmet,"
    "croquet ball,feather boa,fire screen,flute,football helmet,fountain,French horn,fur coat,gondola,gown,"
    "grocery store,harp,horizontal bar,jinrikisha,kimono,laptop,marimba,matchstick,military uniform,"
    "paper towel,parallel bars,puck,radio,sax,shovel,snowmobile,stretcher,suit,swimming trunks,"
    "theater curtain,thresher,torch,tricycle,tripod,tub,unicycle,vacuum,volleyball,Windsor tie,head cabbage,"
    "groom"
)
"""Labels of the objects table whose one picture shows a person; looked at one by one."""
WITH_HANDS = names_in(
    "Blenheim spaniel,English setter,Sussex spaniel,Border collie,acoustic guitar,banjo,broom,clog,dishwasher,"
    "half track,mortar,oxcart,Petri dish,Polaroid camera,running shoe,sandal,sock,sombrero,crossword puzzle,"
    "chocolate sauce,ear"
)
"""Labels whose picture shows a part of a person, or people far away: nothing is judged that is said of people."""
_ALSO: Mapping[str, str] = {
    "agaric": "mushroom",
    "hen": "bird",
    "schooner": "sailboat,boat",
    "cowboy boot": "shoes",
    "mailbag": "handbag",
    "purse": "handbag",
    "crib": "cradle,bed",
    "typewriter keyboard": "typewriter",
    "bow": "deer,antelope,animal",
    "ear": "dog,animal",
    "oxcart": "cow,ox,animal",
    "tennis ball": "dog,ball,animal",
    "water snake": "duck,bird",
    "web site": "screenshot",
    "menu": "document,screenshot",
    "crossword puzzle": "document,screenshot",
    "motor scooter": "motorcycle",
    "library": "bookcase,shelf",
    "seashore": "beach",
    "sandbar": "beach",
}
"""Label of the objects table → what else its one picture is called or shows; looked at one by one."""
_SAME_KIND: Mapping[str, str] = {
    "home appliance": "household appliance",
    "electronic equipment": "electronic device",
    "computer": "electronic device",
    "telephone": "electronic device",
    "geological formation": "mountain,rock,coast,lake",
}
"""Kind of a class → what else that is called."""
_GARMENTS: Mapping[str, str] = {
    "T-Shirt": "t-shirt,tshirt,shirt,jersey,top,tee",
    "Longsleeve": "shirt,sweater,sweatshirt,top,jersey,pullover,t-shirt,tshirt,cardigan",
    "Pants": "pants,trousers,jeans,leggings,capris,tights,track pants",
    "Shoes": "shoes,sneaker,boot,sandal,loafer,clog,footwear,heels,flats,flip flops",
    "Shirt": "shirt",
    "Dress": "dress,gown,tunic,nightdress",
    "Outwear": "coat,jacket,outerwear,cardigan,blazer,shrug",
    "Shorts": "shorts,trunks,boxers",
    "Hat": "hat,cap,bonnet",
    "Skirt": "skirt,miniskirt",
    "Polo": "shirt,t-shirt,tshirt,polo",
    "Undershirt": "shirt,top,vest,camisole,t-shirt,tshirt,maillot",
    "Blazer": "jacket,blazer,suit,coat",
    "Hoodie": "sweater,sweatshirt,hoodie,jacket,pullover,cardigan",
    "Body": "bodysuit,romper,jumpsuit",
    "Top": "top,shirt,t-shirt,tshirt,camisole",
    "Blouse": "blouse,shirt,top,tunic",
}
_GROCERIES: Mapping[str, str] = {
    "Fruit": "fruit",
    "Vegetables": "vegetable,fruit",
    "Packages": "packaged food,bottle,drink,juice,carton,milk,package,packet,box,yoghurt,cream",
}
_WHOLE = frozenset(map(stems, COMPOUNDS))


@dataclass(frozen=True, slots=True)
class LabelTruth:
    """What a label says: the nouns that are right, whether there are people, and whether anything is done."""

    nouns: frozenset[tuple[str, ...]]
    people: bool | None
    done: bool | None

    def noun(self, word: str, *, several: bool = False) -> bool | None:  # noqa: ARG002 - how many is not labelled
        """Return whether the noun names what the label does."""
        if word in PEOPLE_SAID:
            return self.people
        wanted = stems("dog" if word in DOGS else word)
        # A t-shirt is a shirt, but a musical instrument is not any instrument.
        ends = any(each == wanted or (each[-len(wanted) :] == wanted and each not in _WHOLE) for each in self.nouns)
        return ends or (word not in COMPOUNDS and any(wanted[-len(each) :] == each for each in self.nouns))

    def action(self, verb: str) -> bool | None:  # noqa: ARG002 - whatever it is
        """Return False where nobody is there to do it."""
        return self.done

    def colour(self, word: str) -> None:
        """Return None."""

    def place(self, words: Collection[str]) -> None:
        """Return None."""


def object_truth(row: WildPicture, found: Class) -> LabelTruth:
    """Return what the class of an ImageNet sample says."""
    words = {word for kind in (*found.names, *found.kinds) for word in (*ALIASES.get(kind, (kind,)), kind)}
    also = (_ALSO.get(row.label, ""), *(_SAME_KIND.get(word, "") for word in words))
    words |= {name for names in also for name in names.split(",")} - {""}
    people = True if row.label in WITH_PEOPLE else None if row.label in WITH_HANDS else False
    alive = people is not False or "animal" in words
    return LabelTruth(frozenset(map(stems, words)), people, None if alive else False)


def shelf_truth(row: WildPicture) -> LabelTruth:
    """Return what is true of a picture of groceries, taken in a shop."""
    group = row.id.partition("/")[0]
    shop = ("food", "groceries", "produce", "grocery store", "shop", "store")
    named = (row.label, row.coarse, *shop, *_GROCERIES[group].split(","))
    return LabelTruth(frozenset(stems(name.replace("-", " ")) for name in named), people=False, done=False)


def garment_truth(row: WildPicture) -> LabelTruth:
    """Return what is true of clothes that lie or hang at home."""
    named = (*_GARMENTS[row.label].split(","), "clothes", "clothing", "garment")
    return LabelTruth(frozenset(map(stems, named)), people=False, done=False)
