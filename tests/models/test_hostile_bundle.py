"""Files that are not what they claim to be are refused, each with its reason."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from modelling import trained
from nightcast import models
from nightcast.errors import BundleRejected
from nightcast.models.archive import digest
from nightcast.models.canonical import stored_zip

pytestmark = pytest.mark.unit

Members = dict[str, bytes]


def sealed() -> bytes:
    return models.seal(trained(), {}, {})


def unzipped(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def refused(data: bytes, words: str) -> None:
    """The attacker may have replaced the registered digest too: nothing but the content must give the file away."""
    with pytest.raises(BundleRejected, match=words) as found:
        models.open_bundle(data, digest(data))
    assert "expected" in str(found.value) or "this environment has" in str(found.value)


def with_members(change: Callable[[Members], None]) -> bytes:
    members = unzipped(sealed())
    change(members)
    return stored_zip(members)


def with_manifest(change: Callable[[dict[str, Any]], None]) -> bytes:
    def edit(members: Members) -> None:
        manifest = json.loads(members["manifest.json"])
        change(manifest)
        members["manifest.json"] = json.dumps(manifest).encode()

    return with_members(edit)


def with_model(change: Callable[[Members], None]) -> bytes:
    def edit(members: Members) -> None:
        model = unzipped(members["model.skops"])
        change(model)
        members["model.skops"] = stored_zip(model)

    return with_members(edit)


def with_schema(change: Callable[[dict[str, Any]], None]) -> bytes:
    def edit(model: Members) -> None:
        schema = json.loads(model["schema.json"])
        change(schema)
        model["schema.json"] = json.dumps(schema).encode()

    return with_model(edit)


def with_tree(change: Callable[[np.ndarray], Any]) -> bytes:
    """The bundle with the node array of its first tree changed, or replaced by what `change` returns."""

    def edit(model: Members) -> None:
        for name in sorted(model):
            if name.endswith(".npy"):
                nodes = np.load(io.BytesIO(model[name]))
                if nodes.dtype.names and "feature_idx" in nodes.dtype.names:
                    changed = change(nodes)
                    out = io.BytesIO()
                    np.save(out, nodes if changed is None else changed)
                    model[name] = out.getvalue()
                    return
        raise AssertionError("no tree found")

    return with_model(edit)


def test_a_flipped_byte_anywhere_is_another_digest() -> None:
    data = sealed()
    for at in (0, len(data) // 2, len(data) - 1):
        other = bytearray(data)
        other[at] ^= 1
        with pytest.raises(BundleRejected, match=f"expected {digest(data)}"):
            models.open_bundle(bytes(other), digest(data))


def test_a_truncated_file_is_refused_by_digest_and_by_content() -> None:
    data = sealed()
    with pytest.raises(BundleRejected, match="digest"):
        models.open_bundle(data[:-100], digest(data))
    refused(data[:-100], "belong to no member")  # the model's own directory of members is found instead
    refused(data[:200], "cannot be read as a zip")
    refused(b"", "cannot be read as a zip")


def test_members_must_be_those_three() -> None:
    refused(with_members(lambda m: m.update({"run.py": b""})), "member 'run.py'")
    refused(with_members(lambda m: m.update({"../model.skops": m.pop("model.skops")})), "member '../model.skops'")
    refused(with_members(lambda m: m.pop("profiles.json")), "lacks profiles.json")


def test_a_doubled_member_is_refused() -> None:
    out = io.BytesIO(sealed())
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("manifest.json", b"{}")
    refused(out.getvalue(), "member 'manifest.json'")


def test_bytes_before_or_after_the_members_are_refused() -> None:
    refused(b"#!/bin/sh\n" + sealed(), "belong to no member")
    refused(with_members(dict.clear), "belong to no member")
    commented = io.BytesIO(sealed())
    with zipfile.ZipFile(commented, "a") as archive:
        archive.comment = b"hello"
    refused(commented.getvalue(), "belong to no member")


def test_a_zip_bomb_is_not_unfolded() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in unzipped(sealed()).items():
            archive.writestr(name, data if name != "profiles.json" else b" " * (64 << 20))
    refused(out.getvalue(), "compressed members")


def test_members_that_share_bytes_are_refused() -> None:
    """Many entries of a directory may point at one stored member: small on disk, large in memory."""
    members = unzipped(sealed())
    blob = members["model.skops"]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("model.skops", blob)
        first = archive.infolist()[0]
        for name in ("manifest.json", "profiles.json"):
            twin = zipfile.ZipInfo(name)
            twin.header_offset, twin.CRC = first.header_offset, first.CRC
            twin.file_size = twin.compress_size = len(blob)
            archive.filelist.append(twin)
    refused(out.getvalue(), "bytes in members")


def test_a_pickle_is_not_opened(tmp_path: Any) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return (open, (str(tmp_path / "ran"), "w"))

    refused(pickle.dumps(Payload()), "is a pickle")
    refused(with_members(lambda m: m.update({"model.skops": pickle.dumps(Payload())})), "model.skops is a pickle")
    objects = io.BytesIO()
    np.save(objects, np.array([Payload()], dtype=object), allow_pickle=True)
    refused(with_model(lambda m: m.update({"000001.npy": objects.getvalue()})), "holds objects, hence a pickle")
    refused(with_model(lambda m: m.update({"000001.npy": pickle.dumps(Payload())})), "is not an array file")
    assert not (tmp_path / "ran").exists()


def test_an_array_that_claims_more_than_it_has_is_refused() -> None:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)})
    refused(with_model(lambda m: m.update({"000001.npy": out.getvalue()})), "by its header")


def foreign_type(schema: dict[str, Any]) -> None:
    inside = schema["content"]["content"]["_loss"]["content"]["content"]["link"]
    inside["__class__"], inside["__module__"] = "system", "os"


def foreign_loader(schema: dict[str, Any]) -> None:
    schema["content"]["content"]["loss"]["__loader__"] = "MethodNode"


def object_array(schema: dict[str, Any]) -> None:
    schema["content"]["content"]["_baseline_prediction"]["type"] = "json"


def another_model(schema: dict[str, Any]) -> None:
    schema["__class__"], schema["__module__"] = "HistGradientBoostingClassifier", schema["__module__"]


def unloadable(schema: dict[str, Any]) -> None:
    schema["content"]["content"]["learning_rate"]["content"] = "{"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (foreign_type, "holds os.system by ObjectNode"),
        (foreign_loader, "holds builtins.str by MethodNode"),
        (object_array, "not one of its .npy members"),
        (another_model, "HistGradientBoostingClassifier"),
        (lambda s: s.update(protocol=0), "not of skops protocol 2"),
        (unloadable, "skops cannot open the model"),
    ],
)
def test_types_are_exactly_those_of_a_fitted_model(change: Callable[[dict[str, Any]], None], words: str) -> None:
    refused(with_schema(change), words)


def test_nesting_without_end_is_refused() -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    refused(with_model(lambda m: m.update({"schema.json": deep})), "nested too deeply")
    refused(with_members(lambda m: m.update({"manifest.json": deep})), "nested too deeply")


def test_a_model_file_without_a_schema_or_with_odd_names_is_refused() -> None:
    refused(with_model(lambda m: m.pop("schema.json")), "no schema.json")
    refused(with_model(lambda m: m.update({"a/b.npy": b""})), "member 'a/b.npy'")


def set_node(field: str, value: Any, *, leaf: bool = False) -> Callable[[np.ndarray], None]:
    def change(nodes: np.ndarray) -> None:
        nodes[field][np.flatnonzero(nodes["is_leaf"] == leaf)[0]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_node("left", 2**31), "left child 2147483648"),
        (set_node("right", 0), "right child 0"),  # a circle: the prediction would never end
        (set_node("feature_idx", 10**9), "asks for a feature"),
        (set_node("feature_idx", -1), "asks for a feature"),
        (set_node("is_categorical", 1), "asks for a feature"),
        (set_node("value", np.nan, leaf=True), "leaf that is not finite"),
        (lambda nodes: nodes[:0], "no array of nodes"),
        (lambda nodes: nodes["value"].copy(), "skops cannot open the model .TypeError"),
    ],
)
def test_a_tree_that_leads_outside_itself_is_refused(change: Callable[[np.ndarray], Any], words: str) -> None:
    refused(with_tree(change), words)


@pytest.mark.parametrize("library", ["scikit-learn", "skops"])
def test_another_minor_version_is_refused(library: str) -> None:
    refused(
        with_manifest(lambda m: m["environment"].update({library: "0.24.2"})),
        f"made with {library} 0.24.2; this environment has",
    )


def test_other_differences_are_named_and_left_to_the_golden_rows() -> None:
    data = with_manifest(lambda m: m["environment"].update({"numpy": "1.0.0"}))
    assert models.open_bundle(data, digest(data)).differences == (f"numpy 1.0.0 at training, {np.__version__} now",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(format=99), "format 99; expected 1"),
        (lambda m: m.pop("environment"), "does not say which libraries"),
        (lambda m: m["recipe"].pop("kappa"), "lacks a part of the recipe .'kappa'"),
        (lambda m: m.pop("about"), "lacks a part of the recipe .'about'"),
        (lambda m: m["recipe"]["feature_names"].append("more"), "reads 33 features; expected 34"),
    ],
)
def test_a_manifest_that_lacks_or_bends_something_is_refused(
    change: Callable[[dict[str, Any]], Any], words: str
) -> None:
    refused(with_manifest(change), words)


def test_a_manifest_with_nan_is_refused() -> None:
    refused(with_members(lambda m: m.update({"profiles.json": b'{"mean": NaN}'})), "holds NaN")


def test_a_model_that_says_something_else_than_at_training_is_refused() -> None:
    refused(with_manifest(lambda m: m["recipe"].update(kappa=m["recipe"]["kappa"] * (1 + 1e-8))), "golden row 0")
    refused(with_tree(set_node("value", 0.1, leaf=True)), r"golden row \d+: the model says")


def test_a_difference_below_the_tolerance_is_none() -> None:
    data = with_manifest(lambda m: m["recipe"].update(kappa=m["recipe"]["kappa"] * (1 + 1e-11)))
    assert models.open_bundle(data, digest(data)).fitted.kappa != trained().kappa


def test_golden_rows_that_cannot_be_read_are_refused() -> None:
    refused(with_manifest(lambda m: m["recipe"]["golden"].update(x=["zz"])), "golden rows cannot be replayed")
    refused(with_manifest(lambda m: m["recipe"]["golden"].update(x=[], scale=[], outputs=[])), "golden rows cannot")
