"""The program that runs LiteLLM: Chat Completions over HTTP/1.1 on a Unix socket. It is no part of the gateway's process.

    python -I litellm_child.py SOCKET

Standard input holds one line, a JSON object: `arguments` that every call gets (base URL, secrets), and `hosts` that may be called beside
those of the providers. Its end ends the program: calls under way are finished. "ready" on standard output says that the socket listens,
"absent" that LiteLLM cannot be imported.
Nothing here imports the gateway: the interpreter may be one that has LiteLLM only.
"""

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlsplit

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


_GOOGLE_CLOUD = (
    "aiplatform.googleapis.com", "*-aiplatform.googleapis.com", "aiplatform.*.rep.googleapis.com",
    "oauth2.googleapis.com", "sts.googleapis.com", "iamcredentials.googleapis.com",
)  # fmt: skip
_STS = ("sts.amazonaws.com", "sts.*.amazonaws.com")
HOSTS = {
    "amazon_nova": ("api.nova.amazon.com",),
    "anthropic": ("api.anthropic.com",),
    "anthropic_text": ("api.anthropic.com",),
    "azure": ("login.microsoftonline.com",),
    "azure_ai": ("login.microsoftonline.com",),
    "bedrock": ("bedrock-runtime.*.amazonaws.com", *_STS),
    "chatgpt": ("auth.openai.com", "chatgpt.com"),
    "cloudflare": ("api.cloudflare.com",),
    "cohere": ("api.cohere.com", "api.cohere.ai"),
    "cohere_chat": ("api.cohere.com", "api.cohere.ai"),
    "compactifai": ("api.compactif.ai",),
    "gemini": ("generativelanguage.googleapis.com",),
    "github_copilot": ("github.com", "api.github.com", "*.githubcopilot.com"),
    "huggingface": ("router.huggingface.co", "huggingface.co"),
    "maritalk": ("chat.maritaca.ai",),
    "nlp_cloud": ("api.nlpcloud.io",),
    "openrouter": ("openrouter.ai",),
    "predibase": ("serving.app.predibase.com",),
    "sagemaker": ("runtime.sagemaker.*.amazonaws.com", *_STS),
    "text-completion-openai": ("api.openai.com",),
    "vertex_ai": _GOOGLE_CLOUD,
    "vertex_ai_beta": _GOOGLE_CLOUD,
    "watsonx": ("iam.cloud.ibm.com", "*.ml.cloud.ibm.com"),
}
"""Hosts of providers that LiteLLM does not tell when it is asked, as those of credentials; `*` stands for one label or a part of one."""


class NotAllowed(PermissionError):
    """A host that is not to be called; `place` is it, with the port where one is known."""

    def __init__(self, place: str) -> None:
        super().__init__(f"{place} is not among the hosts that may be called")
        self.place = place


