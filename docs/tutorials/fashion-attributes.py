# %% [markdown]
# # Fashion attributes and descriptions
#
# A shop wants structured attributes from its pictures, and a text written from them. The article fine-tunes BLIP-2 with
# LoRA on questions such as "What is the sleeve length of the shirt?" and lets a model on Bedrock write the text. Here
# the bundled models answer, and the offline template writes; the lines for BLIP-2 and Bedrock are given too.

# %%
import csv
import json
import subprocess
from collections import Counter

import catalens as cl

lens = cl.load()
rows = list(csv.DictReader(open("products.csv", encoding="utf-8")))
print(Counter(row["type"] for row in rows).most_common(4))

# %% [markdown]
# ## Questions and answers to train on
#
# `finetune prepare` makes a table of pairs from a catalogue, split by product so that no product is in two parts.

# %%
made = subprocess.run(
    ["catalens", "finetune", "prepare", "products.csv", "--out", "pairs.parquet", "--json"],
    check=True,
    capture_output=True,
    text=True,
)
print(made.stdout[:700])

# %% [markdown]
# With a GPU and `catalens[finetune]`, BLIP-2 learns from that table; image features are computed once, and the merged
# model is checked against the adapter:
#
# ```text
# catalens finetune answers pairs.parquet --model Salesforce/blip2-flan-t5-xl --out shirts
# catalens ask photo.jpg "What is the colour?" --model shirts/merged
# ```
#
# ## Closed questions
#
# The bundled reader chooses among allowed answers, with a probability for each, or says `unknown`.

# %%
picture = lens.encode_image("photo.jpg")
for question, allowed in {
    "what is the sleeve length?": ["short sleeves", "long sleeves", "sleeveless"],
    "what is the pattern?": ["solid", "striped", "checked", "printed"],
}.items():
    answer = lens.choose(picture, question, allowed)
    print(f"{question:28} {answer.text:15} {answer.probability:.2f}")

# %% [markdown]
# ## Attributes as data

# %%
attributes = lens.attributes(picture)
for name, value in attributes.items():
    print(f"{name:16} {value.value:18} {value.confidence:.2f}")

# %% [markdown]
# ## The description
#
# Every attribute is stated, and no colour, material, pattern, size or number is made up; each sentence names the facts
# it rests on. `writer="bedrock:MODEL-ID"` lets a model on Bedrock write, and its text is held to the same rule.

# %%
facts = {name: value.value for name, value in attributes.items() if value.value != "unknown"}
described = lens.describe(facts)
print(described.text)
for sentence in described.sentences:
    print(" ", json.dumps(sentence, default=str)[:150])
