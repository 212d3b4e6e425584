"""Where benchmarks run: an embedded Postgres below a folder of their own, and installations in it."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from nightcast import spec
from nightcast.domain.pipeline import PipelineFolder
from nightcast.local import postgres
from nightcast.settings import from_environment
from nightcast.steps.rooms import Rooms, build
from nightcast.store import connect, layout, migrate, roles
from nightcast.store.queries import execute

PIPELINE = "generated_demand"
FOLDERS = Path(__file__).parent / "pipelines"
PASSWORDS = {name: secrets.token_hex(8) for name in (*roles.OURS, "analyst")}


@dataclass(frozen=True)
class Place:
    """The server, and a folder that is deleted at the end."""

    server: postgres.Server
    folder: Path

    def database(self) -> str:
        """The URL of a new empty database, as superuser."""
        name = f"bench_{secrets.token_hex(4)}"
        with closing(connect.connect(self.server.url())) as maker:
            maker.autocommit = True
            execute(maker, f"CREATE DATABASE {name}")
        return self.server.url(name)

    def drop(self, url: str) -> None:
        """Delete a database: ten million rows are gigabytes."""
        name = url.rpartition("/")[2]
        with closing(connect.connect(self.server.url())) as maker:
            maker.autocommit = True
            execute(maker, f"DROP DATABASE {name} WITH (FORCE)")


@dataclass(frozen=True)
class Installation:
    """Our database, a lake and the pipeline's folder. `environment` is what its processes are given."""

    environment: Mapping[str, str]

    @property
    def rooms(self) -> Rooms:
        return build(from_environment(self.environment))

    @property
    def folder(self) -> PipelineFolder:
        return spec.load_folder(Path(self.environment["NIGHTCAST_PIPELINES"]) / PIPELINE)


@contextmanager
def opened() -> Iterator[Place]:
    """A server of our own, stopped and deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix="nightcast-bench-"))
    folder.chmod(0o755)  # as root, Postgres runs as nobody, who must be able to enter
    try:
        yield Place(postgres.start(folder / "cluster"), folder)
    finally:
        postgres.remove(folder / "cluster")
        shutil.rmtree(folder, ignore_errors=True)


def install(place: Place, source_url: str = "", lake: Path | None = None) -> Installation:
    """An empty installation with the generated pipeline's tables."""
    name = f"bench_{secrets.token_hex(4)}"
    home = place.folder / name
    shutil.copytree(FOLDERS, home / "pipelines")
    roles.create_roles(place.server.url(), PASSWORDS, database=name)
    urls = {role: place.server.url(name, role, password) for role, password in PASSWORDS.items()}
    migrate.upgrade(urls["nightcast_owner"])
    made = Installation(
        {
            "NIGHTCAST_DATABASE_URL": urls["nightcast_writer"],
            "NIGHTCAST_OWNER_URL": urls["nightcast_owner"],
            "NIGHTCAST_LAKE": str(lake or home / "lake"),
            "NIGHTCAST_PIPELINES": str(home / "pipelines"),
            "NIGHTCAST_CODE_COMMIT": "benchmark",
            "NIGHTCAST_SOURCE_GENERATED": source_url,
        }
    )
    with connect.transaction(urls["nightcast_owner"]) as tx:
        layout.apply(tx, made.folder.pipeline)
    return made
