"""One conversation may move between providers: every golden answer goes on at every provider, in a body that provider takes.

The rules of the bodies are those of the providers' API references, each told where it is checked.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from llm_gateway.errors import GatewayError, InvalidRequest, Violation
from llm_gateway.protocols import (
    anthropic,
    bedrock,
    claude_code,
    framing,
    gemini,
    ollama,
    openai_chat,
    openai_responses,
)
from llm_gateway.protocols.events import EventWriter
from llm_gateway.protocols.gemini.dialect import family_of
from llm_gateway.protocols.json import MalformedJson
from llm_gateway.protocols.wire import Rendering, WireFormat
from llmgateway.accumulator import Accumulator
from llmgateway.v1 import content_pb2, gateway_pb2

from tests.golden import runner
from tests.support import dialects
from tests.support.answers import FORMATS
from tests.support.dialects import named

ORIGIN = "origin"
Json = dict[str, Any]
Message = content_pb2.Message
Part = content_pb2.Part

# What must never reach another provider, planted into what the origin issued.
SEALED = "sealed-by-the-origin"
THOUGHT = "thought-of-the-origin"
BEYOND_ASCII = "ünïcode"

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


# ---------------------------------------------------------------- who speaks what
@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A provider to go on at. valid: raises AssertionError for a body that it would refuse."""

    name: str
    wire: WireFormat
    dialect: Any
    model: str
    valid: Callable[[Json, Target], None]
    settings: Json = field(default_factory=dict)

    def render(self, request: gateway_pb2.SendRequest, provider: str = "") -> tuple[Json, Rendering]:
        """The body for this target, known as `provider`, or by its own name."""
        name = provider or f"the-{self.name}"
        rendering = Rendering(
            request=request,
            model=self.model,
            stream=False,
            provider=name,
            kind=name,
            dialect=self.dialect,
            settings=self.settings,
        )
        body: Json = json.loads(self.wire.render_request(rendering).body)
        return body, rendering


@cache
def targets() -> list[Target]:
    cloud = {"project": "p", "location": "global", "region": "r", "api_version": "2025-04-01"}
    found = [
        Target(name=f"chat-{name}", wire=openai_chat, dialect=dialect, model="some-model", valid=chat)
        for name, dialect in named(dialects.CHAT, openai_chat.Dialect)
    ]
    found += [
        Target(name=f"responses-{name}", wire=openai_responses, dialect=dialect, model="gpt-5.5", valid=responses)
        for name, dialect in named(dialects.RESPONSES, openai_responses.Dialect)
    ]
    found += [
        Target(
            name=f"anthropic-{name}-{model}",
            wire=anthropic,
            dialect=dialect,
            model=model,
            valid=messages,
            settings=cloud,
        )
        for name, dialect in named(dialects.MESSAGES, anthropic.Dialect)
        for model in ("claude-haiku-4-5", "claude-opus-4-8")
    ]
    found += [
        Target(name=f"bedrock-{model}", wire=bedrock, dialect=bedrock.BEDROCK, model=model, valid=converse)
        for model in ("us.anthropic.claude-opus-4-8-v1:0", "us.amazon.nova-pro-v1:0", "meta.llama3-1-70b-instruct-v1:0")
    ]
    found += [
        Target(name=f"gemini-{name}-{model}", wire=gemini, dialect=dialect, model=model, valid=generate, settings=cloud)
        for name, dialect in named(dialects.GEMINI, gemini.Dialect)
        for model in ("gemini-3-pro", "gemini-2.5-flash", "gemma-3-27b-it")
    ]
    found += [
        Target(name=f"ollama-{name}", wire=ollama, dialect=dialect, model="llama3.2", valid=native)
        for name, dialect in named(ollama, ollama.Dialect)
    ]
    found.append(
        Target(name="claude_code", wire=claude_code, dialect=anthropic.ANTHROPIC, model="sonnet", valid=process)
    )
    return found


