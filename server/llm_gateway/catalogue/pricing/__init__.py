"""Prices: from the price list to the cost of a usage, in whole nano-USD.

`export` runs in a process of its own and is the only module that knows genai-prices; `source` starts it; `pricelist` chooses a model's
rates from what it wrote; `rates` does the arithmetic; `prices` puts the operator's word before the list's.
"""
