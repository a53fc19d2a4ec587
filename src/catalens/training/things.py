"""What things are called in captions: people's words for the teacher's 1,000 classes and for what they are kinds of."""

from __future__ import annotations

from collections.abc import Sequence

from catalens.models.readers.support import Thing
from catalens.tasks.english import with_article
from catalens.training.caption_truth import names_in
from catalens.training.kinds import Class

_ANIMALS = names_in(
    "alligator,animal,antelope,ape,bear,beetle,big cat,bird,bird of prey,butterfly,camel,cat,cattle,cobra,crab,"
    "crocodile,dinosaur,dog,dolphin,domestic cat,duck,eagle,elephant,fish,fox,frog,goat,heron,horse,insect,kangaroo,"
    "lemur,lizard,lobster,monkey,owl,parrot,penguin,rabbit,reptile,salamander,seabird,seal,shark,sheep,snake,spider,"
    "squirrel,stork,swan,swine,turtle,whale,wolf,worm,"
    "goldfish,hen,ostrich,peacock,kite,vulture,hummingbird,toucan,goose,flamingo,pelican,crane,koala,wombat,platypus,"
    "jellyfish,snail,slug,scorpion,centipede,tarantula,starfish,sea urchin,bee,ant,fly,grasshopper,cricket,cockroach,"
    "dragonfly,ladybug,hamster,porcupine,beaver,guinea pig,zebra,hippopotamus,ox,water buffalo,bison,llama,weasel,"
    "otter,skunk,badger,armadillo,gorilla,chimpanzee,orangutan,baboon,giant panda,lesser panda,lion,tiger,leopard,"
    "cheetah,jaguar,hyena,meerkat,sea lion,gazelle,eel,stingray"
)
_KINDS = names_in(
    "aircraft,airplane,ax,bag,baked goods,ball,basket,bed,belt,bench,beverage,bicycle,boat,body armor,boot,bottle,bowl,"
    "box,bread,bridge,brush,building,bus,cabinet,calculator,camera,cap,car,cart,chair,clock,clothing,coat,compass,"
    "computer,cooking utensil,cup,curtain,cushion,dessert,door,dress,dwelling,electronic device,face mask,fan,farm "
    "machine,fence,firearm,flower,food,footwear,fruit,edible fruit,fungus,furniture,garment,glass,glove,gown,guitar,"
    "gun,hamburger,hand tool,hat,headdress,helmet,home appliance,house,jacket,jar,jewelry,keyboard,kitchen appliance,"
    "kitchen utensil,knife,lamp,locomotive,machine,magazine,mask,measuring instrument,medical instrument,mirror,motor "
    "vehicle,motorcycle,mountain,mug,musical instrument,necktie,pan,pen,pepper,person,personal computer,piano,pistol,"
    "plant,plaything,pot,potato,power tool,print media,pullover,restaurant,rocket,rug,sailboat,sandwich,"
    "scarf,ship,shirt,shoe,shop,sign,skirt,sofa,soup,spacecraft,spectacles,spoon,sports equipment,stringed instrument,"
    "sweater,swimsuit,table,tableware,telephone,telescope,tent,tool,towel,tower,toiletry,train,trouser,truck,"
    "undergarment,uniform,van,vegetable,vehicle,watch,weapon,weaponry,wheel,wheeled vehicle,wind instrument,wine,"
    "writing implement,timepiece,optical device,apple,cabbage,citrus,squash"
)
_SAID = {
    "domestic cat": "cat",
    "swine": "pig",
    "cattle": "cow",
    "lesser panda": "red panda",
    "trouser": "trousers",
    "jean": "jeans",
    "sunglass": "sunglasses",
    "spectacles": "glasses",
    "pajama": "pyjamas",
    "swimming trunks": "swimming trunks",
    "clothing": "clothes",
    "garment": "piece of clothing",
    "undergarment": "underwear",
    "edible fruit": "fruit",
    "headdress": "hat",
    "pullover": "sweater",
    "firearm": "gun",
    "pistol": "gun",
    "weaponry": "weapon",
    "hand tool": "tool",
    "motor vehicle": "vehicle",
    "wheeled vehicle": "vehicle",
    "locomotive": "train",
    "home appliance": "household appliance",
    "jewelry": "jewellery",
    "plaything": "toy",
    "teddy": "teddy bear",
    "beverage": "drink",
    "personal computer": "computer",
    "stringed instrument": "musical instrument",
    "wind instrument": "musical instrument",
    "print media": "printed page",
    "writing implement": "pen or pencil",
    "web site": "web page",
    "hotdog": "hot dog",
    "hen-of-the-woods": "fungus",
    "stinkhorn": "fungus",
    "agaric": "mushroom",
    "bolete": "mushroom",
    "gyromitra": "fungus",
    "earthstar": "fungus",
    "ear": "ear of corn",
    "hip": "rose hip",
    "head cabbage": "cabbage",
    "custard apple": "custard apple",
    "yellow lady's slipper": "flower",
    "cardoon": "flower",
    "rapeseed": "field of flowers",
    "alp": "mountain",
    "lakeside": "lake",
    "seashore": "seashore",
    "promontory": "rocky coast",
    "bow": "bow",
    "space bar": "keyboard",
    "typewriter keyboard": "typewriter",
    "cellular telephone": "mobile phone",
    "dial telephone": "telephone",
    "ashcan": "dustbin",
    "beach wagon": "estate car",
    "cab": "taxi",
    "hand blower": "hair dryer",
    "studio couch": "sofa",
    "Windsor tie": "tie",
    "necktie": "tie",
    "Model T": "old car",
    "vacuum": "vacuum cleaner",
    "upright": "piano",
    "sax": "saxophone",
    "fireboat": "boat",
    "liner": "ship",
    "maillot": "swimsuit",
    "racer": "racing car",
    "radio telescope": "radio telescope",
    "European gallinule": "bird",
    "bearskin": "hat",
    "brass": "plaque",
    "pick": "guitar pick",
    "monitor": "monitor",
    "screen": "screen",
    "washer": "washing machine",
    "pot": "flower pot",
    "drumstick": "drumstick",
    "four-poster": "bed",
    "suit": "suit",
    "plane": "carpenter's plane",
    "pirate": "pirate ship",
    "tub": "bathtub",
    "tank": "tank",
}
_MASS = names_in(
    "clothes,underwear,jewellery,footwear,fruit,food,furniture,bread,baked goods,weaponry,sports equipment,tableware,"
    "trousers,jeans,sunglasses,glasses,pyjamas,swimming trunks,binoculars,parallel bars,hay,guacamole,consomme,ice "
    "cream,mashed potato,red wine,wine,broccoli,cauliflower,corn,velvet,wool,chain mail,mail,dough,espresso,eggnog,"
    "carbonara,chocolate sauce,toilet tissue,soup,hair spray,sunscreen,lotion,face powder,perfume,meat loaf,"
    "confectionery,honeycomb,brass,thatch"
)
_NOT_SAID = names_in(
    "matchstick,nail,hook,coil,knot,pole,switch,file,rule,scale,reel,slot,nipple,muzzle,bolo tie,grille,"
    "velvet,wool,chime,altar,bubble,wing,buckeye,sorrel,cairn,hair slide,envelope,packet,oil filter,"
    "ballplayer,groom,scuba diver,vault,shoji,maze,prayer rug,wreck,doormat,loupe,Band Aid,crane"
)


def things_of(classes: Sequence[Class]) -> list[Thing]:
    """Return what may be said, the classes that it is true of, and whether it is an animal."""
    found: dict[str, set[int]] = {}
    for at, each in enumerate(classes):
        is_animal = "animal" in each.kinds
        known = _ANIMALS if is_animal else _KINDS
        words = [kind for kind in each.kinds if kind in known]
        if (each.names[0] in known) if is_animal else (each.names[0] not in _NOT_SAID):
            words.append(each.names[0])
        for word in words:
            plain = _SAID.get(word, word)
            found.setdefault(plain if plain in _MASS else with_article(plain), set()).add(at)
    return [Thing(words, tuple(sorted(places))) for words, places in found.items()]
