"""The corpus's own driver, with the families that it has no provider for. Run beside it: `python families.py config PORT`."""

import json
import sys

import llmgateway_grpc as driver  # type: ignore[import-not-found]  # of the corpus's tools

driver.PROVIDERS |= {
    "azure_foundry": ("azure_foundry", "azure_foundry", ""),
    "lmstudio": ("lmstudio", "lmstudio", ""),
}

if __name__ == "__main__":
    print(json.dumps(driver.config(int(sys.argv[2]))))
else:
    sys.modules[__name__] = driver