# ---------------------------------------------------------------- what each of them takes
def texts(value: Any) -> Iterator[str]:
    """Every string of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def trees(value: Any) -> Iterator[Any]:
    """A JSON value and all that it holds."""
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from trees(inner)


def once(ids: list[str]) -> None:
    assert len(set(ids)) == len(ids), f"ids are used twice: {ids}"


def answered(calls: list[str], results: list[str]) -> None:
    assert sorted(calls) == sorted(results), f"calls {calls} and results {results} do not pair"


def alternate(turns: list[Json]) -> None:
    """User first, no two turns of one role after each other."""
    roles = [turn["role"] for turn in turns]
    assert roles[0] != "assistant"
    assert roles[0] != "model"
    assert all(one != two for one, two in pairwise(roles)), roles


def chat(body: Json, target: Target) -> None:
    """Chat Completions: results right behind their calls, one message each; media in turns of the user."""
    dialect: openai_chat.Dialect = target.dialect
    turns = body["messages"]
    open_calls: list[str] = []
    ids: list[str] = []
    before = ""
    for turn in turns:
        role, content = turn["role"], turn.get("content")
        assert role in {"system", "user", "assistant", "tool"} | ({"developer"} if dialect.developer_role else set())
        if role == "tool":
            assert turn["tool_call_id"] in open_calls, "a result without its call right before it"
            open_calls.remove(turn["tool_call_id"])
        else:
            assert not open_calls, f"calls without results: {open_calls}"
        if role == "assistant":
            open_calls = [call["id"] for call in turn.get("tool_calls", ())]
            ids += open_calls
            assert turn.get("tool_calls") != []
            said = content or turn.get("refusal") or turn.get("audio") or turn.get("tool_calls")
            assert said or not dialect.skip_empty
            assert content or content == "" or said
        else:
            assert content or content == ""
        for call in turn.get("tool_calls", ()):
            inner = call.get("function") or call["custom"]
            assert call["type"] in ("function", "custom")
            assert isinstance(inner["arguments"] if "function" in call else inner["input"], str)
            assert call["type"] == "function" or dialect.custom_tools
        for block in content if isinstance(content, list) else ():
            if block["type"] == "text":
                assert isinstance(block["text"], str)
            else:
                assert role == "user" or dialect.tool_media or block["type"] == "thinking"
        assert not (isinstance(content, list) and not content)
        if dialect.alternates:
            assert before != role or role not in ("user", "assistant"), "Perplexity: roles must alternate"
        before = role
    assert not open_calls
    if dialect.call_id:
        once(ids)
        assert all(re.fullmatch(dialect.call_id, name) for name in ids)


def responses(body: Json, target: Target) -> None:
    """Responses: every call has one output after it, ids of calls have at most 64 characters, a thought is followed by what it was for."""
    calls: dict[str, str] = {}
    outputs: list[str] = []
    items = body["input"]
    for index, item in enumerate(items):
        kind = item.get("type", "message")
        if kind == "message":
            assert item["role"] in ("system", "developer", "user", "assistant")
            assert item["content"] or item["content"] == ""
            for block in item["content"] if isinstance(item["content"], list) else ():
                if item["role"] != "assistant":
                    assert block["type"] in ("input_text", "input_image", "input_file")
        elif kind in ("function_call", "custom_tool_call"):
            assert item["call_id"] not in calls, "an id of a call twice"
            assert 0 < len(item["call_id"]) <= 64
            assert isinstance(item["input" if kind == "custom_tool_call" else "arguments"], str)
            calls[item["call_id"]] = kind + "_output"
        elif kind.endswith("_output") and item.get("call_id") in calls:
            assert calls[item["call_id"]] == kind
            outputs.append(item["call_id"])
        elif kind == "reasoning" and not target.dialect.plain_reasoning:
            follower = items[index + 1] if index + 1 < len(items) else {"role": "user"}
            assert follower.get("role", "assistant") == "assistant", "a thought without the item that it was for"
            assert not str(follower.get("type")).endswith("call_output")
        if "id" in item:
            assert len(item["id"]) <= 64
    answered(list(calls), outputs)


def messages(body: Json, target: Target) -> None:
    """Messages API: roles alternate, all results of a turn first in the next one, ids of [A-Za-z0-9_-], no blank text, images from the user."""
    turns = body["messages"]
    alternate(turns)
    ids: list[str] = []
    waiting: list[str] = []
    for block in body.get("system", ()):
        assert block["type"] == "text"
        assert block["text"].strip()
    for turn in turns:
        assert turn["content"]
        results = [block["tool_use_id"] for block in turn["content"] if block["type"] == "tool_result"]
        answered(waiting, results)
        assert [block["type"] for block in turn["content"][: len(results)]] == ["tool_result"] * len(results)
        waiting = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
        if not target.dialect.unsigned_thinking:
            assert "thinking" not in turn["content"][-1]["type"], "a turn of the model that ends with a thought"
        ids += waiting
        for block in trees(turn["content"]):
            if not isinstance(block, dict):
                continue
            if block.get("type") == "text" and "text" in block:
                assert block["text"].strip(), "blank text"
            if block.get("type") == "tool_use":
                assert isinstance(block["input"], dict)
            if block.get("type") == "image" and "source" in block:
                assert turn["role"] == "user", "'image' blocks are not permitted within assistant turns"
    assert not waiting
    once(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in ids)
    assert sum("cache_control" in tree for tree in trees(body) if isinstance(tree, dict)) <= 4


def converse(body: Json, target: Target) -> None:
    """Converse: roles alternate, user first; media from the user; blocks of one field; ids of [a-zA-Z0-9_.:-]."""
    turns = body["messages"]
    alternate(turns)
    ids: list[str] = []
    waiting: list[str] = []
    for turn in turns:
        assert turn["content"]
        if turn["role"] == "user":
            results = [block["toolResult"]["toolUseId"] for block in turn["content"] if "toolResult" in block]
        else:
            results = []  # a result in a turn of the model is that of a server tool
        answered(waiting, results)
        kinds = [kind for block in turn["content"] for kind in block if kind != "cachePoint"]
        assert kinds[: len(results)] == ["toolResult"] * len(results)
        waiting = [
            block["toolUse"]["toolUseId"]
            for block in turn["content"]
            if "toolUse" in block and block["toolUse"].get("type") != "server_tool_use"
        ]
        ids += waiting
        for block in turn["content"]:
            assert len(block) == 1
            if "text" in block:
                assert block["text"].strip(), "blank text"
            if "toolUse" in block and block["toolUse"].get("type") != "server_tool_use":
                assert isinstance(block["toolUse"]["input"], dict)
            if turn["role"] == "user":
                assert not {"toolUse", "reasoningContent"} & block.keys()
            else:
                assert "image" not in block or "claude" not in target.model
    assert not waiting
    once(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_.:-]{1,64}", name) for name in ids)
    assert bool(ids) <= bool(body.get("toolConfig")), "tool blocks demand a tool configuration"


def generate(body: Json, target: Target) -> None:
    """generateContent: roles alternate, parts hold something, as many responses as calls and in their order, in the next turn."""
    family = family_of(target.model)
    turns = body["contents"]
    alternate(turns)
    waiting: list[Json] = []
    for turn in turns:
        assert turn["role"] in ("user", "model")
        assert turn["parts"]
        results = [part["functionResponse"] for part in turn["parts"] if "functionResponse" in part]
        assert [call["name"] for call in waiting] == [result["name"] for result in results]
        assert [call.get("id") for call in waiting] == [result.get("id") for result in results]
        assert all(isinstance(result["response"], dict) for result in results)
        waiting = [part["functionCall"] for part in turn["parts"] if "functionCall" in part]
        assert all(isinstance(call["args"], dict) for call in waiting)
        signed = ["thoughtSignature" in part for part in turn["parts"] if "functionCall" in part]
        assert not family.signatures or all(signed[:1])
        for part in turn["parts"]:
            assert part.keys() - {"thought", "thoughtSignature", "videoMetadata", "mediaResolution"}, "an empty part"
    assert not waiting
    assert family.system or "systemInstruction" not in body


def native(body: Json, target: Target) -> None:
    """Ollama: arguments are objects, content is text, a result follows a call."""
    names: list[str] = []
    for turn in body["messages"]:
        assert turn["role"] in ("system", "user", "assistant", "tool")
        assert isinstance(turn["content"], str)
        for call in turn.get("tool_calls", ()):
            assert isinstance(call["function"]["arguments"], dict)
            names.append(call["function"]["name"])
        if turn["role"] == "tool":
            assert turn["tool_name"] in names
            names.remove(turn["tool_name"])
    assert not names


def process(body: Json, target: Target) -> None:
    """Claude Code: one turn of texts and images."""
    content = body["input"]["message"]["content"]
    assert content
    assert all(block["type"] in ("text", "image", "document") for block in content)
    assert all(block["text"].strip() for block in content if block["type"] == "text")


# ---------------------------------------------------------------- what came back
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A golden answer, folded. speaks: the wire format it came in, and the dialect."""

    name: str
    speaks: tuple[WireFormat, Any]
    message: content_pb2.Message


