"""A worker's connection to the control process: it answers what only a worker knows, and reads its configuration again when it is told to."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from llm_gateway.admin.passing import Answers
from llm_gateway.app.frames import Answer, Call, Cancel, Connection, Failure, Hello, Welcome
from llm_gateway.app.workers import WORKER
from llm_gateway.errors import GatewayError, InternalError
from llm_gateway.rpc.errors import status_of
from llm_gateway.telemetry import logs

PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds before it connects again, at first and at most."""


class Link:
    """In a thread and on an event loop of its own: whatever it is asked holds up no call. It connects again for as long as it runs."""

    def __init__(self, socket: str, version: Callable[[], str], servicers: Mapping[str, object]) -> None:
        """version: fingerprint of the configuration in force. servicers: of the administration, by the full name of their service."""
        self._socket = socket
        self._version = version
        self._answers = Answers(servicers)
        self._welcome = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        self._staying = self._loop.create_task(self._stay())
        self._thread.start()

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
        connection.send(Hello(number=os.environ[WORKER], pid=os.getpid(), version=self._version()))
        running: dict[int, asyncio.Task[None]] = {}
        try:
            async for frame in connection.frames():
                if isinstance(frame, Call):
                    task = running[frame.id] = asyncio.create_task(self._answer(connection, frame))
                    task.add_done_callback(lambda _, asked=frame.id: running.pop(asked, None))  # type: ignore[misc]
                elif isinstance(frame, Welcome):
                    self._welcome = True
                elif isinstance(frame, Cancel) and frame.id in running:
                    running[frame.id].cancel()
        finally:
            for task in running.values():
                task.cancel()

    async def _answer(self, connection: Connection, call: Call) -> None:
        try:
            frame: Answer | Failure = Answer(
                id=call.id, message=await self._answers(call.path, call.request, call.request_id)
            )
        except GatewayError as error:
            frame = _failure(call, error)
        except Exception as error:
            logs.log().error("internal error", error=type(error).__name__, request_id=call.request_id, exc_info=True)
            frame = _failure(call, InternalError("The gateway failed; the request id is in its log."))
        try:
            connection.send(frame)
        except ValueError:
            connection.send(_failure(call, InternalError("The answer is too large.")))


def _failure(call: Call, error: GatewayError) -> Failure:
    return Failure(id=call.id, status=status_of(error, call.request_id).SerializeToString(), text=error.message)
