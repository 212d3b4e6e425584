"""Score a published run again from its snapshot and its bundle, and compare the row digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from nightcast import models
from nightcast.errors import NotFound, RemovedOnPurpose
from nightcast.steps.predict import predicted
from nightcast.steps.pseudonyms import HASH_KEY
from nightcast.steps.rooms import Rooms
from nightcast.steps.running import code_pins, pinned_folder
from nightcast.store import models as registry
from nightcast.store import predictions, removals, runs


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What was published and what came out now. `differences` names libraries and CPU that are not those of then."""

    run_id: int
    rows: int
    published: str
    reproduced: str
    threads: int | None
    shards: int
    differences: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether every byte is the same."""
        return self.published == self.reproduced


def run(run_id: int, rooms: Rooms, threads: int | None = None, shards: int | None = None) -> Reproduction:
    """Reproduce a run, with any number of threads and shards. Nothing is written.

    Raises:
        NotFound: the run has no predictions.
        RemovedOnPurpose: some of its predictions, or of what they were made from, were erased or have expired.
    """
    with rooms.transaction() as tx:
        found = runs.get(tx, run_id)
        _refuse_removed(run_id, removals.of_run(tx, run_id))
        if found.row_digest is None or found.manifest_digest is None or found.model_version is None:
            raise NotFound(
                f"run {run_id} is {found.state} and has no audited predictions; `nightcast runs` lists those that have"
            )
        version = registry.get(tx, found.pipeline, found.model_version)
    folder = pinned_folder(found, rooms)
    count = shards or folder.pipeline.shards
    opened = models.open_bundle(rooms.lake.get(version.bundle_digest), version.bundle_digest)
    parts = [
        table
        for shard in range(count)
        for table, _ in predicted(opened.fitted, folder, rooms.lake, found.manifest_digest, (shard, count), threads)
    ]
    table = pa.concat_tables(parts)
    now = code_pins(rooms)["environment"] | models.environment(opened.family)
    return Reproduction(
        run_id=run_id,
        rows=table.num_rows,
        published=found.row_digest,
        reproduced=predictions.digest_of_table(folder.pipeline, found.origin, table),
        threads=threads,
        shards=count,
        differences=tuple(
            f"{name}: {then} then, {now.get(name)} now"
            for name, then in found.environment.items()
            if name != HASH_KEY and now.get(name) != then
        ),
    )


def _refuse_removed(run_id: int, found: Sequence[removals.Removal]) -> None:
    if found:
        told = "; ".join(removal.said for removal in found)
        raise RemovedOnPurpose(
            f"run {run_id} cannot be reproduced: some of its predictions, or of what they were made from, are {told}; "
            "expected a run of which nothing was removed. What is left of it is as it was published"
        )
