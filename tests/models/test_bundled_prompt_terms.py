"""The terms that the bundled encoders may put into a prompt."""

from __future__ import annotations

import pytest

from catalens.models.registry import bundled_prompt_terms, load_encoder
from catalens.tasks.interrogation import load_evidence, load_tables
from catalens.tasks.prompts.evidence import BY_TEXT


@pytest.mark.parametrize("name", ["starter", "everyday"])
def test_they_are_of_these_weights_and_cut_to_what_was_measured(name: str) -> None:
    encoder = load_encoder(name)
    file = bundled_prompt_terms(encoder.name)
    assert file is not None
    evidence = load_evidence(file, encoder.name, encoder.classes, encoder.logit_scale)  # type: ignore[attr-defined]
    assert len(evidence.claims) > 100
    tables = evidence.tables()
    assert (tables.artists, tables.movements, tables.sites) == ((), (), ())
    assert not {"soft window light", "oil on canvas", "raven", "pearl"} & {*evidence.claims}
    for each in evidence.claims.values():
        assert (-1 if each.classes == BY_TEXT else 0.2) <= each.least <= 1, each.text
    assert tables.negative == load_tables().negative


def test_other_revisions_and_encoders_have_none() -> None:
    assert bundled_prompt_terms("starter@0") is None
    assert bundled_prompt_terms("ViT-B-32/openai") is None
