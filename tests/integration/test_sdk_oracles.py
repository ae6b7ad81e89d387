"""The vendors' own clients as oracles: what they make of the golden answers is what our parsers make of them, and the requests that
they send are the golden ones.

An answer goes over a real socket to the vendor's client and is summed up as it sees it; the golden case, which our parser is held to,
is summed up the same way. Texts, calls, the vendor's word for the end, and tokens must agree.

Each test imports its client: together they take seconds, and every worker collects this module.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pydantic
import pytest

from tests.golden import runner
from tests.support import dialects
from tests.support.upstream import Upstream, stream, whole

Case = dict[str, Any]
ASK: Any = [{"role": "user", "content": "hi"}]


@dataclass(kw_only=True)
class Summary:
    """What a caller learns from an answer. tokens: in and out, inclusive of caches and reasoning; None where none were told."""

    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    finish: str = ""
    tokens: tuple[int, int] | None = None


def golden(case: Case) -> Summary:
    """The case's own answer."""
    answer = case["response"]
    candidate = (answer.get("candidates") or [{}])[0]
    found = Summary(finish=candidate.get("provider_finish_reason", ""))
    for part in candidate.get("message", {}).get("parts", []):
        found.text += part.get("text", {}).get("text", "")
        found.reasoning += part.get("reasoning", {}).get("text", "")
        if call := part.get("tool_call"):
            found.calls.append((call["name"], arguments(call.get("arguments_json", ""))))
    if usage := answer.get("usage"):
        found.tokens = (int(usage.get("input_tokens", 0)), int(usage.get("output_tokens", 0)))
    return found


def arguments(text: str) -> Any:
    """Arguments as a value; a custom tool's input is text."""
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return text


def answers(module: str, differs: Mapping[str, str], named: Iterable[str] = ("",)) -> list[Any]:
    """The golden answers of a module in these dialects that a caller gets whole. differs: cases that the client reads otherwise, and
    why; those are left out."""
    found = []
    names = set()
    for parameter in (*runner.cases(module, "response_body"), *runner.cases(module, "stream")):
        case = parameter.values[0]
        names.add(parameter.id)
        if (
            parameter.id in differs
            or "raises" in case
            or case.get("dialect", "") not in named
            or isinstance(case.get("response_body"), str)
        ):
            continue
        found.append(parameter)
    assert differs.keys() <= names
    return found


def serve(upstream: Upstream, case: Case, content_type: str = "text/event-stream") -> bool:
    """Answer every request with the case's bytes. Returns whether they are a stream."""
    if "stream" in case:
        upstream.script(stream(case["stream"].encode(), content_type=content_type))
    else:
        upstream.script(whole(200, json.dumps(case["response_body"]).encode()))
    return "stream" in case


def check(case: Case, seen: Summary, *, without: Iterable[str] = ()) -> None:
    """What the client saw is what the case says, but for what the client knows no place for."""
    expected = golden(case)
    for name in without:
        setattr(seen, name, getattr(expected, name))
    if expected.tokens is None:
        assert seen.tokens in (None, (0, 0))
        seen.tokens = None
    assert seen == expected


# ---------------------------------------------------------------- OpenAI Chat Completions
_SLIP = "a slip of compatible servers, which the client hands on"
OPENAI_DIFFERS = {
    "unary_legacy_function_call": "the client keeps the older function_call apart",
    "unary_object_content": _SLIP,
    "unary_content_zero_values": _SLIP,
    "unary_nameless_call": _SLIP,
    "unary_zero_values": _SLIP,
    "unary_deepinfra_cost": "the case tells of the usage alone",
    "unary_think_tags": "the client leaves <think> in the text",
    "stream_think_tags": "the client leaves <think> in the text",
    "unary_xai_usage": "xAI counts reasoning beside the completion",
    "stream_groq_usage": "Groq sends usage in a field of its own",
    "stream_tools_all_index_0": _SLIP,
    "stream_tools_ids_change": _SLIP,
    "stream_zero_values": _SLIP,
    "stream_tools_odd_values": _SLIP,
    "stream_tools_without_index": _SLIP,
    "stream_whole_answer": _SLIP,
}


