"""Kinds of provider: `rows` are data, `choice` picks one of the APIs of a kind, `plugins` finds the kinds of other packages."""
