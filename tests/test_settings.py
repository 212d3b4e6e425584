"""Settings say what is wrong with them by name, and tell no secrets."""

from __future__ import annotations

from datetime import date

import pytest

from nightcast.errors import SettingMissing
from nightcast.settings import from_environment

pytestmark = pytest.mark.unit


def test_the_first_night_may_be_replaced_by_a_day_only() -> None:
    assert from_environment({}).first_night("visits") is None
    assert from_environment({"NIGHTCAST_FIRST_NIGHT_VISITS": "2026-11-23"}).first_night("visits") == date(2026, 11, 23)
    with pytest.raises(SettingMissing, match=r"NIGHTCAST_FIRST_NIGHT_VISITS is '23\.11\.'; expected a day, YYYY-MM-DD"):
        from_environment({"NIGHTCAST_FIRST_NIGHT_VISITS": "23.11."}).first_night("visits")


def test_settings_are_not_shown() -> None:
    assert "secret" not in repr(from_environment({"NIGHTCAST_DATABASE_URL": "postgresql://writer:secret@db/nightcast"}))
