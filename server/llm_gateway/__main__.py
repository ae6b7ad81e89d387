"""``python -m llm_gateway`` is ``llm-gateway``."""

import sys

from llm_gateway.cli import main

if __name__ == "__main__":
    sys.exit(main())
