"""Logs and traces: `logs` and `tracing`; `names` of attributes; `redaction` of what neither may hold. Nothing is imported here, so that the error
tree can redact without them.
"""