@pytest.mark.parametrize(
    "case", answers("openai_chat", OPENAI_DIFFERS, ("", "OPENAI", "GENERIC", "AZURE_OPENAI", "XAI"))
)
async def test_openai_reads_chat_completions_as_we_do(case: Case, upstream: Upstream) -> None:
    """Its client accumulates what we accumulate."""
    import openai

    seen = Summary()
    async with openai.AsyncOpenAI(base_url=f"{upstream.url}/v1", api_key="none", max_retries=0) as client:
        if serve(upstream, case):
            calls: dict[int, list[str]] = {}
            chunks: Any = await client.chat.completions.create(model="m", messages=ASK, stream=True)
            async for chunk in chunks:
                if chunk.usage:
                    seen.tokens = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
                for choice in chunk.choices:
                    if choice.index:
                        continue
                    seen.text += choice.delta.content or ""
                    seen.finish = choice.finish_reason or seen.finish
                    for call in choice.delta.tool_calls or ():
                        held = calls.setdefault(call.index, ["", ""])
                        held[0] += (call.function and call.function.name) or ""
                        held[1] += (call.function and call.function.arguments) or ""
            seen.calls = [(name, arguments(text)) for name, text in calls.values()]
        else:
            answer: Any = await client.chat.completions.create(model="m", messages=ASK)
            choice = answer.choices[0]
            seen.text, seen.finish = choice.message.content or "", choice.finish_reason or ""
            if answer.usage:
                seen.tokens = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
            seen.calls = [
                (call.function.name, arguments(call.function.arguments)) for call in choice.message.tool_calls or ()
            ]
    check(case, seen, without=("reasoning",))  # has no place in the client's types


# ---------------------------------------------------------------- OpenAI Responses
@pytest.mark.parametrize(
    "case", answers("openai_responses", {"answer_xai_unary": "xAI counts reasoning beside the output"}, ("", "XAI"))
)
async def test_openai_reads_responses_as_we_do(case: Case, upstream: Upstream) -> None:
    """Its client's final response holds what our events add up to."""
    import openai

    async with openai.AsyncOpenAI(base_url=f"{upstream.url}/v1", api_key="none", max_retries=0) as client:
        if serve(upstream, case):
            answer: Any = None
            async for event in await client.responses.create(model="m", input="hi", stream=True):
                if event.type in ("response.completed", "response.incomplete"):
                    answer = event.response
        else:
            answer = await client.responses.create(model="m", input="hi")
    seen = Summary(text=answer.output_text, finish=answer.status)
    if answer.incomplete_details:
        seen.finish = answer.incomplete_details.reason
    if answer.usage:
        seen.tokens = (answer.usage.input_tokens, answer.usage.output_tokens)
    for item in answer.output:
        if item.type == "function_call":
            seen.calls.append((item.name, arguments(item.arguments)))
        elif item.type == "custom_tool_call":
            seen.calls.append((item.name, item.input))
    check(case, seen, without=("reasoning",))


# ---------------------------------------------------------------- Anthropic Messages
ANTHROPIC_DIFFERS = {
    "answer_cut_server_call_stream": "the client fails where a server tool's arguments are cut",
    "answer_unannounced_stream": "the client fails on deltas of blocks that nothing announced",
}


@pytest.mark.parametrize("case", answers("anthropic", ANTHROPIC_DIFFERS))
async def test_anthropic_reads_messages_as_we_do(case: Case, upstream: Upstream) -> None:
    """Its client's accumulated message holds what our events add up to."""
    import anthropic

    async with anthropic.AsyncAnthropic(base_url=upstream.url, api_key="none", max_retries=0) as client:
        if serve(upstream, case):
            async with client.messages.stream(model="m", max_tokens=9, messages=ASK) as answer:
                message: Any = await answer.get_final_message()
        else:
            message = await client.messages.create(model="m", max_tokens=9, messages=ASK)
    seen = Summary(finish=message.stop_reason or "")
    for block in message.content:
        if block.type == "text":
            seen.text += block.text
        elif block.type == "thinking":
            seen.reasoning += block.thinking
        elif block.type == "tool_use":
            seen.calls.append((block.name, block.input))
    usage = message.usage
    read = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    seen.tokens = (read, usage.output_tokens)
    check(case, seen)


