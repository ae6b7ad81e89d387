"""Ids of tool calls, as a provider takes them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway.protocols.callids import CallIds, Calls

SHORT = r"[a-zA-Z0-9_-]{1,64}"


def test_a_valid_id_stays_as_it_is() -> None:
    """For the call and for its result."""
    ids = CallIds(SHORT)
    assert ids.call("toolu_01") == ids.result("toolu_01") == "toolu_01"


def test_without_a_pattern_every_id_stays() -> None:
    """Even those that two calls have."""
    ids = CallIds("")
    assert [ids.call("functions.f:0"), ids.call("functions.f:0"), ids.result("")] == ["functions.f:0"] * 2 + [""]


def test_calls_of_one_id_are_told_apart_and_their_results_follow_in_order() -> None:
    """Some servers count their calls from nought in every answer."""
    ids = CallIds(SHORT)
    calls = [ids.call("call_0"), ids.call("call_0")]
    assert calls[0] == "call_0" != calls[1]
    assert [ids.result("call_0"), ids.result("call_0")] == calls


def test_the_same_conversation_gets_the_same_ids() -> None:
    """What a provider has cached of a prompt stays valid."""
    assert CallIds(SHORT).call("a.b") == CallIds(SHORT).call("a.b")


@pytest.mark.parametrize("pattern", [SHORT, r"[a-zA-Z0-9]{9}", r"[\s\S]{1,40}", r"[A-Za-z0-9_.:-]{1,64}"])
@given(given_ids=st.lists(st.text(max_size=90), max_size=8))
def test_any_ids_become_valid_ones_unlike_each_other(pattern: str, given_ids: list[str]) -> None:
    """And every result has the id of its call."""
    ids = CallIds(pattern)
    calls = [ids.call(one) for one in given_ids]
    assert all(re.fullmatch(pattern, one) for one in calls)
    assert len(set(calls)) == len(calls)
    assert [ids.result(one) for one in given_ids] == calls


def test_results_of_calls_with_one_id_are_matched_by_name() -> None:
    """Ids may be empty: a result that names its tool answers that call, whatever the order."""
    calls = Calls()
    assert [calls.call("", "add"), calls.call("", "multiply"), calls.call("", "add")] == [0, 1, 2]
    assert [calls.result("", "multiply"), calls.result("", "add"), calls.result("", "")] == [1, 0, 2]
    assert calls.result("x", "add") is None
    ids = CallIds(SHORT)
    sent = [ids.call("", "add"), ids.call("", "multiply")]
    assert [ids.result("", "multiply"), ids.result("", "add")] == sent[::-1]


def test_many_calls_of_one_id_are_matched_in_one_pass() -> None:
    """Calls that share an id, with names and without, answered in either order: no call is looked at again for each of its results."""
    count = 30_000
    calls, ids = Calls(), CallIds(SHORT)
    for number in range(count):
        assert calls.call("", f"f{number}") == number
        ids.call("not valid")
    assert [calls.result("", f"f{number}") for number in reversed(range(count))] == [*reversed(range(count))]
    assert calls.result("", "") == count - 1
    assert len({ids.result("not valid") for _ in range(count)}) == count
