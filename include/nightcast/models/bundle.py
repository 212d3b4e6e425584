"""A model bundle: one file with the model, the numbers around it and its reference profiles; sealed and opened here.

It is a stored zip of `manifest.json`, the model as a file of its family (`model.skops`, `model.txt`) and
`profiles.json`, whose bytes depend on their content only. It is opened in an order in which nothing is believed before
it is checked: the digest of the bytes, sizes and names, the library versions, the model's file and trees, and last
what the model says of the golden rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nightcast.domain.forecast import Fitted, restore, score
from nightcast.domain.manifest import canonical_json
from nightcast.errors import BundleRejected, ForecastImplausible
from nightcast.models.archive import DO, MANIFEST, PROFILES, bundle_members, family_in, parse
from nightcast.models.canonical import stored_zip
from nightcast.models.families import FAMILIES, Estimator, implementation, missing, predict
from nightcast.models.machine import CPU, environment, libraries, minor

FORMAT = 1
GOLDEN_TOLERANCE = 1e-9  # relative; another processor may round the last bits otherwise


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A bundle that passed every check. `differences` names libraries of another version than at training."""

    fitted: Fitted
    family: str
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
    estimator: Estimator = fitted.estimator
    family = FAMILIES[estimator.family]
    manifest = {
        "format": FORMAT,
        "environment": libraries(estimator.family),
        "recipe": fitted.plain(),
        "about": dict(about),
    }
    return stored_zip(
        {
            MANIFEST: canonical_json(manifest).encode(),
            family.member: implementation(estimator.family, BundleRejected).dump(estimator.model),
            PROFILES: canonical_json(dict(profiles)).encode(),
        }
    )


def open_bundle(data: bytes, expected_digest: str) -> Opened:
    """The bundle, or `BundleRejected` with what was found, what was expected and what to do."""
    inside = bundle_members(data, expected_digest)
    manifest, profiles = parse(inside[MANIFEST], MANIFEST), parse(inside[PROFILES], PROFILES)
    family = family_in(inside)
    differences = _check_environment(manifest, family)
    recipe = _restored(manifest)
    model = implementation(family, BundleRejected).load(
        inside[FAMILIES[family].member], len(recipe.feature_names) - len(recipe.dropped)
    )
    fitted = replace(recipe, estimator=Estimator(family=family, model=model))
    _replay(fitted)
    return Opened(
        fitted=fitted,
        family=family,
        about=manifest["about"],
        profiles=profiles,
        trained_with=manifest["environment"],
        differences=differences,
        digest=expected_digest,
    )


def _check_environment(manifest: Any, family: str) -> tuple[str, ...]:
    """Refuse a file of another format or library; name the other versions that differ."""
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        form = manifest.get("format") if isinstance(manifest, dict) else None
        raise BundleRejected(f"the bundle has format {form!r}; expected {FORMAT}. Train a model with this engine")
    then, now = manifest.get("environment"), environment(family)
    if not isinstance(then, dict) or not all(isinstance(then.get(name), str) for name in now if name != CPU):
        raise BundleRejected(f"manifest.json does not say which libraries made the model; expected that. {DO}")
    for name in FAMILIES[family].libraries:  # they define what the model's file means
        if name not in now:
            raise BundleRejected(missing(family, "it is not installed"))
        if minor(then[name]) != minor(now[name]):
            raise BundleRejected(
                f"the model was made with {name} {then[name]}; this environment has {now[name]}. Install the lock that "
                "belongs to the model, or train a new version with this one"
            )
    return tuple(f"{n} {then[n]} at training, {now[n]} now" for n in now if n != CPU and then[n] != now[n])


def _restored(manifest: Mapping[str, Any]) -> Fitted:
    """The recipe in the manifest, still without its estimator."""
    try:
        fitted = restore(None, manifest["recipe"])
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
