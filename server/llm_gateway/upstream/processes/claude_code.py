"""Claude Code as an upstream: one process per call, behind the interface of the HTTP transport.

A process gets its own home, configuration and working directory, which are removed with it, and an environment that holds the configured
key and nothing else of ours. The system prompt goes through a file and the conversation through a pipe, since every user of the machine
can read arguments. Nothing is left behind: a call that is cut short kills the whole process group, and if the gateway itself is killed,
a watcher does.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from llm_gateway import config
from llm_gateway.protocols import json
from llm_gateway.protocols.claude_code import is_last
from llm_gateway.upstream import http
from llm_gateway.upstream.processes.watcher import CLOSED, Watcher

PROCESSES = 8
"""Processes at once, unless `options.processes` says otherwise; each takes some 250 MB."""
EXIT_SECONDS = 5.0
"""How long a process may take to end by itself once its answer is whole."""
VERSION_SECONDS = 60.0
"""How long an answer to `--version` is used."""
HIGH_WATER = 256 << 10
"""Bytes that wait to be read before the process is held up."""
MAX_STDERR = 8 << 10
MAX_RESPONSE = 64 << 20

# What the CLI does beside answering: updates, telemetry, its own retries, which are ours to make.
_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_RETRIES": "0",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
}


def client(provider: config.Provider, server: config.Endpoint | None, key: config.ApiKey | None) -> ClaudeCode:
    """What a provider of kind `claude_code` is called through.

    options: `command` (a path, or a name to be found in PATH; `claude`), `processes`. endpoint: base URL of the API that the CLI calls.
    Raises ConfigError. The key is an API key; `credentials.oauth_token` is a subscription's token and `credentials.auth_token` a gateway's.
    """
    processes = provider.options.get("processes", PROCESSES)
    if not isinstance(processes, int) or isinstance(processes, bool) or processes < 1:
        problem = "is not a whole number above zero"
        raise config.ConfigError([config.ConfigProblem(file="claude_code", key="options.processes", wrong=problem)])
    environment = dict(_QUIET)
    secret = key.key.reveal() if key is not None else ""
    if secret:
        environment["ANTHROPIC_API_KEY"] = secret
    for name, variable in (("oauth_token", "CLAUDE_CODE_OAUTH_TOKEN"), ("auth_token", "ANTHROPIC_AUTH_TOKEN")):
        if name in provider.credentials:
            environment[variable] = provider.credentials[name].reveal()
    if server is not None:
        environment["ANTHROPIC_BASE_URL"] = server.url
    if provider.proxy is not None:
        environment["HTTPS_PROXY"] = provider.proxy.reveal()
    if provider.tls.ca_file is not None:
        environment["NODE_EXTRA_CA_CERTS"] = provider.tls.ca_file
    return ClaudeCode(
        command=str(provider.options.get("command") or "claude"),
        # Minimal mode takes API keys only; it tells the model nothing of this machine.
        arguments=("--bare",) if secret else (),
        environment=environment,
        processes=processes,
    )


class ClaudeCode:
    """Starts the command for each request, at most `processes` at once; further ones wait in order of arrival."""

    host = ""

    def __init__(
        self, *, command: str, arguments: Sequence[str], environment: Mapping[str, str], processes: int
    ) -> None:
        self._command = os.path.abspath(command) if os.path.dirname(command) else command
        self._arguments = arguments
        self._environment = environment
        self._slots = asyncio.Semaphore(processes)
        self._version: tuple[float, bytes] = (0.0, b"")
        self._ending: dict[asyncio.Task[None], _Process] = {}
        self._watcher = Watcher()
        self._closed = False

    def __repr__(self) -> str:
        return f"ClaudeCode({self._command})"

    async def send(
        self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes = b""
    ) -> http.HttpResponse:
        """Start a process. Returns status 200 once it has written something, or status 500 and the end of its standard error if it ended
        without. A GET gives the version. Raises ConnectFailed when the command cannot be started."""
        if self._closed:
            raise http.ConnectFailed("client is closed")
        if method != "GET":
            given = json.decode(body)
            line = json.encode(given["input"]) + b"\n"
            return await self._run([*self._arguments, *given["arguments"]], given["environment"], given["system"], line)
        loop = asyncio.get_running_loop()
        until, version = self._version
        if until < loop.time():
            async with await self._run(["--version"]) as answer:
                version = await answer.read()
                if answer.status != 200:
                    return _response(answer.status, _Bytes(version))
            self._version = (loop.time() + VERSION_SECONDS, version)
        return _response(200, _Bytes(version))

    async def aclose(self) -> None:
        """Start no more processes. Those whose answer is complete end now, those of calls under way with their calls."""
        self._closed = True
        for process in self._ending.values():
            process.kill()
        if self._ending:
            await asyncio.wait(self._ending)
        await self._watcher.aclose()

    async def _run(
        self,
        arguments: list[str],
        environment: Mapping[str, str] | None = None,
        system: str | None = None,
        line: bytes = b"",
    ) -> http.HttpResponse:
        await self._slots.acquire()
        try:
            process = _Process(await self._watcher.folder(), self._end)
        except OSError:
            self._slots.release()
            raise http.ConnectFailed("no folder can be made for the files of the command") from None
        except BaseException:
            self._slots.release()
            raise
        try:
            # A start that is cut off half-way would wait for pipes that asyncio never connected, and leave what the process has started.
            starting = asyncio.ensure_future(
                process.start(self._command, arguments, {**self._environment, **(environment or {})}, system)
            )
            try:
                await asyncio.shield(starting)
            except asyncio.CancelledError:
                await asyncio.wait([starting])
                if not starting.cancelled():
                    starting.exception()  # told to nobody
                raise
            self._watcher.runs(process.pid, process.folder)
            if await process.exchange(line):
                return _response(200, process)
            error = await process.failure()
        except BaseException:
            process.abort()
            raise
        process.close()
        return _response(500, _Bytes(error))

    def _end(self, process: _Process, grace: float) -> None:
        """Reap a process off its call, and let the next one in."""
        task = asyncio.get_running_loop().create_task(self._reap(process, grace))
        self._ending[task] = process
        task.add_done_callback(self._ended)

    async def _reap(self, process: _Process, grace: float) -> None:
        await process.end(grace)
        await self._watcher.remove(process.folder)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._ending[task]
        self._slots.release()


class _Process(asyncio.SubprocessProtocol):
    """One run of the command; a `http.Body` of its standard output, which ends with its last line."""

    def __init__(self, folder: str, on_end: Callable[[_Process, float], None]) -> None:
        """folder: its own. on_end: called once, with the seconds that the process may still live."""
        self.folder = folder
        self.pid = 0
        self._on_end: Callable[[_Process, float], None] | None = on_end
        self._transport: asyncio.SubprocessTransport | None = None
        self._chunks: list[bytes] = []
        self._unfinished: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._eof = False
        self._aborted = False
        self._paused = False
        self._stderr = b""
        self._exited = asyncio.Event()
        self._lost = asyncio.Event()

    async def start(
        self, command: str, arguments: list[str], environment: Mapping[str, str], system: str | None
    ) -> None:
        """Raises ConnectFailed."""
        try:
            work, own = self._furnish()
            if system:
                arguments = [*arguments, f"--system-prompt-file={self._write(system)}"]
            elif system is not None:
                arguments = [*arguments, "--system-prompt="]
            await asyncio.get_running_loop().subprocess_exec(
                lambda: self,
                command,
                *arguments,
                cwd=work,
                env={"PATH": os.environ.get("PATH", os.defpath), **own, **environment},
                start_new_session=True,
            )
        except (OSError, RuntimeError, ValueError):
            raise http.ConnectFailed("the command cannot be started") from None

    def _furnish(self) -> tuple[str, dict[str, str]]:
        """(working directory, the variables that keep everything else in the folder)"""
        places = {"HOME": "home", "CLAUDE_CONFIG_DIR": "configuration", "TMPDIR": "temporary", "PWD": "work"}
        paths = {variable: os.path.join(self.folder, name) for variable, name in places.items()}
        for path in paths.values():
            os.mkdir(path)
        return paths["PWD"], paths

    def _write(self, system: str) -> Path:
        path = Path(self.folder, "system.txt")
        path.write_text(system)
        return path

    async def exchange(self, line: bytes) -> bool:
        """Write standard input and close it. Returns whether anything is written before the process ends."""
        standard_input = cast(asyncio.WriteTransport, self._pipe(0))
        with suppress(*CLOSED):
            if line:
                standard_input.write(line)
            standard_input.close()
        await self._arrival()
        return bool(self._chunks)

    async def failure(self) -> bytes:
        """The end of what a process without output has written to standard error."""
        await self._lost.wait()
        return self._stderr

    # ------------------------------------------------------------ Body
    async def receive(self) -> bytes:
        await self._arrival()
        if self._aborted:
            raise http.ConnectionBroken("closed by the gateway", response_started=True)
        data = self.arrived()
        if self._paused:
            self._paused = False
            with suppress(*CLOSED):
                self._output().resume_reading()
        return data

    def arrived(self) -> bytes:
        data = b"".join(self._chunks)
        self._chunks.clear()
        return data

    def abort(self) -> None:
        self._aborted = True
        self.kill()
        self._wake()
        self._finish(0.0)

    def close(self) -> None:
        self._finish(EXIT_SECONDS)

    # ------------------------------------------------------------ the end
    def kill(self) -> None:
        """End the process and all that it started."""
        if self._transport is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._transport.get_pid(), signal.SIGKILL)

    async def end(self, grace: float) -> None:
        """Wait for the end, of which the process may put off `grace` seconds."""
        if self._transport is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._exited.wait()
            self.kill()
            await self._exited.wait()
            self._transport.close()

    def _finish(self, grace: float) -> None:
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(self, grace)

    # ------------------------------------------------------------ SubprocessProtocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self.pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._stderr = (self._stderr + data)[-MAX_STDERR:]
        elif not self._eof:
            self._chunks.append(data)
            self._eof = self._is_last(data)
            if not self._paused and sum(map(len, self._chunks)) > HIGH_WATER:
                self._paused = True
                with suppress(*CLOSED):
                    self._output().pause_reading()
            self._wake()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._eof = True
            self._wake()

    def process_exited(self) -> None:
        self._exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._eof = True
        self._lost.set()
        self._wake()

    # ------------------------------------------------------------ inside
    async def _arrival(self) -> None:
        while not (self._chunks or self._eof or self._aborted):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _output(self) -> asyncio.ReadTransport:
        return cast(asyncio.ReadTransport, self._pipe(1))

    def _pipe(self, number: int) -> asyncio.BaseTransport | None:
        """Of a process that has started."""
        return cast(asyncio.SubprocessTransport, self._transport).get_pipe_transport(number)

    def _is_last(self, data: bytes) -> bool:
        """Whether the last line is among what is whole now."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            whole = b"".join((*self._unfinished, line))
            self._unfinished.clear()
            if is_last(whole):
                return True
        self._unfinished.append(rest)
        return False


class _Bytes:
    """A Body of bytes that are here."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def receive(self) -> bytes:
        return self.arrived()

    def arrived(self) -> bytes:
        data, self._data = self._data, b""
        return data

    def abort(self) -> None:
        pass

    def close(self) -> None:
        pass


def _response(status: int, body: http.Body) -> http.HttpResponse:
    return http.HttpResponse(status, http.Headers(()), body, MAX_RESPONSE)
