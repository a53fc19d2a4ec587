#!/usr/bin/env bash
# From a model to a description, and back to an empty account: package, deploy, ask, interrogate, restyle, undeploy.
#
#   IMAGE=…  address of a PyTorch or Hugging Face inference container (Python 3.11 or later) in your region
#   ROLE=…   ARN of a role that SageMaker may act as and that may read the bucket
#   BUCKET=… for the archive
#   scripts/sagemaker_flow.sh photo.jpg
#
# NAME is the endpoint's name, INSTANCE its instance type, WRITER who writes the description (bedrock:MODEL-ID),
# PAINTER who paints (bedrock:MODEL-ID); without one, the request is printed. The endpoint is removed at the end,
# however the script ends.
set -euo pipefail

photo=${1:?give a picture}
: "${IMAGE:?}" "${ROLE:?}" "${BUCKET:?}"
name=${NAME:-catalens-flow}
work=$(mktemp -d)
trap 'rm -rf "$work"; catalens undeploy "$name"' EXIT

echo "--- package, deploy"
catalens package sagemaker bundled "$work" --task attributes
catalens deploy "$name" "$work/model.tar.gz" --upload "s3://$BUCKET/$name" --image "$IMAGE" --role "$ROLE" \
  --instance-type "${INSTANCE:-ml.m5.xlarge}" --wait

echo "--- zero-shot labels, as the CLIP endpoint of the article answers"
catalens invoke "$name" "$photo" --labels "a photo of a shirt, a photo of a watch, a photo of a shoe" --json

echo "--- interrogate: the prompt that comes nearest to the picture"
catalens invoke "$name" "$photo" --parameter max_flavors=4 --json | tee "$work/prompt.jsonl"
prompt=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["prompt"])' "$work/prompt.jsonl")

echo "--- restyle: the same picture in the style of another"
if [ -n "${PAINTER:-}" ]; then
  catalens restyle "$photo" --prompt "$prompt" --artist "Van Gogh" --work "The Starry Night" --painter "$PAINTER"
else
  catalens restyle "$photo" --prompt "$prompt" --artist "Van Gogh" --work "The Starry Night" --dry-run
fi

echo "--- attributes from the endpoint, a description of them"
catalens invoke "$name" "$photo" --json | catalens describe --writer "${WRITER:-template}" --json

echo "--- undeploy"
