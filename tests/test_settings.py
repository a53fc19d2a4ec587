"""The environment becomes one frozen value, or one clear sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from catalens.core.errors import InputError
from catalens.settings import KNOWN, Settings


def test_an_empty_environment_routes_images_and_caches_under_home() -> None:
    settings = Settings.from_env({"HOME": "/home/ann"})
    assert settings == Settings(
        model=None,
        cache=Path("/home/ann/.cache/catalens"),
        reader="starter",
        runtime="auto",
        debug=False,
        data=None,
    )


def test_every_known_variable_is_read() -> None:
    env = {
        "CATALENS_MODEL": "fake",
        "CATALENS_READER": "blip-base",
        "CATALENS_CACHE": "/c",
        "CATALENS_RUNTIME": "openvino",
        "CATALENS_MAX_PIXELS": "1000",
        "CATALENS_ROOT": "/r",
        "CATALENS_DEBUG": "yes",
        "CATALENS_DATA": "/d",
        "CATALENS_SERVER_KEY": "secret",
        "OPENAI_API_KEY": "secret",
    }
    assert {*env, "CATALENS_SERVE_*"} == set(KNOWN)
    assert Settings.from_env(env) == Settings(
        Path("/c"),
        "fake",
        "blip-base",
        runtime="openvino",
        max_pixels=1000,
        root=Path("/r"),
        debug=True,
        data=Path("/d"),
        api_key="secret",
        server_key="secret",
    )
    assert "secret" not in repr(Settings.from_env(env)), "a key must not come into a log"


def test_settings_of_the_service_are_collected_for_it_to_check() -> None:
    env = {"CATALENS_SERVE_PORT": "9000", "CATALENS_SERVE_API_KEY": "secret", "CATALENS_SERVE_HOST": ""}
    settings = Settings.from_env(env)
    assert settings.serve == {"port": "9000", "api_key": "secret"}
    assert "secret" not in repr(settings)


def test_the_cache_follows_the_desktop_convention() -> None:
    assert Settings.from_env({"HOME": "/h", "XDG_CACHE_HOME": "/x"}).cache == Path("/x/catalens")


def test_an_unknown_variable_is_named_with_the_nearest_and_all_known_ones() -> None:
    with pytest.raises(InputError, match="CATALENS_MODLE is not known: did you mean CATALENS_MODEL") as caught:
        Settings.from_env({"CATALENS_MODLE": "fake"})
    assert all(name in str(caught.value) for name in KNOWN)


def test_other_programs_variables_are_nobody_s_business_here() -> None:
    Settings.from_env({"PATH": "/bin", "CATALENSIS": "1", "_CATALENS_COMPLETE": "bash_source"})


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_a_flag_that_is_neither_on_nor_off_is_refused(value: str) -> None:
    with pytest.raises(InputError, match=f"CATALENS_DEBUG is '{value}'"):
        Settings.from_env({"CATALENS_DEBUG": value})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings.from_env({}).model = "other"  # type: ignore[misc]
