"""What the environment decides. Read in one place; every setting is documented in `.env.example`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from nightcast.errors import SettingMissing


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of the engine. URLs hold secrets and are left out of `repr`.

    `database_url` is our Postgres as role writer, `owner_url` the same as the role that owns the tables (only
    `db apply` needs it), `lake_url` an fsspec URL or a folder, `pipelines` the folder of the teams' folders.
    """

    _environment: Mapping[str, str]
    source_of: Callable[[str], str | None] | None = None  # e.g. Airflow Connections, asked when no variable is set

    def __repr__(self) -> str:
        return "Settings(…)"

    def required(self, name: str, meaning: str) -> str:
        """The value of a variable, or `SettingMissing` with what it means."""
        value = self._environment.get(name, "")
        if not value:
            raise SettingMissing(f"{name} is not set; expected {meaning}. See .env.example")
        return value

    @property
    def database_url(self) -> str:
        """URL of our Postgres for nights (role writer)."""
        return self.required("NIGHTCAST_DATABASE_URL", "the URL of Nightcast's Postgres, as role nightcast_writer")

    @property
    def owner_url(self) -> str:
        """URL of our Postgres for `db apply` (role owner)."""
        return self.required("NIGHTCAST_OWNER_URL", "the URL of Nightcast's Postgres, as role nightcast_owner")

    @property
    def lake_url(self) -> str:
        """Where immutable objects are kept."""
        return self.required("NIGHTCAST_LAKE", "a folder or an fsspec URL such as s3://bucket/prefix")

    @property
    def hash_key(self) -> bytes:
        """The key that pseudonyms and the digests of what was erased are made with: 64 bytes."""
        meaning = "a secret of 32 characters or more, always the same: pseudonyms are made with it"
        value = self.required("NIGHTCAST_HASH_KEY", meaning)
        if len(value) < 32:
            raise SettingMissing(
                f"NIGHTCAST_HASH_KEY has {len(value)} characters; expected {meaning}. See .env.example"
            )
        return hashlib.blake2b(value.encode()).digest()

    @property
    def pipelines(self) -> Path:
        """The folder that holds one folder per pipeline."""
        return Path(self.required("NIGHTCAST_PIPELINES", "the folder that holds one folder per pipeline"))

    @property
    def analyst_role(self) -> str:
        """The Postgres role that reads the schema `forecast` and nothing else."""
        return self._environment.get("NIGHTCAST_ANALYST_ROLE", "analyst")

    @property
    def code_commit(self) -> str | None:
        """The commit of the running code where the environment knows it (an image); else git is asked."""
        return self._environment.get("NIGHTCAST_CODE_COMMIT") or None

    @property
    def runbooks_url(self) -> str | None:
        """Where docs/runbooks/ can be read in a browser; without it, texts name the path in the repository."""
        return self._environment.get("NIGHTCAST_RUNBOOKS_URL") or None

    def first_night(self, pipeline: str) -> date | None:
        """A day that replaces `schedule.first_night` of a pipeline; the demo's replayed dates need it."""
        name = f"NIGHTCAST_FIRST_NIGHT_{pipeline.upper()}"
        value = self._environment.get(name)
        try:
            return date.fromisoformat(value) if value else None
        except ValueError:
            raise SettingMissing(f"{name} is {value!r}; expected a day, YYYY-MM-DD. See .env.example") from None

    def source_url(self, connection: str) -> str:
        """URL of a team's source: NIGHTCAST_SOURCE_<CONNECTION>, else what `source_of` knows."""
        name = f"NIGHTCAST_SOURCE_{connection.upper()}"
        value = self._environment.get(name) or (self.source_of(connection) if self.source_of else None)
        if not value:
            raise SettingMissing(
                f"source connection {connection!r} is unknown; expected the variable {name} (an SQLAlchemy URL, "
                f"or for files a folder or an fsspec URL) or an Airflow Connection with the id {connection!r}"
            )
        return value


def from_environment(environment: Mapping[str, str], source_of: Callable[[str], str | None] | None = None) -> Settings:
    """Settings of this process. Nothing is checked before it is asked for."""
    return Settings(_environment=environment, source_of=source_of)
