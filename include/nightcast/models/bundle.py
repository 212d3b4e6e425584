"""A model bundle: one file with the model, the numbers around it and its reference profiles; sealed and opened here.

It is a stored zip of `manifest.json`, `model.skops` and `profiles.json` whose bytes depend on their content only. It
is opened in an order in which nothing is believed before it is checked: the digest of the bytes, sizes and names, the
library versions, the types, the arrays of the trees, and last what the model says of the golden rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import skops.io

from nightcast.domain.forecast import Fitted, restore, score
from nightcast.domain.manifest import canonical_json
from nightcast.errors import BundleRejected, ForecastImplausible
from nightcast.models import guard
from nightcast.models.archive import DO, MANIFEST, MODEL, PROFILES, bundle_members, parse
from nightcast.models.canonical import dump, stored_zip
from nightcast.models.estimator import predict
from nightcast.models.machine import CPU, environment, minor

FORMAT = 1
GOLDEN_TOLERANCE = 1e-9  # relative; another processor may round the last bits otherwise
_MUST_AGREE = ("scikit-learn", "skops")  # by minor version: they define what the model file means


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A bundle that passed every check. `differences` names libraries of another version than at training."""

    fitted: Fitted
    about: Mapping[str, Any]
    profiles: Mapping[str, Any]
    trained_with: Mapping[str, str]
    differences: tuple[str, ...]
    digest: str


def seal(fitted: Fitted, about: Mapping[str, Any], profiles: Mapping[str, Any]) -> bytes:
    """The bundle's bytes: the same for the same content, in any process, at any time, with any number of threads.

    `about` is what else should be known of the model (training snapshot, metrics), `profiles` the reference profiles;
    both JSON-ready, without clock, host or duration.
    """
    made_with = {name: version for name, version in environment().items() if name != CPU}
    manifest = {"format": FORMAT, "environment": made_with, "recipe": fitted.plain(), "about": dict(about)}
    return stored_zip(
        {
            MANIFEST: canonical_json(manifest).encode(),
            MODEL: dump(fitted.estimator),
            PROFILES: canonical_json(dict(profiles)).encode(),
        }
    )


def open_bundle(data: bytes, expected_digest: str) -> Opened:
    """The bundle, or `BundleRejected` with what was found, what was expected and what to do."""
    inside = bundle_members(data, expected_digest)
    manifest, profiles = parse(inside[MANIFEST], MANIFEST), parse(inside[PROFILES], PROFILES)
    differences = _check_environment(manifest)
    guard.check_model_file(inside[MODEL])
    fitted = _restored(_load(inside[MODEL]), manifest)
    guard.check_estimator(fitted.estimator, len(fitted.feature_names) - len(fitted.dropped))
    _replay(fitted)
    return Opened(
        fitted=fitted,
        about=manifest["about"],
        profiles=profiles,
        trained_with=manifest["environment"],
        differences=differences,
        digest=expected_digest,
    )


def _check_environment(manifest: Any) -> tuple[str, ...]:
    """Refuse a file of another format or library; name the other versions that differ."""
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        form = manifest.get("format") if isinstance(manifest, dict) else None
        raise BundleRejected(f"the bundle has format {form!r}; expected {FORMAT}. Train a model with this engine")
    then, now = manifest.get("environment"), environment()
    if not isinstance(then, dict) or not all(isinstance(then.get(name), str) for name in now if name != CPU):
        raise BundleRejected(f"manifest.json does not say which libraries made the model; expected that. {DO}")
    for name in _MUST_AGREE:
        if minor(then[name]) != minor(now[name]):
            raise BundleRejected(
                f"the model was made with {name} {then[name]}; this environment has {now[name]}. Install the lock that "
                "belongs to the model, or train a new version with this one"
            )
    return tuple(f"{n} {then[n]} at training, {now[n]} now" for n in now if n != CPU and then[n] != now[n])


def _load(data: bytes) -> Any:
    """Construct the estimator; every type in the file has been checked by now, and skops checks them again."""
    try:
        unknown = set(skops.io.get_untrusted_types(data=data)) - {guard.TREE}
        if not unknown:
            return skops.io.loads(data, trusted=[guard.TREE])
    except Exception as error:  # whatever a hostile file provokes in there is a reason to refuse it
        raise BundleRejected(
            f"skops cannot open the model ({type(error).__name__}: {error}); expected a fitted model. {DO}"
        ) from error
    raise BundleRejected(f"model.skops holds {', '.join(sorted(unknown))}; expected only {guard.TREE}. {DO}")


def _restored(estimator: Any, manifest: Mapping[str, Any]) -> Fitted:
    try:
        fitted = restore(estimator, manifest["recipe"])
        manifest["about"]
    except (KeyError, TypeError, AttributeError) as error:
        raise BundleRejected(
            f"manifest.json lacks a part of the recipe ({error}); expected what seal writes. {DO}"
        ) from error
    return fitted


def _replay(fitted: Fitted) -> None:
    """Refuse a model that does not say of its golden rows what it said when it was sealed."""
    try:
        x, scale = fitted.golden.inputs()
        expected = fitted.golden.expected()
        scores = score(fitted, x, scale, predict)
    except (ValueError, IndexError, TypeError, ForecastImplausible) as error:
        raise BundleRejected(f"the golden rows cannot be replayed ({error}); expected that they can. {DO}") from error
    found = np.column_stack([scores.mean, scores.quantiles])
    if found.shape != expected.shape:
        raise BundleRejected(f"{found.shape} golden outputs; expected {expected.shape}. {DO}")
    wrong = ~np.isclose(found, expected, rtol=GOLDEN_TOLERANCE, atol=0.0)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise BundleRejected(
            f"golden row {row}: the model says {found[row, column]!r}; expected {expected[row, column]!r}, and "
            f"{int(wrong.any(axis=1).sum())} of {len(found)} rows differ. Install the lock that belongs to the model, "
            "or train a new version with this one"
        )
