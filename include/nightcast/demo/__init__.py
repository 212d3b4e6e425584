"""The demo: real retail data, replayed so that its nights happen now."""
