"""Bundles that are not what a training would seal: each change makes the bytes of one from those of a good one."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

from nightcast.models.canonical import stored_zip

Members = dict[str, bytes]


def members(data: bytes) -> Members:
    """What is in a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def of_manifest(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    """Another manifest."""

    def changed(data: bytes) -> bytes:
        inside = members(data)
        manifest = json.loads(inside["manifest.json"])
        change(manifest)
        return stored_zip(inside | {"manifest.json": json.dumps(manifest).encode()})

    return changed


def of_model(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    """Another description of what skops is to build."""

    def changed(data: bytes) -> bytes:
        inside = members(data)
        model = members(inside["model.skops"])
        schema = json.loads(model["schema.json"])
        change(schema)
        model["schema.json"] = json.dumps(schema).encode()
        return stored_zip(inside | {"model.skops": stored_zip(model)})

    return changed


class _Shell:
    """What a pickle can do to whoever opens it."""

    def __reduce__(self) -> Any:
        import os

        return os.system, ("touch /tmp/nightcast-was-here",)


def _run_a_command(schema: dict[str, Any]) -> None:
    schema |= {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}


def _other_library(manifest: dict[str, Any]) -> None:
    manifest["environment"]["scikit-learn"] = "1.2.3"


def _one_feature_less(manifest: dict[str, Any]) -> None:
    manifest["recipe"]["feature_names"] = manifest["recipe"]["feature_names"][:-1]


def _other_order(manifest: dict[str, Any]) -> None:
    names = manifest["recipe"]["feature_names"]
    manifest["recipe"]["feature_names"] = [names[1], names[0], *names[2:]]


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "not a bundle": lambda _: b"PK\x03\x04 not a model",
    "a pickle": lambda _: pickle.dumps(_Shell()),
    "a pickle inside": lambda data: stored_zip(members(data) | {"model.skops": pickle.dumps(_Shell())}),
    "a command for skops": of_model(_run_a_command),
    "another scikit-learn": of_manifest(_other_library),
    "a feature less": of_manifest(_one_feature_less),
    "features in another order": of_manifest(_other_order),
}
