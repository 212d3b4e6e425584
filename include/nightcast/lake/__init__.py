"""The room of files: immutable objects that are named by the SHA-256 of their bytes, on disk or in a bucket."""

from nightcast.lake.days import StoredDay, write_days
from nightcast.lake.objects import Lake

__all__ = ["Lake", "StoredDay", "write_days"]