def read(wire: WireFormat, dialect: Any, case: Json) -> EventWriter:
    writer = EventWriter(ORIGIN)
    if "response_body" in case:
        body = case["response_body"]
        wire.parse_response(body.encode() if isinstance(body, str) else json.dumps(body).encode(), writer, dialect)
        return writer
    parser = wire.stream_parser(writer, dialect)
    frames = [(name, json.dumps(payload).encode()) for name, payload in case.get("events", ())]
    if "stream" in case:
        reader = framing.of(wire.framing)
        frames = reader.feed(case["stream"].encode()) + reader.close()
    for name, data in frames:
        try:
            parser.feed(name, data)
        except MalformedJson:
            continue
    parser.close()
    return writer


@cache
def answers() -> list[Answer]:
    """The first candidate of every golden answer that is one."""
    found = []
    golden = [(module, name, case) for module in FORMATS for name, case in runner.every(module).items()]
    for module, name, case in golden:
        if "response" not in case:
            continue
        wire, dialects, default = FORMATS[module]
        dialect = getattr(dialects, case.get("dialect", default))
        try:
            writer = read(wire, dialect, case)
        except GatewayError:
            continue
        accumulator = Accumulator()
        for event in writer.drain():
            accumulator.add(event)
        candidates = accumulator.response().candidates
        if candidates and candidates[0].message.parts:
            found.append(Answer(name=f"{module}/{name}", speaks=(wire, dialect), message=candidates[0].message))
    return found


