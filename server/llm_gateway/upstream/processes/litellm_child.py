"""The program that runs LiteLLM: Chat Completions over HTTP/1.1 on a Unix socket. It is no part of the gateway's process.

    python -I litellm_child.py SOCKET

Standard input holds one line, a JSON object of arguments that every call gets (base URL, secrets), and its end ends the program: calls
under way are finished. "ready" on standard output says that the socket listens, "absent" that LiteLLM cannot be imported.
Nothing here imports the gateway: the interpreter may be one that has LiteLLM only.
"""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any

MAX_HEAD = 64 << 10
MAX_BODY = 64 << 20
KEYS_OF_CALLS = frozenset(
    (
        "audio", "extra_body", "frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "messages", "modalities",
        "model", "n", "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_retention",
        "reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream", "stream_options",
        "temperature", "thinking", "tool_choice", "tools", "top_k", "top_logprobs", "top_p", "user", "verbosity", "web_search_options",
    )
)  # fmt: skip
"""What a request may say. Other arguments of LiteLLM's choose addresses, keys and callbacks, which are the operator's to choose."""


class Server:
    """Answers one request a connection."""

    def __init__(self, litellm: Any, arguments: dict[str, Any]) -> None:
        self._litellm = litellm
        self._arguments = arguments
        self.calls: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine of the server's
        self.calls.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._serve(reader, writer)
        finally:
            self.calls.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.split("\r\n")[:-2]
        method = line.split(" ")[0]
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        size = int(headers.get("content-length", "0"))
        if size > MAX_BODY:
            return
        body = await reader.readexactly(size)
        if method == "GET":
            await _whole(writer, 200, {"data": []})
            return
        answer = asyncio.ensure_future(self._answer(writer, json.loads(body), headers))
        gone = asyncio.ensure_future(reader.read(1))
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        for task in (answer, gone):
            task.cancel()
        await asyncio.gather(answer, gone, return_exceptions=True)

    async def _answer(self, writer: asyncio.StreamWriter, body: dict[str, Any], headers: dict[str, str]) -> None:
        foreign = sorted(body.keys() - KEYS_OF_CALLS)
        if foreign:
            problem = {"message": f"a call may not set: {', '.join(foreign)}", "type": "invalid_request_error"}
            await _whole(writer, 400, {"error": problem})
            return
        arguments = {**self._arguments, **body, "num_retries": 0, "max_retries": 0}
        key = headers.get("authorization", "").removeprefix("Bearer ")
        if key:
            arguments["api_key"] = key
        try:
            response = await self._litellm.acompletion(**arguments)
        except Exception as error:
            status, problem, retry_after = _problem(error)
            await _whole(writer, status, {"error": problem}, retry_after)
            return
        if not body.get("stream"):
            whole = response.model_dump(exclude_none=True)
            cost = (getattr(response, "_hidden_params", None) or {}).get("response_cost")
            if cost is not None and "usage" in whole:
                whole["usage"].setdefault("cost", cost)  # where the last chunk of a stream has it
            await _whole(writer, 200, whole)
            return
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        )
        try:
            async for chunk in response:
                await _event(writer, chunk.model_dump_json(exclude_none=True))
        except ConnectionError:
            raise
        except Exception as error:
            await _event(writer, json.dumps({"error": _problem(error)[1]}))
        else:
            await _event(writer, "[DONE]")
        finally:
            with suppress(Exception):
                await response.aclose()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _problem(error: Exception) -> tuple[int, dict[str, Any], str]:
    """(HTTP status, error object, retry-after) of an exception of LiteLLM's, which has its provider's status."""
    status = getattr(error, "status_code", None)
    status = status if isinstance(status, int) and 400 <= status < 600 else 500
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    code = getattr(error, "code", None)
    problem = {"message": str(getattr(error, "message", error)), "type": type(error).__name__, "code": code}
    return status, problem, headers.get("retry-after") or ""


async def _whole(writer: asyncio.StreamWriter, status: int, value: Any, retry_after: str = "") -> None:
    data = json.dumps(value).encode()
    more = (
        f"retry-after: {retry_after}\r\n" if retry_after.isascii() and retry_after.isprintable() and retry_after else ""
    )
    head = f"HTTP/1.1 {status} .\r\ncontent-type: application/json\r\n{more}content-length: {len(data)}\r\nconnection: close\r\n\r\n"
    writer.write(head.encode("latin-1") + data)
    await writer.drain()


async def _event(writer: asyncio.StreamWriter, text: str) -> None:
    data = f"data: {text}\n\n".encode()
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))
    await writer.drain()


async def main(path: str, ready: int) -> None:
    loop = asyncio.get_running_loop()
    given = asyncio.StreamReader(limit=MAX_BODY)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(given), os.fdopen(0, "rb"))
    arguments = json.loads(await given.readline())
    try:
        import litellm
    except ImportError:
        os.write(ready, b"absent\n")
        return
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = False  # what a provider does not take is an error, never silence
    server = Server(litellm, arguments)
    listening = await asyncio.start_unix_server(server.serve, path, limit=MAX_HEAD)
    os.write(ready, b"ready\n")
    while await given.read(MAX_HEAD):
        pass
    listening.close()
    while server.calls:
        await asyncio.wait(server.calls)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the gateway's to handle
    out = os.dup(1)
    os.dup2(2, 1)  # what libraries print goes where errors go
    asyncio.run(main(sys.argv[1], out))
    os._exit(0)  # threads of libraries are not waited for
