"""The teams' files: a pipeline's folder becomes frozen typed values, or errors with file and line."""

from nightcast.spec.editor_schema import json_schema
from nightcast.spec.field_comments import comments_of
from nightcast.spec.folder import from_files, list_pipelines, load_all, load_folder, with_model
from nightcast.spec.new_folder import SCHEMA, new_folder, schema_text
from nightcast.spec.sections import sections
from nightcast.spec.validation import read_feature

__all__ = [
    "SCHEMA",
    "comments_of",
    "from_files",
    "json_schema",
    "list_pipelines",
    "load_all",
    "load_folder",
    "new_folder",
    "read_feature",
    "schema_text",
    "sections",
    "with_model",
]
