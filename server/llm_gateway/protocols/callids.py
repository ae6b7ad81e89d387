"""Ids of tool calls for providers that give none.

A made-up id is deterministic for its answer and unique in a conversation, because the salt differs from answer to answer; it holds
only what every provider takes in an id. It is recognised on its way back, so that no provider is sent an id that it never issued.
"""

from __future__ import annotations

import re

_PREFIX = "call_gw_"
_UNSAFE = re.compile(r"[^A-Za-z0-9]")


def make_up(salt: str, number: int) -> str:
    """Id of the call at place `number` (from 0) of an answer. salt: the answer's own id or time, "" when it has neither."""
    salt = _UNSAFE.sub("", salt)[-24:]
    return f"{_PREFIX}{salt}_{number}" if salt else f"{_PREFIX}{number}"


def is_made_up(call_id: str) -> bool:
    """Whether the id is the gateway's own."""
    return not call_id or call_id.startswith(_PREFIX)
