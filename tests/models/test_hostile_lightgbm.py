"""A text that is not one of LightGBM's models to the letter never reaches its parser."""

from __future__ import annotations

import pickle
import random
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from modelling import trained
from models.test_hostile_bundle import Members, refused, unzipped
from nightcast import models
from nightcast.errors import BundleRejected
from nightcast.models import families, guard_lightgbm, lightgbm_booster, machine
from nightcast.models.archive import digest
from nightcast.models.canonical import stored_zip

pytestmark = pytest.mark.unit


def sealed() -> bytes:
    return models.seal(trained("lightgbm"), {}, {})


def with_members(change: Callable[[Members], Any]) -> bytes:
    members = unzipped(sealed())
    change(members)
    return stored_zip(members)


def with_text(change: Callable[[str], str], *, sizes: bool = True) -> bytes:
    """The bundle with its text changed, and the sizes of its trees too: the attacker knows the format."""

    def edit(members: Members) -> None:
        before = members["model.txt"].decode()
        text = change(before)
        assert text != before
        if sizes:
            text = with_sizes(text)
        members["model.txt"] = text.encode()

    return with_members(edit)


def with_sizes(text: str) -> str:
    blocks = re.findall(r"Tree=.*?\n\n\n", text, re.DOTALL)
    return re.sub(r"tree_sizes=.*", "tree_sizes=" + " ".join(str(len(b)) for b in blocks), text)


def line(name: str, change: Callable[[list[str]], Any]) -> Callable[[str], str]:
    """The words of the first line of that name changed in place."""

    def edit(text: str) -> str:
        found = re.search(rf"^{name}=(.*)$", text, re.MULTILINE)
        assert found
        words = found[1].split(" ")
        change(words)
        return text[: found.start(1)] + " ".join(words) + text[found.end(1) :]

    return edit


def word(name: str, value: str, at: int = 0) -> Callable[[str], str]:
    return line(name, lambda words: words.__setitem__(at, value))


def test_the_text_has_the_form_that_the_check_expects() -> None:
    text = unzipped(sealed())["model.txt"].decode()
    assert with_sizes(text) == text
    assert guard_lightgbm.checked(text.encode(), len(trained("lightgbm").feature_names)) == text
    assert "num_threads" not in text
    assert models.open_bundle(sealed(), digest(sealed())).family == "lightgbm"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        # children
        (word("left_child", "2147483"), "lead back or out of it"),
        (word("right_child", "-99"), "lead back or out of it"),
        (word("left_child", "0"), "lead back or out of it"),  # a circle: the prediction would never end
        (word("left_child", "99999999999"), "as left_child in tree 0"),
        (line("right_child", lambda w: w.__setitem__(slice(None), w[::-1])), "lead back or out of it"),
        (line("left_child", lambda w: w.__setitem__(1, w[0])), "lead back or out of it"),  # one node of two parents
        # splits
        (word("split_feature", "1000000"), "feature out of range"),
        (word("split_feature", "-1"), "feature out of range"),
        (word("decision_type", "1"), "not numeric"),
        (word("decision_type", "9999"), "not numeric"),
        (word("num_cat", "1"), "categories or linear leaves"),
        (word("is_linear", "1"), "categories or linear leaves"),
        # values
        (word("leaf_value", "nan"), "as leaf_value in tree 0; expected plain finite numbers"),
        (word("leaf_value", "inf"), "as leaf_value in tree 0; expected plain finite numbers"),
        (word("leaf_value", "1e+999"), "leaf_value in tree 0 that is not finite"),
        (word("threshold", "nan"), "as threshold in tree 0; expected plain finite numbers"),
        (word("threshold", "0x1p3"), "as threshold in tree 0; expected plain finite numbers"),
        (word("shrinkage", "1 1"), "2 values of shrinkage"),
        # lengths
        (line("leaf_value", list.pop), "7 values of leaf_value in tree 0; expected 8"),
        (line("threshold", lambda w: w.append("1")), "8 values of threshold in tree 0; expected 7"),
        (word("num_leaves", "1000"), "in tree 0; expected 999"),
        (word("num_leaves", "2147483647"), "leaves in tree 0"),
        (word("num_leaves", "0"), "leaves in tree 0"),
        (word("num_leaves", "-5"), "leaves in tree 0"),
        # lines
        (lambda t: t.replace("num_cat=0\n", "", 1), "as tree 0"),
        (lambda t: t.replace("num_cat=0\n", "num_cat=0\nnum_cat=1\n", 1), "as tree 0"),
        (lambda t: t.replace("num_cat=0\nsplit_feature", "num_dog=0\nsplit_feature", 1), '"num_dog=0" in tree 0'),
        (lambda t: t.replace("Tree=1\n", "Tree=7\n"), "as tree 1"),
        (lambda t: t + "parameters:\n[num_threads: 8]\nend of parameters\n", "goes on with"),
        (lambda t: t.removesuffix("end of trees\n"), "goes on with"),
        # header
        (lambda t: t.replace("tree\n", "forest\n", 1), '"forest" in its header'),
        (word("version", "v3"), '"version=v3" in its header'),
        (word("num_class", "3"), '"num_class=3" in its header'),
        (word("num_tree_per_iteration", "2"), '"num_tree_per_iteration=2" in its header'),
        (word("max_feature_idx", "1000000"), "max_feature_idx=1000000"),
        (word("objective", "binary sigmoid:1"), '"objective=binary sigmoid:1" in its header'),
        (word("feature_names", "os"), "feature_names=os"),
        (line("feature_infos", list.pop), "feature_infos="),
        (word("feature_infos", "[nan:1]"), "feature_infos="),
        (lambda t: t.replace("label_index=0\n", "label_index=0\naverage_output\n"), "header of 11 lines"),
        (lambda t: re.sub("\n+", "\n", t), "no empty line after its header"),
    ],
)
def test_a_text_that_leads_the_parser_astray_is_refused(change: Callable[[str], str], words: str) -> None:
    refused(with_text(change), re.escape(words).replace(r"\ ", " "))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (word("tree_sizes", "99999999"), "as tree 0"),
        (word("tree_sizes", "10"), "as tree 0"),
        (line("tree_sizes", list.pop), "goes on with"),
        (line("tree_sizes", lambda w: w.append("500")), "as tree 15"),
        (line("tree_sizes", lambda w: w.extend(["1"] * 10_000)), "10015 trees"),
        (word("tree_sizes", "-1"), "tree_sizes="),
        (lambda t: t[: len(t) // 2], "as tree"),
    ],
)
def test_trees_lie_where_the_header_says(change: Callable[[str], str], words: str) -> None:
    """The parser reads at these offsets without looking where the text ends."""
    refused(with_text(change, sizes=False), words)


