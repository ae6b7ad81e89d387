"""The scorecard: what must hold when providers, networks and clients fail. `python -m tests.faults` measures it on real sockets."""
