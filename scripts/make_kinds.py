"""Write `training/kinds.tsv`: the 1,000 ImageNet classes by name, and the everyday words for what they are kinds of.

Run by hand where WordNet's data files are (Debian: `apt install wordnet-base`):

    python scripts/make_kinds.py --labels ../shared/data/init/imagenet_labels.txt
"""

from __future__ import annotations

import argparse
from pathlib import Path

from catalens.training.wordnet import WORDNET, Nouns, class_synsets, read_synsets

NOT_SAID = """
entity; physical entity; artifact; self-propelled vehicle; object; whole; organism; living thing; instrumentality;
chordate; vertebrate; placental; device; covering; conveyance; commodity; consumer goods; matter; structure;
implement; equipment; diapsid; protective covering; solid; substance; furnishing; produce; article; craft; ungulate;
aquatic vertebrate; natural object; even-toed ungulate; reproductive structure; plant organ; plant part; mechanism;
durables; passerine; oscine; saurian; restraint; nutriment; teleost fish; bony fish; establishment; obstruction;
barrier; colubrid snake; bovid; ruminant; place of business; mercantile establishment; mechanical device; foodstuff;
decapod crustacean; timepiece; gallinaceous bird; game; musteline mammal; ware; lepidopterous insect; causal agent;
abstraction; elasmobranch; cartilaginous fish; anapsid; chelonian; watchdog; anthropoid ape; housing; starches;
natural elevation; soft-finned fish; spiny-finned fish; Sennenhunde; piece of cloth; part; piece; source of
illumination; edge tool; cutting implement; cutter; digital computer; system; support; relation; phasianid;
anseriform bird; metatherian; coelenterate; leporid; lagomorph; gymnastic apparatus; beating-reed instrument;
optical instrument; white goods; drug; agent; supporting structure; screen; flavorer; ingredient; course;
cruciferous vegetable; fluid; liquid; vascular plant; cyprinid; cypriniform fish; corvine bird; ambystomid; iguanid;
agamid; elapid; constrictor; coraciiform bird; piciform bird; prototherian; monotreme; anthozoan; viverrine;
lamellicorn beetle; scarabaeid beetle; hymenopterous insect; orthopterous insect; dictyopterous insect; homopterous
insect; odonate; odd-toed ungulate; equine; edentate; lesser ape; proboscidean; pachyderm; procyonid; percoid fish;
ganoid; free-reed instrument; heavier-than-air craft; lighter-than-air craft; cloth covering; weight; double-reed
instrument; linen; drygoods; plate; armor plate; gear; bowed stringed instrument; data input device; staff; floor
cover; sheath; framework; control; area; electro-acoustic transducer; electrical device; transducer; attire;
breathing device; creation; sheet; communication system; reservoir; movable barrier; slot machine; communication;
drug of abuse; angiosperm; spermatophyte; female; sphenisciform seabird; cuculiform bird; apodiform bird;
malacostracan crustacean; pinniped mammal; dipterous insect; neuropteron; phasmid; bovine; scorpaenoid; scorpaenid;
plectognath; point; geographic point; location; connection; ligament; attachment; landing; hydraulic brake; brake
system; rotating mechanism; circle; representation; medium; product; work; press; emblem; design; visual signal;
signal; fare; concoction; material; tissue; pome; contestant; relative; domestic partner; wirehair; racer; aquatic
mammal; domestic animal; carnivore; canine; feline; mammal; arthropod; invertebrate; reptile order; vessel;
instrument; container; stick; basidiomycete; fungus family; excavation; institution; penal institution; building
complex; adornment; receptacle; horizontal surface; surface; lever; bar; chordophone; board; structural member;
upright; post; strengthener; runner; apparatus; applicator; model; kit; armament; defensive structure;
fortification; reproducer; wood; airfoil; archosaur; ornithischian; ceratopsian; english toy spaniel; fodder; feed;
oilseed
"""
"""WordNet's words for what nobody would call a thing in a picture."""


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--wordnet", type=Path, default=WORDNET / "data.noun")
    parser.add_argument("--out", type=Path, default=Path("src/catalens/training/kinds.tsv"))
    options = parser.parse_args()
    nouns = Nouns(read_synsets(options.wordnet), {})
    said_by_nobody = set(NOT_SAID.replace("\n", " ").strip().split("; "))
    labels = options.labels.read_text(encoding="utf-8").splitlines()[1:]
    names = [[name.strip() for name in label.split(",")] for label in labels]
    lines = []
    for words, key in zip(names, class_synsets(nouns.synsets, names), strict=True):
        above = [nouns.synsets[each].words[0] for each in nouns.ancestors(key)]
        lines.append(f"{'; '.join(words)}\t{'; '.join(word for word in above if word not in said_by_nobody)}")
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
