"""LiteLLM as an upstream: a child process with its own interpreter, spoken to by HTTP over a Unix socket.

The first call starts the child, and so does a call after a crash, after a pause that grows with every crash. A crash breaks the
connections of the calls under way, which then fail as UNAVAILABLE; nothing else notices. Its environment holds nothing of ours; what it
needs comes by its standard input, and keys with each request.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from llm_gateway import config
from llm_gateway.errors import EndpointWrong, install_extra
from llm_gateway.protocols import json
from llm_gateway.telemetry import logs
from llm_gateway.upstream import http
from llm_gateway.upstream.processes.watcher import Watcher

PROGRAM = Path(__file__).with_name("litellm_child.py")
BACKOFF = 0.5
"""Seconds before the second start after a crash; doubled for each crash that follows."""
LONGEST_BACKOFF = 30.0
HEALTHY_SECONDS = 60.0
"""A child that has run for so long is none that crashes at once."""
EXIT_SECONDS = 5.0

_HOST = re.compile(r"[A-Za-z0-9*.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
_URL = re.compile(r"https?://[^/?#\s]+")


def client(provider: config.Provider, server: config.Endpoint | None, key: config.ApiKey | None) -> LiteLlm:
    """What a provider of kind `litellm` is called through.

    options: `python`, an interpreter that can import LiteLLM (ours, by default); `parameters`, arguments of `litellm.completion` for every
    call, `api_version` say; `providers`, those that callers' models may begin with; `hosts`, those that it may call beside the providers'.
    credentials: arguments that are secret, `aws_secret_access_key` say. endpoint: `api_base`.
    Raises ConfigError.
    """
    parameters = provider.options.get("parameters") or {}
    if not isinstance(parameters, dict):
        problem = "must be a mapping of arguments"
        raise config.ConfigError([config.ConfigProblem(file="litellm", key="options.parameters", wrong=problem)])
    listed = provider.options.get("providers") or []
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        problem = "must be a list of the providers that callers may name, as in [openai, cohere]"
        raise config.ConfigError([config.ConfigProblem(file="litellm", key="options.providers", wrong=problem)])
    hosts = provider.options.get("hosts") or []
    if not isinstance(hosts, list) or not all(isinstance(host, str) and _HOST.fullmatch(host) for host in hosts):
        problem = "must be a list of hosts, as in [api.example.com, '*.example.com', 127.0.0.1:8000]; '*' alone is all"
        raise config.ConfigError([config.ConfigProblem(file="litellm", key="options.hosts", wrong=problem)])
    arguments = dict(parameters)
    arguments |= {name: value.reveal() for name, value in provider.credentials.items()}
    if server is not None:
        arguments["api_base"] = server.url
    # What the configuration says itself: addresses among the arguments and in the names of models.
    hosts = [*hosts, *(value for value in arguments.values() if isinstance(value, str) and _URL.match(value))]
    hosts += [found[0] for model in provider.models or () for found in _URL.finditer(model)]
    environment = {}
    if provider.proxy is not None:
        environment["HTTPS_PROXY"] = provider.proxy.reveal()
        hosts.append(provider.proxy.reveal())
    if provider.tls.ca_file is not None:
        environment["SSL_CERT_FILE"] = provider.tls.ca_file
    return LiteLlm(
        python=str(provider.options.get("python") or sys.executable),
        arguments=arguments,
        hosts=hosts,
        environment=environment,
        max_connections=provider.limits.concurrency + 8,
    )


class LiteLlm:
    """Sends requests to the child."""

    host = "litellm"

    def __init__(
        self,
        *,
        python: str,
        arguments: Mapping[str, Any],
        hosts: Sequence[str] = (),
        environment: Mapping[str, str],
        max_connections: int,
    ) -> None:
        self._python = python
        self._told = {"arguments": arguments, "hosts": hosts}
        self._environment = environment
        self._max_connections = max_connections
        self._child: asyncio.Task[_Child] | None = None
        self._watches: set[asyncio.Task[None]] = set()
        self._watcher = Watcher()
        self._crashes = 0
        self._rests_until = 0.0
        self._closed = False

    def __repr__(self) -> str:
        return f"LiteLlm({self._python})"

    async def send(
        self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes = b""
    ) -> http.HttpResponse:
        """Send a request to the child, which is started if there is none. Raises TransportError; ConnectFailed where LiteLLM is not
        installed, and while the child cools down after a crash; EndpointWrong for a host that the child may not call."""
        if self._closed:
            raise http.ConnectFailed("client is closed")
        loop = asyncio.get_running_loop()
        if self._child is None:
            if self._rests_until > loop.time():
                raise http.ConnectFailed("LiteLLM's process has ended and will be started again soon")
            self._child = loop.create_task(self._start())
        child = await asyncio.shield(self._child)
        response = await child.connections.send(method, path, headers, body)
        refused = response.headers.get("x-not-allowed")
        if refused:
            await response.aclose()
            cause = f"{refused} is none of its providers' hosts, and not in options.hosts"
            raise EndpointWrong("LiteLLM was kept from a call.", cause=cause)
        return response

    async def aclose(self) -> None:
        """Send no more requests. The child finishes the calls under way and ends; it is waited for EXIT_SECONDS at most."""
        self._closed = True
        if self._child is not None:
            with suppress(http.TransportError):
                (await asyncio.shield(self._child)).finish()
        if self._watches:
            await asyncio.wait(self._watches, timeout=EXIT_SECONDS)
        await self._watcher.aclose()

    async def _start(self) -> _Child:
        try:
            child = _Child(self._watcher, await self._watcher.folder(), self._max_connections)
            await child.start(self._python, self._environment, self._told)
        except (http.ConnectFailed, OSError) as failed:
            problem = (
                str(failed) if isinstance(failed, http.ConnectFailed) else "no folder can be made for LiteLLM's files"
            )
            self._cool_down(problem)
            raise http.ConnectFailed(problem) from None
        watch = asyncio.get_running_loop().create_task(self._watch(child))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        return child

    async def _watch(self, child: _Child) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await child.ended()
        if loop.time() - started > HEALTHY_SECONDS:
            self._crashes = 0
        if not self._closed:
            self._cool_down("LiteLLM's process ended")

    def _cool_down(self, problem: str) -> None:
        """No child for a while."""
        seconds = min(BACKOFF * 2**self._crashes, LONGEST_BACKOFF)
        self._crashes += 1
        self._child = None
        self._rests_until = asyncio.get_running_loop().time() + seconds
        logs.log().warning("no litellm", problem=problem, seconds=seconds)


class _Child:
    """One child process and the connections to it."""

    def __init__(self, watcher: Watcher, folder: str, max_connections: int) -> None:
        """folder: its own, removed at the end, by the watcher if we are killed."""
        self._watcher = watcher
        self._folder = folder
        self._socket = os.path.join(folder, "socket")
        self._process: asyncio.subprocess.Process | None = None
        self.connections = http.HttpClient("http://litellm", socket_path=self._socket, max_connections=max_connections)

    async def start(self, python: str, environment: Mapping[str, str], told: Mapping[str, Any]) -> None:
        """Returns once it listens. Raises ConnectFailed, and then leaves nothing behind."""
        said = b"missing"
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                python,
                "-I",
                str(PROGRAM),
                self._socket,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=self._folder,
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "HOME": self._folder,
                    "TMPDIR": self._folder,
                    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches one when it is imported
                    **environment,
                },
                start_new_session=True,
            )
            self._watcher.runs(process.pid, self._folder)
            cast(asyncio.StreamWriter, process.stdin).write(json.encode(told) + b"\n")
            said = await cast(asyncio.StreamReader, process.stdout).readline()
        except (OSError, RuntimeError, ValueError):  # uvloop: RuntimeError for a pipe that the child has closed
            pass
        finally:
            if said != b"ready\n":
                self.kill()
                await self.ended()
        if said != b"ready\n":
            raise http.ConnectFailed(_PROBLEMS.get(said, "LiteLLM's process ended at its start"))

    def finish(self) -> None:
        """Have it end when the calls under way have ended."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def kill(self) -> None:
        """End it now, with all that it started."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def ended(self) -> None:
        """Wait for its end, and clear up."""
        if self._process is not None:
            await self._process.wait()
        await self.connections.aclose()
        await self._watcher.remove(self._folder)


_PROBLEMS = {
    b"missing": "the interpreter for LiteLLM cannot be started",
    b"absent\n": f"the interpreter for LiteLLM cannot import it; set options.python, or install {install_extra('litellm', image=False)}",
}
