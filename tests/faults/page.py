"""`docs/reference/faults.md`, from the catalogue."""

from __future__ import annotations

from faults.catalogue import Fault, in_words, load

HEAD = """# Faults

What has been broken on purpose, and what came of it. Written from `tests/faults/catalogue.yaml` by `make docs`.

    make test-faults                                   # all of them
    make test-faults ARGS="postgres predict-copy-killed"   # some, by section or name; --list shows them
    make soak                                          # sixty nights, with faults at random moments

Each fault is played on its own copy of an installation of real data, with two published nights, just before the task
that is hit. Every try of a task is a process of its own against a real Postgres, retried as the DAG says; only the
waiting between two tries is left out. All the while an analyst reads, and every answer must be one whole published
night. Then the tables are asked: one open revision of each night, no row lost or twice, `pulled = accepted +
quarantined + duplicates`. In the end the night is published, with the rows of an undisturbed one unless the table says
*other rows*.

- **Comes to**: the run's state when nobody has acted yet, and how often the task was tried (a fault that is retried has
  more than one). `open` is a run whose last try died without a word.
- **Told**: the error, which names its [runbook](../runbooks/), or the check.
- **Readers**: whether they see tonight's night at that moment, or still the one before.
- **Mended**: by itself; or once the cause is gone by clearing the red task (*clear*), the task that made what was
  judged bad (*clear cause*), or the whole run (*clear all*).

What only a real scheduler does is played on a whole machine, and there too the night ends published without a hand:
a scheduler that is killed while `predict` writes, an api-server that is killed while tasks start, a Postgres that is
away for 15 s (`tests/e2e/test_parts_away.py`); a lost worker whose task runs on beside the retry
(`tests/e2e/test_processes.py`).

A new fault is a row. `point` is a moment in the task's process (`tests/faults/points.py`), `world` what is done around
it (`tests/faults/conditions.py`), `heals` when that ends. `quick: true` makes it a part of `make test`.
"""


def page() -> str:
    """The page."""
    parts, faults = [HEAD], load()
    for section in dict.fromkeys(f.section for f in faults):
        lines = [_row(f) for f in faults if f.section == section]
        head = "| fault | task | comes to | told | readers | mended |\n|---|---|---|---|---|---|"
        parts.append(f"## {section.capitalize()}\n\n" + "\n".join([head, *lines]) + "\n")
    return "\n".join(parts)


def _row(fault: Fault) -> str:
    expected = fault.expect
    told = ", ".join(f"`{name}`" for name in expected.told)
    mended = expected.mended + (", other rows" if expected.rows == "other" else "")
    cells = (
        f"`{fault.id}`: {fault.what}",
        f"`{fault.task}`",
        in_words(expected.run, expected.tries),
        told,
        expected.readers,
        mended,
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(page(), end="")
