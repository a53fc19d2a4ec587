# %% [markdown]
# # A whole catalogue in one pass
#
# Batch jobs over a catalogue get interrupted. `lens.run` reads each picture once for all stages, writes one row per
# picture, and continues where it was stopped; `catalens enrich` is the same on the command line, also on a Ray cluster
# (`--engine ray`), and `catalens transform` runs a deployed model over an S3 prefix.

# %%
import json
from pathlib import Path

import catalens as cl

lens = cl.load()
report = lens.run("products.csv", ["tags", "captions"], output="enriched.jsonl")
print(report.done, "done,", len(report.failures), "failed")

# %%
for line in Path("enriched.jsonl").read_text(encoding="utf-8").splitlines()[:3]:
    row = json.loads(line)
    print(row["image"], "|", row["captions"])

# %% [markdown]
# Run again, the job has nothing to do. A picture that cannot be read is named with the reason, and the rest go on:

# %%
Path("photos/zzz-broken.jpg").write_bytes(b"not a picture")
with open("products.csv", "a", encoding="utf-8") as table:
    table.write("zzz,photos/zzz-broken.jpg,Broken,,,\n")
again = lens.run("products.csv", ["tags", "captions"], output="enriched.jsonl")
print(again.done, "done,", again.skipped, "skipped")
for failure in again.failures:
    print(failure.id, "failed:", failure.error)

# %% [markdown]
# ## From picture to listing
#
# Attributes and a description for the product page, from one picture:

# %%
picture = lens.encode_image("photo.jpg")
facts = {name: found.value for name, found in lens.attributes(picture).items() if found.value != "unknown"}
print(lens.describe(facts).text)
