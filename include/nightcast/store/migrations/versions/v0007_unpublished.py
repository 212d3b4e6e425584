"""The nights that readers do not have."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "v0007_unpublished"
down_revision = "v0006_removals"


def upgrade() -> None:
    """Run this migration's SQL files in the order of their names."""
    cursor = op.get_bind().connection.cursor()  # the driver's own: nothing in the files is a parameter
    for file in sorted((Path(__file__).parents[1] / "sql").glob("v0007_*.sql")):
        cursor.execute(file.read_text(encoding="utf-8"))
