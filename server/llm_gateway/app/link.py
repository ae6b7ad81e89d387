"""A worker's connection to the control process: it answers what only a worker knows, and takes what is set at run time."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from llm_gateway import config
from llm_gateway.admin.passing import Answers
from llm_gateway.app.frames import Answer, Call, Cancel, Connection, Failure, Hello, Take, Welcome
from llm_gateway.app.workers import WORKER
from llm_gateway.errors import ConfigInvalid, GatewayError, InternalError
from llm_gateway.rpc.errors import status_of
from llm_gateway.telemetry import logs

PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds before it connects again, at first and at most."""
Taking = Callable[[config.Layer], Awaitable[None]]


class Link:
    """In a thread and on an event loop of its own: whatever it is asked holds up no call. It connects again for as long as it runs."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._welcome = False
        self._first: Future[config.Layer | None] = Future()
        self._revision: int | None = None
        self._loop = asyncio.new_event_loop()
        self._served: asyncio.Future[tuple[Answers, Taking]] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        self._staying = self._loop.create_task(self._stay())
        self._thread.start()

    async def layer(self, within: float) -> config.Layer | None:
        """What was set at run time, as the control process tells it first; None where it does not know, or does not tell within these seconds."""
        with suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.wrap_future(self._first), within)
        return None

    def serve(self, servicers: Mapping[str, object], take: Taking) -> None:
        """From now on answer by these servicers, by the full name of their service, and have what is set at run time taken."""
        self._loop.call_soon_threadsafe(self._served.set_result, (Answers(servicers), take))

    async def stop(self) -> None:
        """Disconnect. What was asked and is not answered is lost."""
        self._loop.call_soon_threadsafe(self._staying.cancel)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._staying)
        self._loop.close()

    async def _stay(self) -> None:
        pause = PAUSE
        while True:
            try:
                connection = Connection(*await asyncio.open_unix_connection(self._socket))
            except OSError:
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that workers do not come at once
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            try:
                with suppress(OSError):
                    await self._serve(connection)
            finally:
                connection.close()
            if self._welcome:
                self._welcome, pause = False, PAUSE
                logs.log().warning("control process lost")

    async def _serve(self, connection: Connection) -> None:
        """Answer until the connection ends."""
        connection.send(Hello(number=os.environ[WORKER], pid=os.getpid(), revision=self._revision))
        running: dict[int, asyncio.Task[None]] = {}

        def start(number: int, doing: Coroutine[Any, Any, None]) -> None:
            task = running[number] = asyncio.create_task(doing)
            task.add_done_callback(lambda _: running.pop(number, None))

        try:
            async for frame in connection.frames():
                if isinstance(frame, Call):
                    start(frame.id, self._answer(connection, frame.id, self._called(frame), frame.request_id))
                elif isinstance(frame, Take):
                    start(frame.id, self._answer(connection, frame.id, self._take(frame.layer)))
                elif isinstance(frame, Cancel) and frame.id in running:
                    running[frame.id].cancel()
                elif isinstance(frame, Welcome):
                    self._welcome = True
                    if (missed := self._missed(frame.layer)) is not None:
                        start(0, self._answer(connection, 0, self._take(missed)))
        finally:
            for task in running.values():
                task.cancel()

    def _missed(self, layer: config.Layer | None) -> config.Layer | None:
        """The layer, if it is to be taken: neither what `layer` gives, nor known already."""
        if not self._first.done() and self._first.set_running_or_notify_cancel():
            self._first.set_result(layer)
            self._revision = layer.revision if layer is not None else None
        return layer if layer is not None and layer.revision != self._revision else None

    async def _called(self, call: Call) -> bytes:
        answers, _ = await self._served
        return await answers(call.path, call.request, call.request_id)

    async def _take(self, layer: config.Layer) -> bytes:
        _, take = await self._served
        try:
            await take(layer)
        except (config.ConfigError, OSError, ValueError) as error:
            raise ConfigInvalid(str(error)) from None
        self._revision = layer.revision
        return b""

    async def _answer(
        self, connection: Connection, number: int, found: Coroutine[Any, Any, bytes], request_id: str = ""
    ) -> None:
        try:
            frame: Answer | Failure = Answer(id=number, message=await found)
        except GatewayError as error:
            frame = _failure(number, error, request_id)
        except Exception as error:
            logs.log().error("internal error", error=type(error).__name__, request_id=request_id, exc_info=True)
            frame = _failure(number, InternalError("The gateway failed; the request id is in its log."), request_id)
        try:
            connection.send(frame)
        except ValueError:
            connection.send(_failure(number, InternalError("The answer is too large."), request_id))


def _failure(number: int, error: GatewayError, request_id: str) -> Failure:
    return Failure(id=number, status=status_of(error, request_id).SerializeToString(), text=error.message)
