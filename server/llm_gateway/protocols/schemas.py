"""JSON Schemas for providers that enforce them and refuse keywords that they cannot enforce.

Such a keyword moves into the description of its schema, where the model reads it; the vendors' own SDKs do the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from llm_gateway.protocols import json
from llm_gateway.protocols.wire import Notes, json_object


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Limits:
    """What a provider refuses in a schema that it enforces."""

    refused: frozenset[str]
    """Keywords."""
    most_min_items: int | None = None
    """The largest minItems; None for any."""
    formats: frozenset[str] = frozenset()
    """Values of `format` that it takes; () for any."""
    pattern: re.Pattern[str] | None = None
    """What a `pattern` must not contain."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Keywords that it takes under another name."""

    def takes(self, keyword: str, value: msgspec.Raw) -> bool:
        """Whether a keyword may stay as it stands."""
        if keyword in self.refused:
            return False
        if keyword == "minItems" and self.most_min_items is not None:
            number = json.decode(bytes(value))
            return not isinstance(number, (int, float)) or number <= self.most_min_items
        if keyword == "format" and self.formats:
            return json.decode(bytes(value)) in self.formats
        if keyword == "pattern" and self.pattern is not None:
            return self.pattern.search(str(json.decode(bytes(value)))) is None
        return True


_OF_NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_RARE = {
    "uniqueItems", "contains", "minContains", "maxContains", "unevaluatedItems", "minProperties", "maxProperties", "patternProperties",
    "propertyNames", "unevaluatedProperties", "dependentRequired", "dependentSchemas", "not", "if", "then", "else",
}  # fmt: skip
CLAUDE = Limits(
    refused=frozenset(_OF_NUMBERS | _RARE | {"minLength", "maxLength", "maxItems"}),
    most_min_items=1,
    formats=frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}),
    pattern=re.compile(r"\(\?<?[=!]|\\[bB1-9]"),
    renamed={"oneOf": "anyOf"},
)
"""Structured outputs of the Claude API ("JSON Schema limitations"), and of Amazon Bedrock for every model ("Supported JSON Schema
features" of its user guide)."""

OPENAI = Limits(refused=frozenset(_RARE | {"default"}))
"""Strict mode of OpenAI ("Supported schemas" of the guide to structured outputs)."""

_ONE = frozenset(
    {"items", "additionalProperties", "additionalItems", "not", "if", "then", "else", "contains", "propertyNames"}
)
_MANY = frozenset({"anyOf", "allOf", "oneOf", "prefixItems", "items"})
_NAMED = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
"""Keywords that hold a schema, an array of them, an object of them."""

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def within(schema: str, limits: Limits | None, notes: Notes, at: str) -> json.Raw:
    """The schema, JSON text of an object, as the provider takes it, unchanged where possible. limits: None where the provider does not
    enforce it. at: its field. Raises InvalidRequest for anything else."""
    raw = json_object(schema, at)
    moved: dict[str, None] = {}  # and renamed
    if limits is not None:
        try:
            made = _schema(raw, limits, moved)
        except RecursionError:
            return raw
        if moved:
            raw = json.Raw(json.encode(made))
            notes.adjusted(
                at,
                "the provider refuses these in a schema that it enforces, so they stand in descriptions or under another name now: "
                + ", ".join(moved),
            )
    return raw


def _schema(raw: msgspec.Raw, limits: Limits, moved: dict[str, None]) -> Any:
    """A schema without what is refused; `moved` collects the keywords. Text that is not changed keeps its spelling."""
    if not bytes(raw).lstrip().startswith(b"{"):
        return raw
    out: dict[str, Any] = {}
    told: list[str] = []
    fields = _fields(raw)
    for keyword, value in fields.items():
        if not limits.takes(keyword, value):
            told.append(f"{keyword}: {bytes(value).decode()}")
            moved[keyword] = None
            continue
        name = limits.renamed.get(keyword, keyword)
        if name != keyword:
            if name in fields:
                name = keyword
            else:
                moved[keyword] = None
        out[name] = _inner(keyword, value, limits, moved)
    if told:
        said = json.decode(bytes(out["description"])) if "description" in out else ""
        words = "; ".join(told)
        out["description"] = f"{said} ({words})" if said else words
    return out


def _inner(keyword: str, value: msgspec.Raw, limits: Limits, moved: dict[str, None]) -> Any:
    start = bytes(value).lstrip()[:1]
    if keyword in _NAMED and start == b"{":
        return {name: _schema(inner, limits, moved) for name, inner in _fields(value).items()}
    if keyword in _MANY and start == b"[":
        return [_schema(inner, limits, moved) for inner in _list(value)]
    return _schema(value, limits, moved) if keyword in _ONE else value