# ---------------------------------------------------------------- Gemini
GEMINI_DIFFERS = {
    "answer_array_sse": "the client asks for events only, not for an array",
    "answer_partial_calls_stream": "the client leaves arguments in pieces",
    "answer_zero_values_unary": _SLIP,
    "answer_zero_values_stream": "the client fails on a null",
}


@pytest.mark.parametrize("case", answers("gemini", GEMINI_DIFFERS))
async def test_google_reads_candidates_as_we_do(case: Case, upstream: Upstream) -> None:
    """Its client's chunks hold what our events add up to."""
    from google import genai
    from google.genai import types as gemini_types

    seen = Summary()
    client = genai.Client(api_key="none", http_options=gemini_types.HttpOptions(base_url=upstream.url))
    if serve(upstream, case):
        chunks = [chunk async for chunk in await client.aio.models.generate_content_stream(model="m", contents="hi")]
    else:
        chunks = [await client.aio.models.generate_content(model="m", contents="hi")]
    await client.aio.aclose()
    for chunk in chunks:
        if usage := chunk.usage_metadata:
            read = (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0)
            seen.tokens = (read, (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0))
        if chunk.prompt_feedback and chunk.prompt_feedback.block_reason:
            seen.finish = chunk.prompt_feedback.block_reason.value
        candidate = next((one for one in chunk.candidates or () if not one.index), None)
        if candidate is None:
            continue
        if candidate.finish_reason:
            seen.finish = candidate.finish_reason.value
        for part in (candidate.content and candidate.content.parts) or ():
            if part.text and part.thought:
                seen.reasoning += part.text
            elif part.text:
                seen.text += part.text
            if part.function_call:
                seen.calls.append((part.function_call.name or "", part.function_call.args or {}))
    check(case, seen)


# ---------------------------------------------------------------- Ollama
OLLAMA_DIFFERS = {
    "answer_text_stream": "the client cuts lines at U+0085 and U+2028 too",
    "answer_zero_values": _SLIP,
}


@pytest.mark.parametrize("case", answers("ollama", OLLAMA_DIFFERS))
async def test_ollama_reads_its_chat_as_we_do(case: Case, upstream: Upstream) -> None:
    """Its client's parts hold what our events add up to."""
    import ollama

    seen = Summary()
    async with ollama.AsyncClient(upstream.url) as client:
        if serve(upstream, case, "application/x-ndjson"):
            parts = [part async for part in await client.chat("m", ASK, stream=True)]
        else:
            parts = [await client.chat("m", ASK)]
    for part in parts:
        seen.text += part.message.content or ""
        seen.reasoning += part.message.thinking or ""
        seen.calls += [(call.function.name, dict(call.function.arguments)) for call in part.message.tool_calls or ()]
        seen.finish = part.done_reason or seen.finish
        if part.done:
            seen.tokens = (part.prompt_eval_count or 0, part.eval_count or 0)
    check(case, seen)


# ---------------------------------------------------------------- Mistral
@pytest.mark.parametrize("case", answers("openai_chat", {}, ("MISTRAL",)))
async def test_mistral_reads_chat_completions_as_we_do(case: Case, upstream: Upstream) -> None:
    """Thinking in content lists, calls, usage."""
    import mistralai.client as mistral

    seen = Summary()
    async with mistral.Mistral(api_key="none", server_url=upstream.url) as client:
        if serve(upstream, case):
            async for event in await client.chat.stream_async(model="m", messages=ASK):
                chunk = event.data
                if chunk.usage:
                    seen.tokens = (chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)
                for choice in chunk.choices:
                    _take_mistral(choice.delta, seen)
                    seen.finish = choice.finish_reason or seen.finish
        else:
            answer = await client.chat.complete_async(model="m", messages=ASK)
            _take_mistral(answer.choices[0].message, seen)
            seen.finish = answer.choices[0].finish_reason
            seen.tokens = (answer.usage.prompt_tokens or 0, answer.usage.completion_tokens or 0)
    check(case, seen)


