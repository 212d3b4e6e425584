"""The room of files: immutable objects that are named by the SHA-256 of their bytes, on disk or in a bucket."""

from nightcast.lake.days import StoredDay, write_days
from nightcast.lake.objects import Lake
from nightcast.lake.spilling import Kept, Spill, by_number, scratch

__all__ = ["Kept", "Lake", "Spill", "StoredDay", "by_number", "scratch", "write_days"]
