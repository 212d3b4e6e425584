"""Nightcast: scheduled batch inference whose published predictions can be trusted and reproduced."""

__version__ = "0.1.0"