def _take_mistral(message: Any, seen: Summary) -> None:
    content = message.content
    if isinstance(content, str):
        seen.text += content
    else:
        for chunk in content or ():
            if chunk.type == "text":
                seen.text += chunk.text
            elif chunk.type == "thinking":
                seen.reasoning += "".join(inner.text for inner in chunk.thinking)
    for call in message.tool_calls or ():
        given = call.function.arguments
        seen.calls.append((call.function.name, arguments(given) if isinstance(given, str) else given))


# ---------------------------------------------------------------- requests
def requests(module: str, named: Iterable[str], differs: Mapping[str, str]) -> list[Any]:
    """The golden requests of a module in these dialects that are sent. differs: cases that the client cannot send, and why."""
    found = []
    names = set()
    for parameter in runner.cases(module, "request"):
        case = parameter.values[0]
        names.add(parameter.id)
        if "wire" in case and case.get("dialect", "") in named and parameter.id not in differs:
            found.append(parameter)
    assert differs.keys() <= names
    return found


async def sent(upstream: Upstream, send: Callable[[], Awaitable[Any]]) -> tuple[str, Any]:
    """(path, body) of what a client sends; what it makes of the answer is not asked here."""
    upstream.script(whole(400, b"{}"))
    try:
        await send()
    except Exception:
        if not upstream.requests:  # the client would not send it
            raise
    (request,) = upstream.requests
    return request.path, request.json()


def valid(declared: Any, wire: Case) -> None:
    """The body is what the client's type of it says. Raises pydantic.ValidationError."""
    pydantic.TypeAdapter(declared).validate_python(wire)


@pytest.mark.parametrize(
    "case", requests("openai_chat", ("OPENAI",), {"request_everything_openai": "holds an option of another server"})
)
async def test_openai_sends_our_chat_completions(case: Case, upstream: Upstream) -> None:
    """Its client takes the golden body as arguments, and as its types have them, and sends the same body to the same path."""
    import openai
    from openai.types.chat.completion_create_params import CompletionCreateParams

    wire = case["wire"]
    valid(CompletionCreateParams, wire)
    async with openai.AsyncOpenAI(base_url=upstream.url, api_key="none", max_retries=0) as client:
        path, body = await sent(upstream, lambda: client.chat.completions.create(**wire))
    assert (path, body) == (dialects.CHAT.OPENAI.chat_path, wire)


_ASSISTANT = "the client's type of an assistant's message wants an id, which the API does without"
RESPONSES_DIFFER = {
    "request_foreign_history": _ASSISTANT,
    "request_without_a_place": _ASSISTANT,
    "request_media": "the client's type of an image wants a detail, which the API does without",
    "request_replay": "items come back as they came, those without a field that the client's type wants too",
}


@pytest.mark.parametrize("case", requests("openai_responses", ("",), RESPONSES_DIFFER))
async def test_openai_sends_our_responses(case: Case, upstream: Upstream) -> None:
    """The same for the Responses API."""
    import openai
    from openai.types.responses.response_create_params import ResponseCreateParams

    wire = case["wire"]
    valid(ResponseCreateParams, wire)
    async with openai.AsyncOpenAI(base_url=upstream.url, api_key="none", max_retries=0) as client:
        path, body = await sent(upstream, lambda: client.responses.create(**wire))
    assert (path, body) == ("/responses", wire)


_LEGACY = "sampling parameters belong to the API's older version, which the client's types have left"
ANTHROPIC_SENDS_NOT = {
    "reasoning_sampling": _LEGACY,
    "request_sampling_old_model": _LEGACY,
    "request_server_blocks": "MCP servers are a beta, which the client keeps apart",
}


@pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")
@pytest.mark.parametrize("case", requests("anthropic", ("",), ANTHROPIC_SENDS_NOT))
async def test_anthropic_sends_our_messages(case: Case, upstream: Upstream) -> None:
    """The same for the Messages API."""
    import anthropic
    from anthropic.types.message_create_params import MessageCreateParams

    wire = case["wire"]
    valid(MessageCreateParams, wire)
    async with anthropic.AsyncAnthropic(base_url=upstream.url, api_key="none", max_retries=0) as client:
        path, body = await sent(upstream, lambda: client.messages.create(**wire))
    assert (path, body) == ("/v1/messages", wire)


