"""The workers that are connected to the control process, and what they are asked."""

from __future__ import annotations

import asyncio
import itertools

from google.rpc import status_pb2

from llm_gateway.app.frames import Answer, Call, Cancel, Connection, Failure, Frame, Hello, Welcome
from llm_gateway.errors import GatewayError, WorkerUnavailable
from llm_gateway.rpc.errors import Passed
from llm_gateway.telemetry import logs

CONNECTED_WITHIN = 5.0
"""Seconds that a question waits for a worker: one that has ended is started again meanwhile."""
ANSWERED_WITHIN = 60.0
"""Seconds in which a worker must answer. It may ask a provider."""
TRIES = 2
"""Workers that are asked the same, where one ends before it answers."""


class Gone(WorkerUnavailable):
    """The worker process ended before it answered."""


class Connected:
    """Of one event loop."""

    def __init__(self) -> None:
        self._workers: list[_Worker] = []
        self._serving: set[asyncio.Task[None] | None] = set()
        self._some = asyncio.Event()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection to its end."""
        try:
            connection = Connection(reader, writer)
        except PermissionError as error:
            logs.log().warning("control connection refused", problem=str(error))
            return
        task = asyncio.current_task()
        self._serving.add(task)
        worker = None
        try:
            async for frame in connection.frames():
                if isinstance(frame, Hello) and worker is None:
                    worker = _Worker(connection, frame)
                    self._workers.append(worker)
                    self._some.set()
                    connection.send(Welcome())
                    logs.log().info("worker connected", worker=frame.number, pid=frame.pid, version=frame.version)
                elif worker is not None:
                    worker.heard(frame)
        except OSError as error:
            logs.log().warning("worker lost", problem=type(error).__name__)
        finally:
            self._serving.discard(task)
            connection.close()
            if worker is not None:
                self._workers.remove(worker)
                worker.lost()
            if not self._workers:
                self._some.clear()

    async def close(self) -> None:
        """Disconnect from all."""
        serving = [task for task in self._serving if task is not None]
        for worker in self._workers:
            worker.close()
        await asyncio.gather(*serving)

    async def ask(self, path: str, request: bytes, request_id: str) -> bytes:
        """What one of the workers answers. Raises GatewayError."""
        for _ in range(TRIES):
            try:
                await asyncio.wait_for(self._some.wait(), CONNECTED_WITHIN)
            except TimeoutError:
                break
            try:
                return await self._workers[0].ask(path, request, request_id, ANSWERED_WITHIN)
            except Gone:
                continue
        raise WorkerUnavailable

    async def ask_all(self, path: str, request: bytes, within: float) -> dict[str, GatewayError]:
        """How it failed, by the number of the worker, where it did. within: seconds in which each must answer."""
        workers = list(self._workers)
        answers = [worker.ask(path, request, "", within, lasting=True) for worker in workers]
        done = zip(workers, await asyncio.gather(*answers, return_exceptions=True), strict=True)
        failed = {}
        for worker, answer in done:
            if isinstance(answer, GatewayError):
                failed[worker.number] = answer
            elif isinstance(answer, BaseException):
                raise answer
        return failed


class _Worker:
    def __init__(self, connection: Connection, hello: Hello) -> None:
        self.number = hello.number
        self._connection = connection
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[bytes]] = {}

    def close(self) -> None:
        self._connection.close()

    async def ask(self, path: str, request: bytes, request_id: str, within: float, *, lasting: bool = False) -> bytes:
        """lasting: it shall be done also when nobody waits any more."""
        number = next(self._ids)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._connection.send(Call(id=number, path=path, request=request, request_id=request_id))
            return await asyncio.wait_for(answer, within)
        except TimeoutError:
            if not lasting:
                self._connection.send(Cancel(id=number))
            raise WorkerUnavailable(f"Worker {self.number} does not answer within {within:g} s.") from None
        except asyncio.CancelledError:
            self._connection.send(Cancel(id=number))
            raise
        finally:
            del self._asked[number]

    def heard(self, frame: Frame) -> None:
        if not isinstance(frame, Answer | Failure):
            return
        answer = self._asked.get(frame.id)
        if answer is None or answer.done():
            return
        if isinstance(frame, Answer):
            answer.set_result(frame.message)
        else:
            answer.set_exception(Passed(status_pb2.Status.FromString(frame.status), frame.text))

    def lost(self) -> None:
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(Gone())