class Egress:
    """The hosts that this process may connect to, whatever library does it.

    An audit hook (PEP 578) hears of each connect and look-up by Python's sockets and cannot be taken off. Addresses are those that listed
    names were looked up to be; what another resolver found is refused.
    """

    def __init__(self) -> None:
        self._listed: list[tuple[re.Pattern[str], int | None]] = []
        self._found: dict[str, set[int | None]] = {}

    def allow(self, place: str) -> None:
        """place: a URL, or host and port; 443 where there is none. `*` stands for all but dots in a host, alone for everything."""
        if place == "*":
            self._listed.append((re.compile(".*"), None))
            return
        url = urlsplit(place if "://" in place else f"https://{place}")
        if url.hostname:
            pattern = re.compile(re.escape(url.hostname).replace(r"\*", "[^.]+"))
            self._listed.append((pattern, url.port or (80 if url.scheme == "http" else 443)))

    def ports(self, host: str) -> set[int | None]:
        """Those that are allowed of a host; None stands for all."""
        name = host.lower().rstrip(".")
        return {port for pattern, port in self._listed if pattern.fullmatch(name)} | self._found.get(host, set())

    def check(self, host: Any, port: Any = None) -> None:
        """Raises NotAllowed."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        allowed = self.ports(name)
        known = int(port) if str(port or "").isdigit() else None
        if not allowed or (known is not None and not allowed & {known, None}):
            raise NotAllowed(name if known is None else f"{name}:{known}")

    def install(self, *, proxied: bool) -> None:
        """From now on, for good. proxied: connects lead to a proxy that is listed; to whom through it, TLS tells."""
        look_up = socket.getaddrinfo

        def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> list[Any]:
            found = look_up(host, *args, **kwargs)
            if host:
                ports = self.ports(host.decode() if isinstance(host, bytes) else host)
                for *_, address in found:
                    self._found.setdefault(str(address[0]), set()).update(ports)
            return found

        socket.getaddrinfo = getaddrinfo
        if proxied:
            for name in ("wrap_bio", "wrap_socket"):
                setattr(ssl.SSLContext, name, self._named(getattr(ssl.SSLContext, name)))
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not event.startswith("socket."):
            return
        if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
            if args[0]:
                self.check(*args[:2])
        elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            address = args[1]
            if isinstance(address, tuple):
                self.check(*address[:2])
            elif address:
                raise NotAllowed("a local socket")

    def _named(self, wrap: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not kwargs.get("server_side"):
                self.check(kwargs.get("server_hostname"))
            return wrap(*args, **kwargs)

        return wrapped


class Server:
    """Answers one request a connection."""

    def __init__(self, litellm: Any, arguments: dict[str, Any], egress: Egress) -> None:
        self._litellm = litellm
        self._arguments = arguments
        self._egress = egress
        self._allowed: set[str] = set()
        self.calls: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[Any]", asyncio.current_task())  # a coroutine of the server's runs in one
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

    def _allow(self, model: str) -> None:
        """Let calls to the model's provider out. Only the provider's name says where to: what comes behind it is the caller's."""
        maker = model.partition("/")[0] if "/" in model else ""
        with suppress(Exception):
            maker = maker or self._litellm.get_llm_provider(model=model)[1]
        if maker and maker not in self._allowed:
            self._allowed.add(maker)
            for place in self._places(maker):
                self._egress.allow(place)

    def _places(self, maker: str) -> Iterator[str]:
        yield from HOSTS.get(maker, ())
        if maker in ("chatgpt", "github_copilot"):
            return  # LiteLLM would log in to tell
        litellm, given, base = self._litellm, dict(self._arguments), None
        with suppress(Exception):
            base = litellm.get_llm_provider(model=f"{maker}/model", api_key="none")[3]
            yield base or ""
        with suppress(Exception):
            manager, provider = litellm.utils.ProviderConfigManager, litellm.LlmProviders(maker)
            url = manager.get_provider_chat_config(model="model", provider=provider).get_complete_url(
                api_base=base, api_key="none", model="model", optional_params=given, litellm_params=given, stream=False
            )
            if maker == "openai" or "//api.openai.com" not in url:  # what it says for who does not say
                yield url

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
        self._allow(body["model"])
        try:
            response = await self._litellm.acompletion(**arguments)
        except Exception as error:
            refused = _refused(error)
            if refused:
                problem = {"message": f"{refused} may not be called", "type": NotAllowed.__name__}
                await _whole(writer, 403, {"error": problem}, f"x-not-allowed: {refused}\r\n")
                return
            status, problem, retry_after = _problem(error)
            sent = retry_after and retry_after.isascii() and retry_after.isprintable()
            await _whole(writer, status, {"error": problem}, f"retry-after: {retry_after}\r\n" if sent else "")
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


def _refused(error: BaseException | None) -> str:
    """The place of a NotAllowed that led to an error, in letters that a header may hold; "" where none did."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, NotAllowed):
            return re.sub(r"[^\w.:-]", "?", one.place, flags=re.ASCII)[:255]
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
    return ""


def _problem(error: Exception) -> tuple[int, dict[str, Any], str]:
    """(HTTP status, error object, retry-after) of an exception of LiteLLM's, which has its provider's status."""
    status = getattr(error, "status_code", None)
    status = status if isinstance(status, int) and 400 <= status < 600 else 500
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    code = getattr(error, "code", None)
    problem = {"message": str(getattr(error, "message", error)), "type": type(error).__name__, "code": code}
    return status, problem, headers.get("retry-after") or ""


async def _whole(writer: asyncio.StreamWriter, status: int, value: Any, more: str = "") -> None:
    """more: lines of the head."""
    data = json.dumps(value).encode()
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
    told = json.loads(await given.readline())
    egress = Egress()
    for place in told["hosts"]:
        egress.allow(place)
    egress.install(proxied="HTTPS_PROXY" in os.environ)
    try:
        import litellm
    except ImportError:
        os.write(ready, b"absent\n")
        return
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = False  # what a provider does not take is an error, never silence
    server = Server(litellm, told["arguments"], egress)
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
