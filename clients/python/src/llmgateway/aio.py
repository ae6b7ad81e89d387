"""The async client."""
# ruff: noqa: ASYNC109  # a deadline goes over the wire; cancelling from outside would not tell the gateway

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import Self, Unpack

import grpc
import grpc.aio

from llmgateway.core import ClientCore, Conversation, Generation, Metadata, is_serving, make_request
from llmgateway.errors import Cancelled, DeadlineExceeded, Unavailable, from_rpc_error
from llmgateway.reply import ChatReply, ModelList, Transcript
from llmgateway.v1 import gateway_pb2, gateway_pb2_grpc, health_pb2, model_pb2


@contextmanager
def typed_errors() -> Iterator[None]:
    """Turn the failures of grpc.aio into GatewayErrors."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error
    except asyncio.CancelledError:
        # grpc.aio raises this also where the call was closed but nobody cancelled the task that waits for it.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Cancelled("the call was closed", code=grpc.StatusCode.CANCELLED) from None


class AsyncStream:
    """One streaming answer. Iterate it for text, or `events()` for everything; once.

    Closing the iterator, leaving the ``async with`` block or `close` cancels the call, and with it the provider's work.
    """

    def __init__(
        self, call: grpc.aio.UnaryStreamCall[gateway_pb2.StreamSendRequest, gateway_pb2.StreamSendResponse]
    ) -> None:
        self._call = call
        self._transcript = Transcript()

    async def __aiter__(self) -> AsyncIterator[str]:
        """Pieces of the first candidate's text as they come."""
        async with self:
            async for event in self.events():
                if text := self._transcript.text(event):
                    yield text

    async def events(self) -> AsyncIterator[gateway_pb2.StreamSendResponse]:
        """Every event as it comes, those of kinds that this client does not know included.

        Raises GatewayError when the call fails, StreamTruncated when it ends without `completed`.
        """
        async with self:
            with typed_errors():
                async for event in self._call:
                    self._transcript.add(event)
                    yield event
            self._transcript.end()

    @property
    def response(self) -> gateway_pb2.SendResponse:
        """The whole answer, as `send` would have returned it. Raises RuntimeError before the stream has come to its end."""
        return self._transcript.response()

    @property
    def partial(self) -> gateway_pb2.SendResponse:
        """The answer so far; what is left of a stream that broke."""
        return self._transcript.partial()

    @property
    def reply(self) -> ChatReply:
        """The whole answer, as `chat` would have returned it. Raises RuntimeError before the stream has come to its end."""
        return ChatReply(response=self.response)

    async def close(self) -> None:
        """Cancel the call if it still runs."""
        self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class AsyncClient(ClientCore):
    """A gateway, for asyncio; `ClientCore` says what the settings mean.

    One event loop uses one. Close it, or use it in an ``async with`` block. Every call takes `timeout` in seconds (None: the client's own) and
    `metadata` to send along, and raises GatewayError when it fails.
    """

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        # Opened by the first call: a channel belongs to the event loop that runs when it is made.
        if self._credentials is None:
            return grpc.aio.insecure_channel(self.address, self._options)
        return grpc.aio.secure_channel(self.address, self._credentials, self._options)

    @cached_property
    def _stub(self) -> gateway_pb2_grpc.LLMGatewayAsyncStub:
        return gateway_pb2_grpc.LLMGatewayStub(self._channel)

    async def close(self) -> None:
        """Close the channel; calls in flight are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def chat(
        self,
        message: Conversation,
        model: str | None = None,
        provider: str | None = None,
        system_prompt: str | None = None,
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
        **generation: Unpack[Generation],
    ) -> ChatReply:
        """Ask, and wait for the whole answer. Without a model: the selected one, else the gateway's default."""
        request = make_request(message, model, provider, system_prompt, **generation)
        return ChatReply(response=await self.send(request, timeout=timeout, metadata=metadata))

    def stream(
        self,
        message: Conversation,
        model: str | None = None,
        provider: str | None = None,
        system_prompt: str | None = None,
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
        **generation: Unpack[Generation],
    ) -> AsyncStream:
        """Ask, and read the answer as it comes."""
        request = make_request(message, model, provider, system_prompt, **generation)
        return self.stream_send(request, timeout=timeout, metadata=metadata)

    async def send(
        self, request: gateway_pb2.SendRequest, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> gateway_pb2.SendResponse:
        """The RPC Send."""
        with typed_errors():
            return await self._stub.Send(
                self._addressed(request), timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )

    def stream_send(
        self,
        request: gateway_pb2.SendRequest | gateway_pb2.StreamSendRequest,
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncStream:
        """The RPC StreamSend. The call starts now; its failure is raised where the stream is read."""
        call = self._stub.StreamSend(
            self._streamed(request), timeout=self._deadline(timeout), metadata=self._metadata(metadata)
        )
        return AsyncStream(call)

    async def list_models(
        self,
        provider: str | None = None,
        *,
        required_capabilities: Iterable[model_pb2.ModelCapability.ValueType] = (),
        refresh: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> ModelList:
        """The models that the caller may use, of all pages. `refresh` has the gateway ask the providers again."""
        request = model_pb2.ListModelsRequest(
            provider=provider or "", required_capabilities=required_capabilities, refresh=refresh
        )
        models = ModelList()
        while True:
            with typed_errors():
                page = await self._stub.ListModels(
                    request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
                )
            if not models.add_page(page):
                return models
            request.page_token = page.next_page_token

    async def select_model(
        self, model: str, provider: str | None = None, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> model_pb2.Model:
        """Make a model the default of later calls that name neither model nor provider.

        Raises ModelNotFound when the gateway does not list it, InvalidArgument when several providers have one of that name.
        """
        return self._select(model, provider, await self.list_models(provider, timeout=timeout, metadata=metadata))

    async def get_status(
        self,
        provider: str | None = None,
        *,
        probe: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> health_pb2.HealthResponse:
        """Health of the gateway and its providers; `probe` has it ask the providers now."""
        request = health_pb2.HealthRequest(provider=provider or "", probe=probe)
        with typed_errors():
            return await self._stub.Health(request, timeout=self._deadline(timeout), metadata=self._metadata(metadata))

    async def health_check(self, *, timeout: float | None = 5.0, metadata: Metadata = ()) -> bool:
        """Whether the gateway answers and takes calls. Raises GatewayError for any failure but silence, such as a wrong API key."""
        try:
            return is_serving(await self.get_status(timeout=timeout, metadata=metadata))
        except (Unavailable, DeadlineExceeded):
            return False