# ---------------------------------------------------------------- conversations
def text(said: str) -> Part:
    return Part(text=content_pb2.TextPart(text=said))


def image() -> Part:
    return Part(media=content_pb2.MediaPart(mime_type="image/png", data=PNG))


def calls_of(message: Message) -> list[content_pb2.ToolCall]:
    """The calls that the caller must run."""
    return [
        part.tool_call
        for part in message.parts
        if part.WhichOneof("kind") == "tool_call" and not part.tool_call.provider_executed
    ]


def results(message: Message, *, media: bool, apart: bool = False) -> list[Message]:
    """Results of the calls, the last one first, every second one failed, the first with an image. apart: each in its own message."""
    found = Message(role=content_pb2.ROLE_TOOL)
    for number, call in enumerate(calls_of(message)):
        result = content_pb2.ToolResult(tool_call_id=call.id, name=call.name, is_error=bool(number % 2))
        result.parts.append(text(f"result {number}, {BEYOND_ASCII}"))
        if media and not number:
            result.parts.append(image())
        found.parts.append(Part(tool_result=result))
    found.parts.reverse()
    if apart:
        return [Message(role=content_pb2.ROLE_TOOL, parts=[part]) for part in found.parts]
    return [found] if found.parts else []


def follow_up(*turns: Message, media: bool, apart: bool = False) -> gateway_pb2.SendRequest:
    """The request that goes on after these turns of the model, each answered, with instructions in between."""
    request = gateway_pb2.SendRequest()
    request.messages.add(role=content_pb2.ROLE_SYSTEM).parts.append(text("Be brief."))
    request.messages.add(role=content_pb2.ROLE_DEVELOPER).parts.append(text("Use tools."))
    request.messages.add(role=content_pb2.ROLE_USER).parts.append(text("Go."))
    for turn in turns:
        request.messages.append(turn)
        request.messages.extend(results(turn, media=media, apart=apart))
        request.messages.add(role=content_pb2.ROLE_USER).parts.append(text("And now?"))
    return request


