"""Pure thinking: frozen types that all rooms speak, and functions from values to values. No IO, clock or environment."""
