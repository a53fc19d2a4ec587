"""Which encoder is used on many pictures, and what is said where it may be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.pipelines import routing
from catalens.pipelines.routing import encoder_for_pictures
from catalens.pipelines.session import Session, SessionConfig
from tests.support.ran import Run


@pytest.mark.parametrize(
    ("share", "used", "said"),
    [
        (0.9, "everyday", "most of the pictures are not products, so the everyday encoder is used"),
        (0.5, "starter", "half of these pictures are not products, which the starter encoder was trained on"),
        (0.25, "starter", "25% of these pictures are not products"),
        (0.1, "starter", None),
        (None, "starter", None),
    ],
)
def test_pictures_that_the_encoder_may_be_wrong_about_are_told_of(
    monkeypatch: pytest.MonkeyPatch, share: float | None, used: str, said: str | None
) -> None:
    monkeypatch.setattr(routing, "everyday_share", lambda *_: share)
    notices: list[str] = []
    session = Session(SessionConfig())
    monkeypatch.setattr(Session, "notify", lambda _, notice: notices.append(notice))
    assert encoder_for_pictures(session, []).name.startswith(f"{used}@")
    assert [notice[: len(said)] for notice in notices] == [said] if said else not notices


def test_descriptions_of_photographs_as_products_say_so(
    monkeypatch: pytest.MonkeyPatch, run: Run, photos: list[Path]
) -> None:
    monkeypatch.setattr(routing, "everyday_share", lambda *_: 1.0)
    monkeypatch.delenv("CATALENS_MODEL")
    assert "--schema everyday knows them better" in run("describe", photos[0]).err
    assert "knows them better" not in run("describe", photos[0], "--schema", "everyday").err
    assert "knows them better" not in run("describe", photos[0], "--model", "fake").err
