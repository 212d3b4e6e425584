"""Pure thinking: frozen types that all rooms speak, and functions on values. No IO, clock or environment."""
