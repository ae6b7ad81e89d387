"""What plugins import: one module, and the path that it had."""

import importlib
import sys

import pytest
from llm_gateway import plugin
from llm_gateway.protocols import openai_choice, openai_dialects
from llm_gateway.protocols.wire import WireFormat
from llm_gateway.providers import groq, openai, plugins


def test_the_old_path_warns_and_gives_the_same() -> None:
    """A plugin of version 0.1 goes on for one minor version, and its author's tests say so."""
    sys.modules.pop("llm_gateway.upstream.providers", None)
    with pytest.warns(DeprecationWarning, match="llm_gateway.plugin"):
        old = importlib.import_module("llm_gateway.upstream.providers")
    assert (old.Row, old.Spoken) == (plugin.Row, plugin.Spoken)


def test_a_dialect_at_its_old_place_warns_and_is_the_same() -> None:
    """`replace(openai_dialects.GROQ, ...)` of a plugin goes on for one minor version; a name that never was is none."""
    with pytest.warns(DeprecationWarning, match="llm_gateway.providers.groq"):
        assert openai_dialects.GROQ is groq.CHAT
    for name in ("NONE", "AZURE", "none", "ROWS"):
        assert not hasattr(openai_dialects, name)


def test_a_rule_of_choice_may_be_named() -> None:
    """A plugin's row says `chat`, or the kind of ours that chooses as it does."""
    assert plugins.chooser("chat") is openai_choice.chat_only
    assert plugins.chooser("openai") is openai.choose
    assert plugins.chooser("groq") is openai_choice.chat_only


def test_the_module_has_what_a_wire_format_is_made_of() -> None:
    """Every class that the signatures of WireFormat name, and EventWriter, through which a parser writes."""
    named = {name for method in vars(WireFormat).values() for name in getattr(method, "__annotations__", {}).values()}
    wanted = {
        word
        for name in named
        for word in ("Rendering", "Outgoing", "EventWriter", "StreamParser", "Headers", "ModelPage")
        if word in str(name)
    }
    assert wanted
    assert wanted <= set(plugin.__all__)
