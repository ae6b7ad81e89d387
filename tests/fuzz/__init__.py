"""Fuzzing: bytes that nobody meant, for everything that reads a stranger's, a caller's, a provider's or an operator's bytes.

A target (`targets/`) is a function that takes an input and raises where a property does not hold: anything but a documented error, a secret
in an error's text, more than a second for 64 KiB, an incremental parser that finds something else when the bytes come one by one.
`python -m tests.fuzz` makes inputs (`mutations.py`) out of the golden cases and of what was found before, follows by the lines that they
reach whether they lead anywhere new (`engine.py`), and writes each failure, made small, to `corpus/<target>/`. Tests replay that.

The engine is ours because atheris, which would count edges in C, has wheels for some Pythons and platforms only, and a lock holds for all.
"""
