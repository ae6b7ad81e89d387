"""What plugins import: one module, and the path that it had."""

import importlib
import sys

import pytest
from llm_gateway import plugin
from llm_gateway.protocols.wire import WireFormat


def test_the_old_path_warns_and_gives_the_same() -> None:
    """A plugin of version 0.1 goes on for one minor version, and its author's tests say so."""
    sys.modules.pop("llm_gateway.upstream.providers", None)
    with pytest.warns(DeprecationWarning, match="llm_gateway.plugin"):
        old = importlib.import_module("llm_gateway.upstream.providers")
    assert (old.Row, old.Spoken) == (plugin.Row, plugin.Spoken)


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
