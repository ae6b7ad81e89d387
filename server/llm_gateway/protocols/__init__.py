"""Wire formats: pure translations between the contract and what providers speak. No I/O, no awaiting, no clocks.

    wire.py        the seam: what every wire format module offers (`WireFormat`)
    events.py      EventWriter, through which all parsers write the contract's stream events
    framing.py     bytes to frames: SSE, NDJSON, AWS event streams
    failures.py    HTTP status, error codes and retry hints to the error tree
    json.py        JSON in and out
    callids.py     ids of tool calls that a provider does not give, or does not take
    openai_dialects.py, aws.py, google.py   data and errors that several formats share

Everything else here is one wire format a module.
"""
