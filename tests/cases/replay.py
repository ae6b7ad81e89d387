"""One case: its upstreams on real sockets, the gateway as users start it, its calls by gRPC, its checks."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from llmgateway.accumulator import Accumulator
from llmgateway.v1 import content_pb2, error_pb2, gateway_pb2, gateway_pb2_grpc, health_pb2, model_pb2

from tests.support import gateway as gateways
from tests.support import upstream as scripted
from tests.support.aws import event_message
from tests.support.upstream import CLOSE, END, HANG, Head, Pause, Request, Script, Step, Upstream

Json = Mapping[str, Any]
DETAILS = (error_details_pb2.DESCRIPTOR, error_pb2.DESCRIPTOR)
"""Kept loaded: the details of a status are read by their names."""


class Tree(dict[str, Any]):
    """A JSON object whose members are attributes; what it does not have is None."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


def tree(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Tree({name: tree(member) for name, member in value.items()})
    return [tree(member) for member in value] if isinstance(value, list) else value


def plain(message: Message) -> Tree:
    found: Tree = tree(json_format.MessageToDict(message, preserving_proto_field_name=True))
    return found


# ---------------------------------------------------------------- upstreams
@dataclass(slots=True, kw_only=True)
class Scripted(Upstream):
    """GETs, which ask for model lists, have scripts of their own, by the end of their path."""

    lists: Mapping[str, Script] = field(default_factory=dict)
    drops_reused: bool = False
    dropped: int = 0

    def _next_script(self, request: Request) -> Script:
        if self.drops_reused and any(
            other.connection == request.connection for other in self.requests if other is not request
        ):
            self.dropped += 1
            return (CLOSE,)
        if request.method == "GET":
            path = request.path.partition("?")[0]
            found = (script for end, script in self.lists.items() if path.endswith(end))
            return next(found, scripted.whole(404, {}))
        return Upstream._next_script(self, request)

    def calls(self) -> list[Request]:
        return [request for request in self.requests if request.method != "GET"]


def script(answer: str | Json) -> Script:
    """The steps of an answer: a text, {"pieces": texts and pauses, "end"}, or {"head", "eventstream": frames, "cut"}."""
    answer = {"pieces": [answer]} if isinstance(answer, str) else answer
    if "eventstream" in answer:
        data = b"".join(frame(each) for each in answer["eventstream"])
        pieces: list[Any] = [answer["head"], data[: len(data) - answer.get("cut", 0)]]
    else:
        pieces = list(answer["pieces"])
    steps: list[Step] = []
    while isinstance(pieces[0], (int, float)):
        steps.append(Pause(pieces.pop(0)))
    start, _, rest = pieces[0].partition("\r\n\r\n")
    said = [piece.encode() if isinstance(piece, str) else piece for piece in (rest, *pieces[1:])]
    status, *lines = start.strip().split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    chunked = headers.pop("transfer-encoding", "") == "chunked"
    size = int(headers.pop("content-length", sum(len(piece) for piece in said if isinstance(piece, bytes))))
    steps.append(Head(int(status.split()[1]), tuple(headers.items()), "chunked" if chunked else "length", size))
    steps += [piece if isinstance(piece, bytes) else Pause(piece) for piece in said if piece]
    ends: dict[str, tuple[Step, ...]] = {"hang": (HANG,), "cut": (CLOSE,)}
    closes: tuple[Step, ...] = (END, CLOSE) if headers.get("connection") == "close" else (END,)
    return (*steps, *ends.get(answer.get("end", "whole"), closes))


def frame(given: Sequence[Any]) -> bytes:
    if given[0] == ":exception-type":
        return event_message(given[1], given[2], "exception")
    return event_message(given[0], given[1])


@asynccontextmanager
async def upstreams(case: Json, scripts: Json) -> AsyncIterator[dict[str, Scripted]]:
    gets = case.get("gets", {})
    async with AsyncExitStack() as stack:
        running: dict[str, Scripted] = {}
        for name, answers in scripts.items():
            lists = gets.get(name, {}) if gets.keys() <= scripts.keys() else gets if name == "a" else {}
            upstream = Scripted(
                lists={end: script(answer) for end, answer in lists.items()},
                drops_reused=name in case.get("drops_reused", ()),
            )
            upstream.script(*map(script, answers))
            await stack.enter_async_context(scripted.running(upstream=upstream))
            running[name] = upstream
        yield running


def addressed(value: Any, running: Mapping[str, Scripted]) -> Any:
    """The value with the URLs of the upstreams in place of their names."""
    text = json.dumps(value)
    for name, upstream in running.items():
        text = text.replace(f"{{{name}}}", upstream.url)
    return json.loads(text)


# ---------------------------------------------------------------- calls
class Caller:
    """Calls one gateway step by step, and remembers the message that the model said last."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=[("grpc.enable_retries", 0)])
        self._stub: Any = gateway_pb2_grpc.LLMGatewayStub(self._channel)
        self._said = content_pb2.Message()

    async def close(self) -> None:
        await self._channel.close()

    async def step(self, step: Json) -> Tree:
        """{"answer", "error", "took"} of one call."""
        started = time.monotonic()
        how = {"timeout": step["timeout"], "metadata": tuple(step.get("metadata", {}).items())}
        answer, error = Tree(), None
        try:
            if step["rpc"] == "list_models":
                asked = json_format.ParseDict(step["request"], model_pb2.ListModelsRequest())
                answer = plain(await self._stub.ListModels(asked, **how))
            elif step["rpc"] == "health":
                asked_health = json_format.ParseDict(step["request"], health_pb2.HealthRequest())
                answer = plain(await self._stub.Health(asked_health, **how))
            elif step["rpc"] == "send":
                response = await self._stub.Send(self._request(step["request"]), **how)
                answer = self._heard(response)
            else:
                answer, error = await self._stream(step, how)
        except grpc.aio.AioRpcError as failure:
            error = failed(failure)
        return Tree(answer=answer, error=error, took=time.monotonic() - started)

    async def _stream(self, step: Json, how: Json) -> tuple[Tree, Tree | None]:
        call = self._stub.StreamSend(gateway_pb2.StreamSendRequest(request=self._request(step["request"])), **how)
        folded, ends, last, started, error, count = Accumulator(), 0, "", False, None, 0
        try:
            async for event in call:
                folded.add(event)
                count += 1
                last = event.WhichOneof("event")
                started |= last == "started"
                ends += last == "completed"
                if step.get("cancel_after_events") == count:
                    call.cancel()
                    await asyncio.sleep(step.get("then_wait", 0.5))
                    break
        except grpc.aio.AioRpcError as failure:
            error = failed(failure)
        answer = self._heard(folded.response())
        answer.update(completed=ends, after_completed=bool(ends) and last != "completed", started=started)
        return answer, error

    def _heard(self, response: gateway_pb2.SendResponse) -> Tree:
        if response.candidates:
            self._said = response.candidates[0].message
        answer = plain(response)
        answer.setdefault("warnings", [])
        return answer

    def _request(self, given: Json) -> gateway_pb2.SendRequest:
        """The request; "@answer" is the message before, "@call0" the id of its first call."""
        text = json.dumps(given)
        for index, part in enumerate(part for part in self._said.parts if part.HasField("tool_call")):
            text = text.replace(f"@call{index}", part.tool_call.id)
        value = json.loads(text)
        messages = value.pop("messages", [])
        request = json_format.ParseDict(value, gateway_pb2.SendRequest())
        for message in messages:
            if message == "@answer":
                request.messages.append(self._said)
            else:
                json_format.ParseDict(message, request.messages.add())
        return request


def failed(error: grpc.aio.AioRpcError) -> Tree:
    """Code, message, reason, push-back, and each detail under its type's name."""
    found = Tree(code=error.code().name, message=error.details())
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in plain(status_pb2.Status.FromString(value)).details or ():
                found[detail["@type"].rpartition(".")[2]] = detail
        elif key == "grpc-retry-pushback-ms":
            found["pushback"] = value
    found["reason"] = (found.ErrorInfo or Tree()).reason
    return found


# ---------------------------------------------------------------- a case
async def replay(case: Json) -> list[str]:
    """The checks that do not hold, in every mode of the case."""
    modes = case.get("modes") or [case.get("mode", "send")]
    wrong = []
    for mode in modes:
        scripts = case["upstream"][mode] if len(modes) > 1 else case["upstream"]
        found = await once(case, mode, scripts if isinstance(scripts, dict) else {"a": scripts})
        wrong += [f"[{mode}] {check}" for check in found] if len(modes) > 1 else found
    return wrong


async def once(case: Json, mode: str, scripts: Json) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        async with upstreams(case, scripts) as running:
            config = addressed(case["provider"]["config"], running)
            with gateways.process(config, Path(folder), case["provider"].get("env")) as gateway:
                caller = Caller(gateway.address)
                results = []
                for given in case.get("steps") or [{"request": case["request"]}]:
                    step = {"rpc": mode, "timeout": case.get("timeout", 20), "request": {}, **addressed(given, running)}
                    results += [await caller.step(step) for _ in range(step.get("times", 1))]
                    await asyncio.sleep(step.get("sleep", 0))
                await caller.close()
                names = vocabulary(results, running, gateway.log.read_text(errors="replace"))
            return [told for check in case["expect"]["checks"] if (told := refuted(check, names))]


def refuted(check: str, names: dict[str, Any]) -> str:
    """The check, with what was raised, where it does not hold; else ""."""
    try:
        return "" if eval(check, names) else check
    except Exception as error:
        return f"{check}  ({type(error).__name__}: {error})"


def vocabulary(results: list[Tree], running: Mapping[str, Scripted], log: str) -> dict[str, Any]:
    """What checks speak of."""

    def parts(answer: Tree, kind: str = "") -> list[Any]:
        message = answer.candidates[0].message if answer.candidates else None
        found = (message.parts if message else None) or []
        return [part[kind] for part in found if kind in part] if kind else found

    def calls(upstream: Scripted) -> list[Any]:
        return [
            tree({
                "path": request.path, "headers": request.headers, "raw": request.body.decode("utf-8", "replace"),
                "body": json.loads(request.body or b"null"), "at": request.arrived,
            })
            for request in upstream.calls()
        ]  # fmt: skip

    def arguments(call: Tree) -> Any:
        return json.loads(call.arguments_json) if call.arguments_json else call.arguments_json

    sent = {name: calls(upstream) for name, upstream in running.items()}
    return {
        "json": json,
        "re": re,
        "results": results,
        "answer": results[-1].answer,
        "error": results[-1].error,
        "took": results[-1].took,
        "calls": Tree(sent),
        "a": sent.get("a", []),
        "b": sent.get("b", []),
        "gone": {name: [request.aborted for request in upstream.aborts] for name, upstream in running.items()},
        "lists": {name: [r.path for r in upstream.requests if r.method == "GET"] for name, upstream in running.items()},
        "dropped": {name: upstream.dropped for name, upstream in running.items()},
        "log": log,
        "parts": parts,
        "text": lambda answer: "".join(part.text or "" for part in parts(answer, "text")),
        "thought": lambda answer: "".join(part.text or "" for part in parts(answer, "reasoning")),
        "tools": lambda answer: [[call.name, arguments(call)] for call in parts(answer, "tool_call")],
        "ids": lambda answer: [call.id for call in parts(answer, "tool_call")],
        "finish": lambda answer: answer.candidates[0].finish_reason if answer.candidates else None,
        "tokens": lambda answer: {k: int(v) for k, v in (answer.usage or {}).items() if str(v).isdigit()},
        "unb64": lambda value: base64.b64decode(value or "").decode(),
    }
