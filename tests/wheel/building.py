"""Where uv keeps what it has downloaded, for tests that install."""

from __future__ import annotations

import os
from pathlib import Path


def uv_cache(repository: Path) -> dict[str, str]:
    """The setting for the checkout's own cache, where there is one and the caller names no other."""
    own = repository / ".cache" / "uv"
    return {"UV_CACHE_DIR": str(own)} if own.is_dir() and "UV_CACHE_DIR" not in os.environ else {}
