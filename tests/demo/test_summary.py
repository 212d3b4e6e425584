"""What the demo tells an analyst at its end, on three real nights."""

from __future__ import annotations

import pytest

from nightcast.demo import summary
from steps.world import NIGHTS, World

pytestmark = pytest.mark.postgres


def test_the_summary_reads_as_the_analyst(published: World, capsys: pytest.CaptureFixture[str]) -> None:
    summary._as_analyst(published.url("analyst"))
    text = capsys.readouterr().out
    rows = [line.split() for line in text.splitlines()]
    nights = {row[0]: row for row in rows if row and row[0] in map(str, NIGHTS)}
    assert list(nights) == [str(o) for o in NIGHTS]
    first = nights[str(NIGHTS[0])]
    assert first[1:3] == ["2", "of"]  # days that have come
    model, naive, added = (float(x) for x in first[5:8])
    assert added == pytest.approx(naive - model, abs=0.0011)
    slices = [line for line in text.splitlines() if line.startswith("active_share_91 ")]
    assert len(slices) == 4
    assert max(map(len, text.splitlines())) < 150