def marked(message: Message) -> Message:
    """The message with marks planted into all that only its origin may see."""
    out = Message()
    out.CopyFrom(message)
    for part in out.parts:
        kind = part.WhichOneof("kind")
        if part.signature:
            part.signature = SEALED.encode() + part.signature
        if kind == "reasoning":
            if part.reasoning.encrypted:
                part.reasoning.encrypted = SEALED.encode()
            if part.signature or part.reasoning.encrypted:
                part.reasoning.text += SEALED
            else:
                part.reasoning.text += THOUGHT
        if kind == "opaque":
            part.opaque.json = json.dumps({"type": part.opaque.type, "mark": SEALED})
        if part.provider_options_json:
            part.provider_options_json.clear()
            part.provider_options_json[ORIGIN] = json.dumps({"mark": SEALED})
    return out


def sealed_in(raw: str) -> bool:
    """Whether a mark is in a body, plain or in base64 at any offset."""
    marks = [SEALED]
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + SEALED.encode()).decode()
        marks.append(coded[4 if offset else 0 : -4])
    return any(mark in raw for mark in marks)


THINKING = ("reasoning_content", "reasoning", "thinking", "thought", "summary_text", "reasoning_text")


def visible(value: Any) -> Iterator[str]:
    """The strings of a body that are not in a place for reasoning."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from visible(inner)
    elif isinstance(value, dict) and not (value.get("thought") is True or value.get("type") in THINKING):
        for key, inner in value.items():
            if key not in THINKING:
                yield from visible(inner)


REFUSABLE = re.compile(
    r"messages\[\d+\]\.parts\[\d+\]"
    r"(\.tool_result\.parts\[\d+\])?(\.media(\.\w+)?|\.tool_call\.arguments_json)"
)


def reasonable(request: gateway_pb2.SendRequest, fields: list[str]) -> bool:
    """Whether a refusal names media, or arguments that are no object."""
    for name in fields:
        if not REFUSABLE.fullmatch(name):
            return False
        if name.endswith("arguments_json"):
            message, part = (int(number) for number in re.findall(r"\[(\d+)\]", name))
            try:
                if isinstance(json.loads(request.messages[message].parts[part].tool_call.arguments_json), dict):
                    return False
            except ValueError:
                continue
    return True


def by_name(target: Target) -> str:
    return target.name


# ---------------------------------------------------------------- tests
@pytest.mark.parametrize("target", targets(), ids=by_name)
def test_every_golden_answer_goes_on_at_every_other_provider(target: Target) -> None:
    """Nothing that its origin sealed gets out, and the body is one that the target takes; media that it cannot take are named."""
    taken = 0
    for answer in answers():
        for media in (False, True):
            request = follow_up(marked(answer.message), media=media)
            try:
                body, _ = target.render(request)
            except InvalidRequest as refused:
                fields = [violation.field for violation in refused.violations]
                assert reasonable(request, fields), (answer.name, fields)
                continue
            try:
                target.valid(body, target)
            except AssertionError as wrong:
                raise AssertionError(f"{answer.name}: {wrong}\n{json.dumps(body, indent=1)[:3000]}") from wrong
            assert not sealed_in(json.dumps(body)), answer.name
            assert not any(THOUGHT in said for said in visible(body)), answer.name
            taken += 1
    assert taken > len(answers())


def test_golden_answers_hold_all_that_could_get_out() -> None:
    """There are signatures, encrypted bytes, blocks and options of providers to be kept in."""
    marks = [
        mark
        for answer in answers()
        for part in answer.message.parts
        for mark, there in (
            ("signature", part.signature),
            ("encrypted", part.reasoning.encrypted),
            ("opaque", part.HasField("opaque")),
            ("options", part.provider_options_json),
            ("item", part.item_id),
            ("call", part.HasField("tool_call")),
        )
        if there
    ]
    assert all(marks.count(mark) > 1 for mark in ("signature", "encrypted", "opaque", "options", "item", "call"))


def own(answer: Answer) -> Target | None:
    """The target that the answer came from."""
    for target in targets():
        if target.wire is answer.speaks[0] and target.dialect is answer.speaks[1]:
            return target
    return None


def takes_back(answer: Answer) -> bool:
    """Whether the answer's origin takes back more than text: Claude Code and Ollama do not."""
    target = own(answer)
    return target is None or target.wire not in (claude_code, ollama)


