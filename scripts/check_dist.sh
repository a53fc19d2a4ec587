#!/usr/bin/env bash
# Installs each archive into a clean environment, away from this checkout, and uses what was installed.
set -euo pipefail
constraints=$(pwd)/constraints.txt
for archive in "$@"; do
  archive=$(realpath "$archive")
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  "${PYTHON:-python3}" -m venv "$folder/venv"
  "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$constraints" "$archive"
  (
    cd "$folder"
    export PATH="$folder/venv/bin:$PATH" CATALENS_CACHE="$folder/cache"
    catalens --version
    catalens doctor --json > doctor.json  # ends with 3 if a file of the bundled models is missing or differs
    catalens demo --count 6 --out demo > demo.txt
    test -s demo.txt
    pip check
  )
  rm -rf "$folder"
  echo "$(basename "$archive"): installs and works"
done
