"""Wire formats: pure translations between the contract and what providers speak. No I/O, no awaiting, no clocks.

    wire.py        the seam: what every wire format module offers (`WireFormat`)
    events.py      EventWriter, through which all parsers write the contract's stream events
    framing.py     bytes to frames: SSE, NDJSON
    failures.py    HTTP status, error codes and retry hints to the error tree
    json.py        JSON in and out

Everything else here is one wire format a module.
"""
