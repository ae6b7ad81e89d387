"""The command `llm-gateway` on a machine of its own: no model server answers at its usual address, whatever runs on the developer's. `gateway.ALONE`
runs it."""

import sys

from llm_gateway.cli import main
from llm_gateway.config import discovery

if __name__ == "__main__":
    discovery._probed = dict
    sys.exit(main())
