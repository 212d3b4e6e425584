"""The key that pseudonyms are made with: with another one everybody would be a stranger, and nothing would say so."""

from __future__ import annotations

from nightcast.domain.contract import Sensitive
from nightcast.domain.pipeline import PipelineFolder
from nightcast.domain.sensitive import pseudonym
from nightcast.errors import SettingMissing
from nightcast.steps.rooms import Rooms
from nightcast.store import runs
from nightcast.store.connect import Connection

HASH_KEY = "hash_key"  # in the environment of a run: what tells keys apart, and not the key


def key_pin(tx: Connection, folder: PipelineFolder, rooms: Rooms) -> dict[str, str]:
    """What a run pins of the key, where its pipeline has pseudonyms; else nothing.

    Raises:
        SettingMissing: there is no key, or earlier runs on the same tables used another one.
    """
    pipeline = folder.pipeline
    if not any(column.sensitive is Sensitive.HASH for column in pipeline.source.columns.values()):
        return {}
    mark = pseudonym("", rooms.settings.hash_key)[:12]
    known = runs.newest_pin(tx, pipeline.name, pipeline.version, HASH_KEY)
    if known not in (None, mark):
        raise SettingMissing(
            f"NIGHTCAST_HASH_KEY is another key (mark {mark}) than the one that the pseudonyms of {pipeline.name} were "
            f"made with ({known}); expected the same, or everybody is somebody new. Set the old one; or, to begin anew "
            f"with this one, set version: {pipeline.version + 1} in pipeline.yaml and import the history again"
        )
    return {HASH_KEY: mark}
