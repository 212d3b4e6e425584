"""SCIKIT-LEARN and skops: builds, seals and opens models. No other room imports them."""

from nightcast.models.bundle import Opened, open_bundle, seal
from nightcast.models.environment import environment
from nightcast.models.estimator import fit, predict

__all__ = ["Opened", "environment", "fit", "open_bundle", "predict", "seal"]
