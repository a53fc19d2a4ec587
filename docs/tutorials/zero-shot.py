# %% [markdown]
# # Zero-shot tags behind an endpoint
#
# CLIP compares a picture with sentences, and none of them has to be a class that it was trained on. This tutorial tags
# pictures with our own labels, packages the model for SageMaker, and calls the packaged functions as an endpoint would.
#
# The bundled encoder stands in for CLIP; `cl.load(encoder="ViT-B-32/openai")` loads CLIP itself. Nothing is sent to
# AWS: the packaged functions run in a separate process, and the deployment is a dry run.

# %%
import json
import subprocess
import sys
import tarfile

import catalens as cl

lens = cl.load()

# %% [markdown]
# Labels work best when phrased like a caption. The probabilities are shared among the labels and "none of these".

# %%
labels = ["a photo of a t-shirt", "a photo of a dress", "a photo of a shoe", "a photo of a bag"]
for result in lens.tag("photos/", labels, top=2):
    if result.error:
        print(result.id, "failed:", result.error)
        continue
    print(result.id.ljust(28), ", ".join(f"{tag.label} {tag.score:.2f}" for tag in result.value))

# %% [markdown]
# Averaging several sentences for each label is more reliable than using one:

# %%
for tag in lens.tag("photo.jpg", ["t-shirt", "dress", "shoe"], templates=["a photo of a {}", "a product shot of a {}"]):
    print(f"{tag.label:10} {tag.score:.3f}")

# %% [markdown]
# ## The archive
#
# `catalens package` writes what a SageMaker container unpacks: the weights, the package itself, and `inference.py`
# with `model_fn`, `input_fn`, `predict_fn` and `output_fn`. The same input gives the same bytes.

# %%
done = subprocess.run(
    ["catalens", "package", "sagemaker", "bundled", "out/", "--task", "tags"],
    check=True,
    capture_output=True,
    text=True,
)
with tarfile.open("out/model.tar.gz") as archive:
    names = sorted(archive.getnames())
    archive.extractall("unpacked", filter="data")
print(len(names), "files, among them:")
print("\n".join(name for name in names if name.count("/") < 2)[:600])

# %% [markdown]
# This is the request that the article's client sends: a picture in base64, and labels as the prompt. The functions run
# in a new process, which sees no other Catalens than that in the archive.

# %%
child = """
import base64, json, sys
sys.path.insert(0, "unpacked/code")
import inference
model = inference.model_fn("unpacked")
picture = base64.b64encode(open("photo.jpg", "rb").read()).decode()
body = json.dumps({"image": picture, "prompt": ["a photo of a t-shirt", "a photo of a dress"]})
asked = inference.input_fn(body, "application/json")
answer = inference.output_fn(inference.predict_fn(asked, model), "application/json")
answer = answer[0] if isinstance(answer, tuple) else answer
print(answer if isinstance(answer, str) else answer.decode())
"""
answer = subprocess.run([sys.executable, "-c", child], check=True, capture_output=True, text=True)
print(json.dumps(json.loads(answer.stdout.splitlines()[-1]), indent=2))

# %% [markdown]
# ## The deployment
#
# `--dry-run` prints each request to AWS and calls nothing. Without it, and with `--wait`, the same command deploys;
# `catalens undeploy` removes what it made.

# %%
deployment = [
    *["catalens", "deploy", "shop", "out/model.tar.gz", "--upload", "s3://bucket/shop"],
    *["--image", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:cpu"],
    *["--role", "arn:aws:iam::123456789012:role/sagemaker", "--instance-type", "ml.m5.xlarge", "--dry-run"],
]
planned = subprocess.run(deployment, check=True, capture_output=True, text=True).stdout
for line in planned.splitlines():
    call = json.loads(line)
    print(call["operation"], json.dumps(call["request"], indent=2)[:420])
