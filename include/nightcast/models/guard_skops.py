"""What a model file must be before anything in it is constructed, and after.

skops builds only known types, but types are not contents: a zip can unfold without end, an array can be a pickle, and
a tree whose nodes point outside its array ends the process. Each is refused here, with what was found.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

from nightcast.errors import BundleRejected
from nightcast.models.archive import DO, members, parse
from nightcast.models.canonical import SCHEMA

_TREES = "sklearn.ensemble._hist_gradient_boosting"
TREE = f"{_TREES}.predictor.TreePredictor"
_PROTOCOL = 2  # of skops 0.16

# Module, class and loader of every node that a fitted model of ours is made of. Anything else is refused.
ALLOWED = frozenset(
    {
        ("builtins", "dict", "DictNode"),
        ("builtins", "list", "ListNode"),
        ("builtins", "tuple", "TupleNode"),
        ("builtins", "str", "JsonNode"),
        ("builtins", "str", "TypeNode"),
        ("numpy", "ndarray", "NdArrayNode"),
        ("numpy", "uint64", "NdArrayNode"),
        ("numpy.random._generator", "Generator", "RandomGeneratorNode"),
        ("sklearn._loss._loss", "CyHalfPoissonLoss", "LossNode"),
        ("sklearn._loss._loss", "CyHalfSquaredError", "LossNode"),
        ("sklearn._loss._loss", "CyHalfGammaLoss", "LossNode"),
        ("sklearn._loss._loss", "CyAbsoluteError", "LossNode"),
        ("sklearn._loss.loss", "HalfPoissonLoss", "ObjectNode"),
        ("sklearn._loss.loss", "HalfSquaredError", "ObjectNode"),
        ("sklearn._loss.loss", "HalfGammaLoss", "ObjectNode"),
        ("sklearn._loss.loss", "AbsoluteError", "ObjectNode"),
        ("sklearn._loss.link", "Interval", "ObjectNode"),
        ("sklearn._loss.link", "LogLink", "ObjectNode"),
        ("sklearn._loss.link", "IdentityLink", "ObjectNode"),
        (f"{_TREES}.binning", "_BinMapper", "ObjectNode"),
        (f"{_TREES}.gradient_boosting", "HistGradientBoostingRegressor", "ObjectNode"),
        (f"{_TREES}.predictor", "TreePredictor", "ObjectNode"),
    }
)


def check_model_file(data: bytes) -> None:
    """Refuse a skops file with anything but arrays of plain numbers and nodes of the allowed types."""
    inside = members(data, "model.skops", lambda n: n == SCHEMA or re.fullmatch(r"\d{6}\.npy", n) is not None)
    if SCHEMA not in inside:
        raise BundleRejected(f"model.skops has no {SCHEMA}; expected one. {DO}")
    schema = parse(inside[SCHEMA], f"model.skops/{SCHEMA}")
    if not isinstance(schema, dict) or schema.get("protocol") != _PROTOCOL:
        raise BundleRejected(f"model.skops is not of skops protocol {_PROTOCOL}; expected that. {DO}")
    _check_nodes(schema, inside)
    for name, array in inside.items():
        if name != SCHEMA:
            _check_array(name, array)


def _check_nodes(schema: Any, inside: Mapping[str, bytes]) -> None:
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        if not isinstance(value, dict):
            continue
        waiting.extend(value.values())
        if {"__class__", "__module__", "__loader__"} & set(value):
            _check_node(value, inside)


def _check_node(node: Mapping[str, Any], inside: Mapping[str, bytes]) -> None:
    kind = (node.get("__module__"), node.get("__class__"), node.get("__loader__"))
    if not all(isinstance(part, str) for part in kind) or kind not in ALLOWED:
        raise BundleRejected(
            f"model.skops holds {kind[0]}.{kind[1]} by {kind[2]}; expected only the {len(ALLOWED)} types a fitted "
            f"model is made of. {DO}"
        )
    if kind[2] == "NdArrayNode" and (node.get("type") != "numpy" or node.get("file") not in inside):
        raise BundleRejected(f"model.skops has an array that is not one of its .npy members; expected that. {DO}")


def _check_array(name: str, data: bytes) -> None:
    """The header must describe plain numbers that are all there: no objects (pickles), no size out of thin air."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(stream)
    except (ValueError, KeyError, SyntaxError, RecursionError, MemoryError) as error:
        raise BundleRejected(f"model.skops/{name} is not an array file ({error}); expected .npy. {DO}") from error
    if dtype.hasobject:
        raise BundleRejected(f"model.skops/{name} holds objects, hence a pickle; expected plain numbers. {DO}")
    expected = stream.tell() + int(np.prod([int(s) for s in shape], dtype=object)) * dtype.itemsize
    if expected != len(data):
        raise BundleRejected(f"model.skops/{name} has {len(data)} bytes; expected {expected} by its header. {DO}")


