# %% [markdown]
# # From a picture back to its prompt
#
# CLIP Interrogator asks which words would make an image generator paint this picture: a caption by BLIP, followed by
# the terms that bring the text closest to the picture, as CLIP sees it. Here the bundled reader and encoder do both;
# `cl.load(encoder="ViT-L-14/openai", reader="blip-large")` is what the original uses.

# %%
from PIL import Image

import catalens as cl

lens = cl.load()
picture = lens.encode_image("photo.jpg")  # encoded once, asked many times
print(lens.caption(picture).text)
Image.open("photo.jpg")

# %% [markdown]
# ## Four modes
#
# `best` adds terms for as long as they bring the prompt closer; `fast` joins the nearest terms; `classic` takes one
# from each table; `negative` says what the picture is not. The bundled encoders say only the terms that they were found
# to know, so their `best` and `fast` prompts are the caption and all of these.

# %%
for mode in ("best", "fast", "classic", "negative"):
    found = lens.prompt(picture, mode=mode)
    print(f"{mode:9} cosine {found.cosine:.3f}: {found.text[:150]}")

# %% [markdown]
# The terms, each with its own cosine with the picture:

# %%
found = lens.prompt(picture, mode="best")
for term in found.terms[:5]:
    print(f"{term['cosine']:.3f}  {term['kind']:9} {term['term']}")

# %% [markdown]
# ## The same scene by another hand
#
# The prompt goes into a template with an artist and a work, and with the picture to a text-to-image model. A dry run
# shows the request; `painter="stabilityai/stable-diffusion-xl-base-1.0"` (extra `catalens[restyle]`) or
# `painter="bedrock:MODEL-ID"` paints. The shipped stand-in, "fake", only tints the picture, to try the plumbing.

# %%
painted = lens.restyle("photo.jpg", artist="Van Gogh", work="The Starry Night", prompt=found.caption, painter="fake")
print(painted.prompt)
painted.image
