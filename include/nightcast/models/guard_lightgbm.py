"""What a model in LightGBM's text format must be before its parser sees it.

The parser trusts the text: it reads trees at the offsets that the header gives, and a prediction follows child indices
wherever they lead. So the text must be, to the byte, of the one form that `canonical` leaves: every line in its
place, as many plain numbers in it as its tree has nodes, and children that make a tree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nightcast.domain.families import MOST_LEAVES, MOST_TREES, OBJECTIVES
from nightcast.domain.team_file import shown
from nightcast.errors import BundleRejected
from nightcast.models.archive import DO

MAX_BYTES = 128 << 20  # of a model; one with 150 trees of 31 leaves has less than one MiB
END = "end of trees\n"
_DECISIONS = (0, 2, 8, 10)  # a numeric split: missing values unknown or NaN, that go right or left by default
_WHOLE = r"-?\d{1,10}"
_NUMBER = r"-?\d{1,20}(?:\.\d{1,25})?(?:e[+-]\d{2,3})?"
_INNER = {  # lines of a tree with a value for each inner node
    "split_feature": _WHOLE,
    "split_gain": _NUMBER,
    "threshold": _NUMBER,
    "decision_type": _WHOLE,
    "left_child": _WHOLE,
    "right_child": _WHOLE,
    "internal_value": _NUMBER,
    "internal_weight": _NUMBER,
    "internal_count": _WHOLE,
}
_LEAF = {"leaf_value": _NUMBER, "leaf_weight": _NUMBER, "leaf_count": _WHOLE}
_TREE_LINES = (
    "num_leaves",
    "num_cat",
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "leaf_value",
    "leaf_weight",
    "leaf_count",
    "internal_value",
    "internal_weight",
    "internal_count",
    "is_linear",
    "shrinkage",
)

Numbers = npt.NDArray[np.float64]


def canonical(text: str) -> bytes:
    """The part of a model's text that makes its predictions: header and trees.

    What follows (importances, all parameters with thread counts and paths) says how it was made; the spec does too.
    """
    trees, _, _ = text.partition(END)
    return (trees + END).encode("ascii")


def checked(data: bytes, features: int) -> str:
    """The text, if it is one that `canonical` left of a model of so many features; else `BundleRejected`."""
    if len(data) > MAX_BYTES:
        raise _refused(f"has {len(data)} bytes", f"at most {MAX_BYTES}")
    if data[:1] == b"\x80":
        raise _refused("is a pickle", "LightGBM's text. Pickles are code and never opened")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise _refused(f"is not plain text ({error.reason})", "LightGBM's text") from error
    head, gap, trees = text.partition("\n\n")
    if not gap:
        raise _refused("has no empty line after its header", "a header and trees")
    at = 0
    for i, size in enumerate(_tree_sizes(head.split("\n"), features)):
        _check_tree(i, trees[at : at + size], features)
        at += size
    if trees[at:] != END:
        raise _refused(f"goes on with {shown(trees[at : at + 40])} where its trees end", repr(END.strip()))
    return text


def _tree_sizes(lines: Sequence[str], features: int) -> list[int]:
    """How many bytes each tree has, by a header of which every line is the expected one."""
    expected = (
        "tree",
        "version=v4",
        "num_class=1",
        "num_tree_per_iteration=1",
        "label_index=0",
        f"max_feature_idx={features - 1}",
        f"objective=(?:{'|'.join(OBJECTIVES)})",
        f"feature_names={' '.join(f'Column_{i}' for i in range(features))}",
        rf"feature_infos=(?:(?:none|\[{_NUMBER}:{_NUMBER}\])(?: (?!$)|$)){{{features}}}",
        r"tree_sizes=\d{1,10}(?: \d{1,10})*",
    )
    if len(lines) != len(expected):
        raise _refused(f"has a header of {len(lines)} lines", str(len(expected)))
    for line, pattern in zip(lines, expected, strict=True):
        if not re.fullmatch(pattern, line):
            raise _refused(f"has the line {shown(line)} in its header", shown(pattern))
    sizes = [int(size) for size in lines[-1].removeprefix("tree_sizes=").split(" ")]
    if len(sizes) > MOST_TREES:
        raise _refused(f"has {len(sizes)} trees", f"at most {MOST_TREES}")
    return sizes


def _check_tree(i: int, block: str, features: int) -> None:
    first, *lines = block.split("\n")
    if first != f"Tree={i}" or lines[len(_TREE_LINES) :] != ["", "", ""]:
        raise _refused(f"has {shown(block[:40])} as tree {i}", f"Tree={i} with {len(_TREE_LINES)} lines, as the header")
    found = {}
    for name, line in zip(_TREE_LINES, lines, strict=False):
        key, _, found[name] = line.partition("=")
        if key != name:
            raise _refused(f"has the line {shown(line)} in tree {i}", f"{name}=")
    if not re.fullmatch(r"\d{1,10}", found["num_leaves"]) or not 1 <= int(found["num_leaves"]) <= MOST_LEAVES:
        raise _refused(f"has {shown(found['num_leaves'])} leaves in tree {i}", f"1 to {MOST_LEAVES}")
    if (found["num_cat"], found["is_linear"]) != ("0", "0"):
        raise _refused(f"has categories or linear leaves in tree {i}", "numeric splits and constant leaves")
    leaves = int(found["num_leaves"])
    _numbers(i, "shrinkage", found["shrinkage"], _NUMBER, 1)
    inner = {name: _numbers(i, name, found[name], kind, leaves - 1) for name, kind in _INNER.items()}
    for name, kind in _LEAF.items():
        alone = leaves == 1 and name == "leaf_weight"  # which a tree of one leaf does not have
        _numbers(i, name, found[name], kind, 0 if alone else leaves)
    _check_splits(i, inner["split_feature"], inner["decision_type"], features)
    _check_children(i, inner["left_child"], inner["right_child"])


def _numbers(i: int, name: str, text: str, kind: str, count: int) -> Numbers:
    """The values of a line: so many, of that form, all finite."""
    words = text.split(" ") if text else []
    if len(words) != count:
        raise _refused(f"has {len(words)} values of {name} in tree {i}", str(count))
    odd = next((w for w in words if not re.fullmatch(kind, w)), None)
    if odd is not None:
        raise _refused(f"has {shown(odd)} as {name} in tree {i}", "plain finite numbers")
    values = np.array([float(w) for w in words])
    if not np.isfinite(values).all():
        raise _refused(f"has a {name} in tree {i} that is not finite", "plain finite numbers")
    return values


def _check_splits(i: int, feature: Numbers, decision: Numbers, features: int) -> None:
    if ((feature < 0) | (feature >= features)).any():
        raise _refused(f"asks in tree {i} for a feature out of range", f"one of {features}")
    if not np.isin(decision, _DECISIONS).all():
        raise _refused(f"has in tree {i} a split that is not numeric", f"decision_type of {_DECISIONS}")


def _check_children(i: int, left: Numbers, right: Numbers) -> None:
    """Inner node n has children after it; -n-1 is leaf n. Each node but the first is the child of exactly one."""
    inner, both = len(left), np.concatenate([left, right]).astype(np.int64)
    own = np.tile(np.arange(inner), 2)
    astray = (both >= 0) & (both <= own)
    everyone = np.concatenate([np.arange(-inner - 1, 0), np.arange(1, inner)]) if inner else np.empty(0, np.int64)
    if astray.any() or not np.array_equal(np.sort(both), everyone):
        raise _refused(
            f"has in tree {i} children that lead back or out of it", "each node as the child of one before it"
        )


def _refused(found: str, expected: str) -> BundleRejected:
    return BundleRejected(f"model.txt {found}; expected {expected}. {DO}")
