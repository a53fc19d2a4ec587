"""Writes a bundle that was fine-tuned: the files of the old one, new graphs, and facts that say what was changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from catalens.core.files import write_text_atomically
from catalens.core.json_text import parse_json
from catalens.models.bundle import BundleEncoder
from catalens.models.facts import FACTS, LABELS

_LEARNED = (
    *("*.calibration.json", "gate.json", "cutoff.json", "answers.json", "prompt_terms.json"),
    *("support.*", "classes.*", "nouns.*", LABELS),
)
"""What was learned or made from the old vectors."""


def copy_bundle(source: Path, folder: Path, *, without: Sequence[str] = _LEARNED) -> None:
    """Copy a bundle, without what was learned from its vectors; what was in the folder is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(*without))


def write_facts(base: BundleEncoder, folder: Path, name: str, *, about: str, scores: Mapping[str, Any]) -> None:
    """Describe a tuned bundle: a name that keeps the base's, a revision by content, and the scores.

    Args:
        base: that was tuned.
        folder: with the new graphs.
        name: of the new bundle, beside the base's.
        about: what was done to the base.
        scores: to be kept under "finetuned".
    """
    facts = parse_json((folder / FACTS).read_text(encoding="utf-8"))
    digests = {each: sha256((folder / each).read_bytes()).hexdigest() for each in facts["sha256"]}
    changed = "".join(digest for each, digest in digests.items() if digest != facts["sha256"][each])
    facts["name"] = f"{base.facts.name}+{name.replace('@', '-')}"
    facts["revision"] = f"{base.facts.revision}.{sha256(changed.encode()).hexdigest()[:8]}"
    facts["source"] = f"{base.name} {about}; {base.facts.source}"
    facts["sha256"], facts["scores"] = digests, {"finetuned": scores}
    write_text_atomically(folder / FACTS, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
