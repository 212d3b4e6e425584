"""The room of somebody else's data: read only, as Arrow batches of the declared columns, whatever the source is.

Postgres is read by COPY, any other SQLAlchemy URL by fetching in chunks, files through fsspec. All deliver the same
rows with the same types, so a day has the same content digest from each.
"""

from nightcast.source.files import read as read_files
from nightcast.source.parameters import parameter_names
from nightcast.source.reader import query, read

__all__ = ["parameter_names", "query", "read", "read_files"]