def test_random_edits_are_refused_or_harmless() -> None:
    """What the check lets through can be read and asked of anything: this process would end otherwise."""
    rng, fitted = random.Random(0), trained("lightgbm")
    text, features = unzipped(sealed())["model.txt"].decode(), len(fitted.feature_names) - len(fitted.dropped)
    x, _ = fitted.golden.inputs()
    hostile = np.concatenate([x, x * np.float32(1e30), np.full_like(x, np.nan)])
    refusals = 0
    for _ in range(300):
        at, new = rng.randrange(len(text)), rng.choice(["", *"0123456789-+.e \n=naif[]:"])
        edited = text[:at] + new + text[at + rng.randrange(2) :]
        try:
            model = lightgbm_booster.load(with_sizes(edited).encode(), features)
        except BundleRejected:
            refusals += 1
        else:
            assert lightgbm_booster.predict(model, hostile, 1).shape == (len(hostile),)
    assert 150 < refusals < 300


def test_a_flipped_byte_is_another_digest_and_a_truncated_file_is_none() -> None:
    data = sealed()
    other = bytearray(data)
    other[len(data) // 2] ^= 1
    with pytest.raises(BundleRejected, match=f"expected {digest(data)}"):
        models.open_bundle(bytes(other), digest(data))
    refused(data[:-100], "cannot be read as a zip|belong to no member")


def test_a_text_of_too_many_bytes_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_lightgbm, "MAX_BYTES", 1000)
    refused(sealed(), "model.txt has .* bytes; expected at most 1000")


def test_each_family_has_its_own_member() -> None:
    skops, text = unzipped(models.seal(trained(), {}, {}))["model.skops"], unzipped(sealed())["model.txt"]
    refused(with_members(lambda m: m.update({"model.skops": skops})), "as its model model.skops, model.txt; expected")
    refused(with_members(lambda m: m.pop("model.txt")), "as its model none; expected one of model.skops or model.txt")
    refused(with_members(lambda m: m.update({"model.txt": skops})), "model.txt is not plain text|no empty line")
    renamed = {"manifest.json": b"", "model.skops": text, "profiles.json": b"{}"}
    renamed["manifest.json"] = unzipped(models.seal(trained(), {}, {}))["manifest.json"]
    refused(stored_zip(renamed), "model.skops cannot be read as a zip")


def test_a_pickle_is_not_opened(tmp_path: Any) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return (open, (str(tmp_path / "ran"), "w"))

    refused(with_members(lambda m: m.update({"model.txt": pickle.dumps(Payload())})), "model.txt is a pickle")
    assert not (tmp_path / "ran").exists()


def test_a_leaf_that_says_something_else_is_found_by_the_golden_rows() -> None:
    refused(with_text(word("leaf_value", "0.1")), r"golden row \d+: the model says")


def test_another_minor_version_is_refused_and_a_patch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data, real = sealed(), machine.versions
    for found, refusal in (("9.0.0", "made with lightgbm .*; this environment has 9.0.0"), (f"{own()}.99", None)):
        monkeypatch.setattr(
            machine, "versions", lambda n, v=found: {k: v if k == "lightgbm" else w for k, w in real(n).items()}
        )
        if refusal:
            refused(data, refusal)
        else:
            (difference,) = models.open_bundle(data, digest(data)).differences
            assert difference.endswith(f"{own()}.99 now")


def own() -> str:
    return ".".join(families.versions("lightgbm")["lightgbm"].split(".")[:2])


def test_without_lightgbm_its_bundle_is_refused_with_what_to_install_and_others_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, other = sealed(), models.seal(trained(), {}, {})
    real = machine.versions
    monkeypatch.setattr(machine, "versions", lambda n: {} if n == "lightgbm" else real(n))
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    monkeypatch.delitem(sys.modules, "nightcast.models.lightgbm_booster")
    refused(data, r"of family lightgbm and lightgbm cannot be used here .*Install nightcast\[lightgbm\]")
    assert models.open_bundle(other, digest(other)).differences == ()
    monkeypatch.setattr(machine, "versions", real)  # its metadata are there, and a shared library is not
    refused(data, r"cannot be used here \(.*lightgbm.*\); expected it .*Install nightcast\[lightgbm\]")
