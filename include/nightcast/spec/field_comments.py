"""What the comment at the end of a field's line says of it: the one place where the meaning of a key is written."""

from __future__ import annotations

import ast
import functools
import inspect
import io
import tokenize
from collections.abc import Mapping


@functools.cache
def comments_of(kind: type) -> Mapping[str, str]:
    """The comment of each field of a dataclass; empty where there is none."""
    source = inspect.getsource(kind)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    by_line = {t.start[0]: t.string.removeprefix("#").strip() for t in tokens if t.type == tokenize.COMMENT}
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    return {
        node.target.id: by_line.get(node.end_lineno or 0, "").replace("|", "or")
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