OLLAMA_SENDS_NOT = {
    "request_options": "the client has no truncate",
    "request_results_by_name": "the client leaves an empty text out",
    "request_custom_call": "the client knows no ids of calls",
    "request_tools": "the client knows no ids of calls",
}


@pytest.mark.parametrize("case", requests("ollama", ("",), OLLAMA_SENDS_NOT))
async def test_ollama_sends_our_chat(case: Case, upstream: Upstream) -> None:
    """The same for Ollama's chat; the client also says that there are no tools."""
    import ollama

    async def send() -> None:
        answer = await client.chat(**case["wire"])
        if case["wire"]["stream"]:
            await anext(answer)

    async with ollama.AsyncClient(upstream.url) as client:
        path, body = await sent(upstream, send)
    assert (path, body) == ("/api/chat", {"tools": [], **case["wire"]})


GEMINI_FIELDS = {
    "systemInstruction": "system_instruction",
    "tools": "tools",
    "toolConfig": "tool_config",
    "safetySettings": "safety_settings",
    "cachedContent": "cached_content",
    "labels": "labels",
    "serviceTier": "service_tier",
    "store": "store",
}


@pytest.mark.parametrize("case", requests("gemini", ("",), {"request_options": "holds fields that nobody knows"}))
async def test_google_sends_our_contents(case: Case, upstream: Upstream) -> None:
    """Its client knows every field of the golden body, and sends the same."""
    from google import genai
    from google.genai import types as gemini_types

    wire = case["wire"]
    assert wire.keys() <= {"contents", "generationConfig", *GEMINI_FIELDS}
    config = gemini_types.GenerateContentConfig.model_validate(
        {
            **wire.get("generationConfig", {}),
            **{name: wire[field] for field, name in GEMINI_FIELDS.items() if field in wire},
            "automatic_function_calling": {"disable": True},
        }
    )
    contents = [gemini_types.Content.model_validate(content) for content in wire["contents"]]
    options = gemini_types.HttpOptions(base_url=upstream.url, api_version="v1beta")
    client = genai.Client(api_key="none", http_options=options)
    path, body = await sent(
        upstream, lambda: client.aio.models.generate_content(model="m", contents=contents, config=config)
    )
    await client.aio.aclose()
    assert path == "/v1beta/models/m:generateContent"
    assert alike(body) == alike(wire)


def alike(value: Any) -> Any:
    """Protobuf's JSON with one spelling of names and levels, and without what is empty (https://protobuf.dev/programming-guides/json)."""
    if isinstance(value, list):
        return [alike(item) for item in value]
    if not isinstance(value, dict):
        return value
    spelt = {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): alike(item) for name, item in value.items()}
    if "thinkingLevel" in spelt:
        spelt["thinkingLevel"] = spelt["thinkingLevel"].upper()
    return {name: item for name, item in spelt.items() if name != "generationConfig" or item}


MISTRAL_SENDS_NOT = {"request_everything_mistral": "holds an option of another server"}


@pytest.mark.parametrize("case", requests("openai_chat", ("MISTRAL",), MISTRAL_SENDS_NOT))
async def test_mistral_sends_our_chat_completions(case: Case, upstream: Upstream) -> None:
    """Its client takes the golden body as arguments, and sends the same, with defaults where it says nothing."""
    import mistralai.client as mistral

    wire = case["wire"]
    async with mistral.Mistral(api_key="none", server_url=upstream.url) as client:
        call = client.chat.stream_async if wire.get("stream") else client.chat.complete_async
        path, body = await sent(upstream, lambda: call(**{k: v for k, v in wire.items() if k != "stream"}))
    assert path == dialects.CHAT.MISTRAL.chat_path
    assert common(body, wire) == wire


def common(body: Any, wire: Any) -> Any:
    """The body without fields that the wire does not have."""
    if isinstance(body, dict) and isinstance(wire, dict):
        return {name: common(value, wire[name]) for name, value in body.items() if name in wire}
    if isinstance(body, list) and isinstance(wire, list) and len(body) == len(wire):
        return [common(*pair) for pair in zip(body, wire, strict=True)]
    return body
