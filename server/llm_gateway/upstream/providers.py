"""Where plugins found `Row` and `Spoken` in version 0.1."""

import warnings

from llm_gateway.providers.plugins import rows
from llm_gateway.providers.rows import Row, Spoken

__all__ = ["ROWS", "Row", "Spoken"]

ROWS = rows()
warnings.warn(
    "Import Row and Spoken from llm_gateway.plugin; llm_gateway.upstream.providers goes with the next minor version.",
    DeprecationWarning,
    stacklevel=2,
)
