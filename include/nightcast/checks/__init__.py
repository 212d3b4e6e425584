"""Great Expectations: judges rows. It evaluates, this room decides, and everything that it lets pass is closed here."""

from nightcast.checks.columns import verify_columns
from nightcast.checks.contract import CONTRACT_IDS, contract
from nightcast.checks.engine import verify
from nightcast.checks.expectations import Entry, Expectations
from nightcast.checks.loading import load
from nightcast.checks.running import Outcome, run

__all__ = ["CONTRACT_IDS", "Entry", "Expectations", "Outcome", "contract", "load", "run", "verify", "verify_columns"]
