"""Wire formats: pure translations between the contract and what providers speak. No I/O, no awaiting, no clocks.

    wire.py        the seam: what every wire format module offers (`WireFormat`)
    events.py      EventWriter, through which all parsers write the contract's stream events
    framing.py     bytes to frames: SSE, NDJSON, AWS event streams
    failures.py    HTTP status, error codes and retry hints to the error tree
    json.py        JSON in and out
    conversation.py   the walk over messages and parts that every format takes, with its own leaves
    media.py, effort.py, settings.py   what the formats read alike in a request; reading.py in answers
    summary.py     what a conversation holds, before anything is known of a target
    callids.py     ids of tool calls that a provider does not give, or does not take
    openai_dialects.py, openai_choice.py   what differs between servers of OpenAI's two formats, and which of them a request takes
    aws.py, google.py   data and errors that several formats share

Everything else here is one wire format a module.
"""
