"""What is done to the world around a night, by name. Each is a context manager: entering breaks it, leaving heals it.

One may yield the word "lost": the process that is paused counts as lost, and is let go on later.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from faults import breaking_files, breaking_postgres, breaking_source, company
from faults.scene import Scene

Condition = Callable[[Scene, Any], AbstractContextManager[Any]]

CONDITIONS: dict[str, Condition] = {
    **breaking_source.CONDITIONS,
    **breaking_postgres.CONDITIONS,
    **breaking_files.CONDITIONS,
    **company.CONDITIONS,
}
