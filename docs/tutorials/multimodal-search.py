# %% [markdown]
# # Multimodal search
#
# The article encodes the Amazon Berkeley Objects with CLIP, puts vectors and fields into OpenSearch, and searches by
# text and by picture. This script makes a small set in the same layout, reads it as if it were the original, and
# searches it in one file. For OpenSearch, the path becomes an address (`opensearch://localhost:9200/shop`); the
# contract tests run against both.

# %%
import csv
import gzip
import json
import shutil
import subprocess
from pathlib import Path

from PIL import Image

import catalens as cl

# %% [markdown]
# ## A set in the layout of ABO
#
# Gzipped JSON lines describe the listings, in several languages; a gzipped table says where each picture is.

# %%
root = Path("abo")
for folder in ("listings/metadata", "images/metadata", "images/small/aa"):
    (root / folder).mkdir(parents=True)
listings, images = [], ["image_id,height,width,path"]
for row in csv.DictReader(open("products.csv", encoding="utf-8")):
    shutil.copy(row["image"], root / "images/small/aa")
    images.append(f"{row['id']},400,300,aa/{Path(row['image']).name}")
    listings.append(
        {
            "item_id": row["id"],
            "domain_name": "shop.example",
            "item_name": [{"language_tag": "en_GB", "value": row["title"]}],
            "color": [{"language_tag": "en_GB", "value": row["colour"]}],
            "product_type": [{"value": row["type"].upper()}],
            "main_image_id": row["id"],
        }
    )
with gzip.open(root / "listings/metadata/listings_0.json.gz", "wt", encoding="utf-8") as file:
    file.writelines(json.dumps(listing) + "\n" for listing in listings)
with gzip.open(root / "images/metadata/images.csv.gz", "wt", encoding="utf-8") as file:
    file.write("\n".join(images) + "\n")
print(len(listings), "listings")

# %% [markdown]
# ## Into a catalogue

# %%
lens = cl.load()
shop = lens.index("shop.catalens")
report = shop.add("abo")
print(report.added, "added,", len(report.failures), "failed")

# %% [markdown]
# ## By text, by picture, by both, and away from something


# %%
def hits(found):
    for hit in found:
        print(f"{hit.score:6.3f}  {hit.record.id:30} {hit.record.fields['item_name']}")
    print()


hits(shop.search("a striped t-shirt", k=3))
hits(shop.search(image="photo.jpg", k=3))
hits(shop.search("dress", image="photo.jpg", minus="striped", k=3))

# %% [markdown]
# ## With filters, and as a picture

# %%
subprocess.run(
    ["catalens", "search", "shop.catalens", "red", "--where", "color != 'Blue'", "-k", "6", "--sheet", "hits.png"],
    check=True,
    capture_output=True,
)
Image.open("hits.png")

# %% [markdown]
# ## Clean up

# %%
shop.close()
Path("shop.catalens").unlink()