def check_estimator(estimator: Any, features: int) -> None:
    """Refuse an estimator whose arrays would lead its compiled prediction outside of them."""
    if type(estimator) is not HistGradientBoostingRegressor:
        raise BundleRejected(
            f"the model is a {type(estimator).__name__}; expected a HistGradientBoostingRegressor. {DO}"
        )
    state = vars(estimator)
    trees, bins = state.get("_predictors"), vars(state.get("_bin_mapper", object)).get("is_categorical_")
    start = state.get("_baseline_prediction")
    if (state.get("n_features_in_"), state.get("_n_features")) != (features, features):
        raise BundleRejected(f"the model reads {state.get('n_features_in_')} features; expected {features}. {DO}")
    plain = isinstance(bins, np.ndarray) and bins.shape == (features,) and bins.dtype == np.uint8 and not bins.any()
    if not plain or state.get("_preprocessor") is not None or state.get("is_categorical_") is not None:
        raise BundleRejected(f"the model has categorical features; expected numbers only. {DO}")
    if not isinstance(start, np.ndarray) or start.shape != (1, 1) or start.dtype != np.float64:
        raise BundleRejected(f"the model's start value is not one number; expected one float64. {DO}")
    if state.get("n_trees_per_iteration_") != 1 or not isinstance(trees, list) or not trees:
        raise BundleRejected(f"the model has no list of single trees; expected one tree per iteration. {DO}")
    for i, step in enumerate(trees):
        if not isinstance(step, list) or len(step) != 1:
            raise BundleRejected(f"iteration {i} of the model is not one tree; expected one. {DO}")
        _check_tree(i, vars(step[0]), features)


def _check_tree(i: int, tree: Mapping[str, Any], features: int) -> None:
    nodes = tree.get("nodes")
    if not isinstance(nodes, np.ndarray) or nodes.dtype != PREDICTOR_RECORD_DTYPE or nodes.ndim != 1 or not len(nodes):
        raise BundleRejected(f"tree {i} has no array of nodes as scikit-learn makes it; expected one. {DO}")
    for name in ("binned_left_cat_bitsets", "raw_left_cat_bitsets"):
        sets = tree.get(name)
        if not isinstance(sets, np.ndarray) or sets.dtype != np.uint32 or sets.shape != (0, 8):
            raise BundleRejected(f"tree {i} has category sets in {name}; expected none. {DO}")
    inner = nodes["is_leaf"] == 0
    own = np.flatnonzero(inner)
    for side in ("left", "right"):
        child = nodes[side][inner].astype(np.int64)
        if ((child <= own) | (child >= len(nodes))).any():
            at = int(own[((child <= own) | (child >= len(nodes)))][0])
            raise BundleRejected(
                f"tree {i}, node {at} has the {side} child {int(nodes[side][at])}; expected one after it among "
                f"{len(nodes)} nodes. {DO}"
            )
    wrong = (nodes["feature_idx"][inner] < 0) | (nodes["feature_idx"][inner] >= features)
    if wrong.any() or nodes["is_categorical"].any():
        raise BundleRejected(f"tree {i} asks for a feature out of range; expected one of {features} numeric ones. {DO}")
    if not np.isfinite(nodes["value"][~inner]).all():
        raise BundleRejected(f"tree {i} has a leaf that is not finite; expected finite values. {DO}")
