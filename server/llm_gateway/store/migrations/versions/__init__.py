"""By number, each after the one before it."""
