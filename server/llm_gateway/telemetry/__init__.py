"""Logs and traces: `logs`, `tracing`, the `names` of attributes, and `redaction` of what neither may hold. Nothing is imported here, so that the
error tree can redact without the others.
"""