@pytest.mark.parametrize("answer", [a for a in answers() if takes_back(a)], ids=lambda answer: str(answer.name))
def test_every_golden_answer_goes_back_to_its_origin_as_it_came(answer: Answer) -> None:
    """Signatures, encrypted bytes, blocks, ids of items and options are sent byte for byte."""
    target = own(answer)
    assert target is not None
    request = follow_up(answer.message, media=False)
    try:
        body, _ = target.render(request, ORIGIN)
    except InvalidRequest as refused:
        fields = [violation.field for violation in refused.violations]
        assert reasonable(request, fields), fields
        return
    try:
        target.valid(body, target)
    except AssertionError as wrong:
        raise AssertionError(f"{wrong}\n{json.dumps(body, indent=1)[:3000]}") from wrong
    strings = set(texts(body))
    parts = list(answer.message.parts)
    while target.wire in (anthropic, bedrock) and parts[-1].HasField("reasoning"):
        parts.pop()  # "The final block in an assistant message cannot be `thinking`"
    for part in parts:
        for issued in (part.signature, part.reasoning.encrypted):
            if issued:
                assert strings & {issued.decode("utf-8", "replace"), base64.b64encode(issued).decode()}
        if part.HasField("opaque"):
            block = json.loads(part.opaque.json)
            assert any(isinstance(tree, dict) and tree.items() >= block.items() for tree in trees(body)), (
                part.opaque.type
            )
        kind = part.WhichOneof("kind")
        if kind in ("text", "tool_call", "refusal") or part.reasoning.encrypted:
            assert not part.item_id or part.item_id in strings
        for options in part.provider_options_json.values():
            assert set(texts(json.loads(options))) <= strings
        if part.HasField("tool_call") and not part.tool_call.provider_executed and "call_gw_" not in part.tool_call.id:
            assert part.tool_call.id in strings or target.wire is gemini


# ---------------------------------------------------------------- any conversation
def model_turns() -> st.SearchStrategy[Message]:
    return st.sampled_from([answer.message for answer in answers()]).map(marked)


def ids() -> st.SearchStrategy[str]:
    """Ids of calls as servers make them, and as they should not."""
    return st.one_of(
        st.sampled_from(["call_1", "a.b", "a:b", "functions.f:0", "toolu_01", "x" * 41, "x" * 65, "y" * 64 + "1", "é"]),
        st.text(min_size=1, max_size=80),
    )


