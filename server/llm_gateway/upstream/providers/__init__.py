"""Where plugins found `Row` and `Spoken` in version 0.1."""

import warnings

from llm_gateway.providers.rows import ROWS, Row, Spoken

__all__ = ["ROWS", "Row", "Spoken"]

warnings.warn(
    "Import Row and Spoken from llm_gateway.plugin; llm_gateway.upstream.providers goes with the next minor version.",
    DeprecationWarning,
    stacklevel=2,
)
