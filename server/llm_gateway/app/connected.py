"""The workers that are connected to the control process, and what they are asked."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from google.rpc import status_pb2

from llm_gateway import config
from llm_gateway.app.frames import Answer, Call, Cancel, Connection, Failure, Frame, Hello, Take, Welcome
from llm_gateway.errors import GatewayError, WorkerUnavailable
from llm_gateway.rpc.errors import Passed
from llm_gateway.telemetry import logs

CONNECTED_WITHIN = 5.0
"""Seconds that a question waits for a worker: one that has ended is started again meanwhile."""
ANSWERED_WITHIN = 60.0
"""Seconds in which a worker must answer. It may ask a provider."""
TAKEN_WITHIN = 1.0
"""Seconds for which a change at run time waits for a worker to take it."""
TRIES = 2
"""Workers that are asked the same, where one ends before it answers."""


class Gone(WorkerUnavailable):
    """The worker process ended before it answered."""


class Connected:
    """Of one event loop."""

    def __init__(self) -> None:
        self.layer: config.Layer | None = None
        """What was set at run time; None where that is not known."""
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
                    connection.send(Welcome(layer=self.layer))
                    logs.log().info("worker connected", worker=frame.number, pid=frame.pid, revision=frame.revision)
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
                return await self._workers[0].ask(
                    lambda number: Call(id=number, path=path, request=request, request_id=request_id), ANSWERED_WITHIN
                )
            except Gone:
                continue
        raise WorkerUnavailable

    async def ask_all(self, path: str, request: bytes, within: float) -> dict[str, GatewayError]:
        """How it failed, by the number of the worker, where it did. within: seconds in which each must answer."""
        return await self._all(lambda number: Call(id=number, path=path, request=request), within)

    async def put(self, layer: config.Layer) -> None:
        """Have all workers, and those that connect later, take what was set at run time. One that does not within TAKEN_WITHIN is told in the log:
        it takes it once it can, or when it connects again."""
        self.layer = layer
        for number, error in (await self._all(lambda number: Take(id=number, layer=layer), TAKEN_WITHIN)).items():
            logs.log().error("worker is behind", worker=number, revision=layer.revision, problem=error.message)

    async def _all(self, frame: Callable[[int], Frame], within: float) -> dict[str, GatewayError]:
        workers = list(self._workers)
        answers = [worker.ask(frame, within, lasting=True) for worker in workers]
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

    async def ask(self, frame: Callable[[int], Frame], within: float, *, lasting: bool = False) -> bytes:
        """frame: with the number that its answer must have. lasting: it shall be done also when nobody waits any more."""
        number = next(self._ids)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._connection.send(frame(number))
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