@st.composite
def turns_of_calls(draw: st.DrawFn) -> Message:
    """A turn of the model with parallel calls, their ids unlike each other."""
    turn = Message(role=content_pb2.ROLE_ASSISTANT)
    if draw(st.booleans()):
        turn.parts.append(text(draw(st.sampled_from(["", " ", "\n", "Let me see."]))))
    for name in draw(st.lists(ids(), min_size=1, max_size=3, unique=True)):
        call = content_pb2.ToolCall(id=name, name=draw(st.sampled_from(["f", "g"])), arguments_json='{"a": 1.0}')
        turn.parts.append(Part(tool_call=call))
    return turn


@settings(max_examples=60, phases=[Phase.explicit, Phase.generate])
@given(
    turns=st.lists(st.one_of(model_turns(), turns_of_calls()), max_size=4),
    first=st.sampled_from([content_pb2.ROLE_USER, content_pb2.ROLE_ASSISTANT]),
    instruction=st.sampled_from([content_pb2.ROLE_SYSTEM, content_pb2.ROLE_DEVELOPER]),
    again=st.booleans(),
    apart=st.booleans(),
    media=st.booleans(),
)
def test_a_conversation_of_mixed_origins_goes_on_anywhere(
    turns: list[Message],
    first: content_pb2.Role.ValueType,
    instruction: content_pb2.Role.ValueType,
    again: bool,
    apart: bool,
    media: bool,
) -> None:
    """Turns of different models, calls with any ids, users who speak twice, instructions in the middle, the model speaking first."""
    request = follow_up(*turns, media=media, apart=apart)
    request.messages[2].role = first
    if again:
        request.messages.add(role=instruction).parts.append(text("Be briefer."))
        request.messages.add(role=content_pb2.ROLE_USER).parts.extend([text("Well?"), text(" ")])
    for target in targets():
        try:
            body, _ = target.render(request)
        except InvalidRequest as refused:
            fields = [violation.field for violation in refused.violations]
            assert reasonable(request, fields), (target.name, fields)
            continue
        try:
            target.valid(body, target)
        except AssertionError as wrong:
            raise AssertionError(f"{target.name}: {wrong}\n{json.dumps(body, indent=1)[:3000]}") from wrong
        assert not sealed_in(json.dumps(body)), target.name
        assert not any(THOUGHT in said for said in visible(body)), target.name


@pytest.mark.parametrize("target", targets(), ids=by_name)
@pytest.mark.parametrize("after", [[], [text("Go on.")]], ids=["alone", "before text"])
def test_a_turn_that_holds_nothing_in_the_end_is_left_out(target: Target, after: list[Part]) -> None:
    """What is left of a turn without its empty texts and its thoughts may be a mark for the cache, and is no turn."""
    point = Part(text=content_pb2.TextPart(text=""), cache_control=content_pb2.CacheControl())
    thought = Part(reasoning=content_pb2.ReasoningPart(text="Hm."), signature_provider=f"the-{target.name}")
    request = gateway_pb2.SendRequest(
        messages=[
            Message(role=content_pb2.ROLE_USER, parts=[text("Hello")]),
            Message(role=content_pb2.ROLE_ASSISTANT, parts=[point, thought]),
            *(Message(role=content_pb2.ROLE_USER, parts=[part]) for part in after),
        ]
    )
    body, _ = target.render(request)
    target.valid(body, target)


@pytest.mark.parametrize("target", targets(), ids=by_name)
def test_a_conversation_of_nothing_but_a_mark_for_the_cache_is_refused_or_sent(target: Target) -> None:
    """Its field is named where the format has nothing to send."""
    point = Part(text=content_pb2.TextPart(text=""), cache_control=content_pb2.CacheControl())
    thought = Part(reasoning=content_pb2.ReasoningPart(text="Hm."), signature_provider=f"the-{target.name}")
    request = gateway_pb2.SendRequest(messages=[Message(role=content_pb2.ROLE_ASSISTANT, parts=[point, thought])])
    violations: list[Violation] = []
    try:
        target.render(request)
    except InvalidRequest as refused:
        violations = list(refused.violations)
    assert [violation.field for violation in violations] in ([], ["messages"])
