"""The sync client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self, Unpack

import grpc

from llmgateway.core import ClientCore, Conversation, Generation, Metadata, is_serving, make_request
from llmgateway.errors import DeadlineExceeded, Unavailable, typed_errors
from llmgateway.reply import ChatReply, ModelList, Transcript
from llmgateway.v1 import gateway_pb2, gateway_pb2_grpc, health_pb2, model_pb2


class _Call(Protocol):
    def __iter__(self) -> Iterator[gateway_pb2.StreamSendResponse]: ...
    def cancel(self) -> bool: ...


class Stream:
    """One streaming answer. Iterate it for text, or `events()` for everything; once.

    Closing the iterator, leaving the ``with`` block or `close` cancels the call, and with it the provider's work.
    """

    def __init__(self, call: _Call) -> None:
        self._call = call
        self._transcript = Transcript()

    def __iter__(self) -> Iterator[str]:
        """Pieces of the first candidate's text as they come."""
        with self:
            for event in self.events():
                if text := self._transcript.text(event):
                    yield text

    def events(self) -> Iterator[gateway_pb2.StreamSendResponse]:
        """Every event as it comes, those of kinds that this client does not know included.

        Raises GatewayError when the call fails, StreamTruncated when it ends without `completed`.
        """
        with self:
            with typed_errors():
                for event in self._call:
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

    def close(self) -> None:
        """Cancel the call if it still runs."""
        self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Client(ClientCore):
    """A gateway, for programs without an event loop; `ClientCore` says what the settings mean.

    Threads may share one. Close it, or use it in a ``with`` block. Every call takes `timeout` in seconds (None: the client's own) and
    `metadata` to send along, and raises GatewayError when it fails.
    """

    def _open(self) -> None:
        if self._credentials is None:
            self._channel = grpc.insecure_channel(self.address, self._options)
        else:
            self._channel = grpc.secure_channel(self.address, self._credentials, self._options)
        self._stub = gateway_pb2_grpc.LLMGatewayStub(self._channel)

    def close(self) -> None:
        """Close the channel; calls in flight are cancelled."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def chat(
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
        return ChatReply(response=self.send(request, timeout=timeout, metadata=metadata))

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
    ) -> Stream:
        """Ask, and read the answer as it comes."""
        request = make_request(message, model, provider, system_prompt, **generation)
        return self.stream_send(request, timeout=timeout, metadata=metadata)

    def send(
        self, request: gateway_pb2.SendRequest, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> gateway_pb2.SendResponse:
        """The RPC Send."""
        with typed_errors():
            return self._stub.Send(
                self._addressed(request), timeout=self._deadline(timeout), metadata=self._metadata(metadata)
            )

    def stream_send(
        self,
        request: gateway_pb2.SendRequest | gateway_pb2.StreamSendRequest,
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> Stream:
        """The RPC StreamSend. The call starts now; its failure is raised where the stream is read."""
        call = self._stub.StreamSend(
            self._streamed(request), timeout=self._deadline(timeout), metadata=self._metadata(metadata)
        )
        return Stream(call)

    def list_models(
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
                page = self._stub.ListModels(
                    request, timeout=self._deadline(timeout), metadata=self._metadata(metadata)
                )
            if not models.add_page(page):
                return models
            request.page_token = page.next_page_token

    def select_model(
        self, model: str, provider: str | None = None, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> model_pb2.Model:
        """Make a model the default of later calls that name neither model nor provider.

        Raises ModelNotFound when the gateway does not list it, InvalidArgument when several providers have one of that name.
        """
        return self._select(model, provider, self.list_models(provider, timeout=timeout, metadata=metadata))

    def get_status(
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
            return self._stub.Health(request, timeout=self._deadline(timeout), metadata=self._metadata(metadata))

    def health_check(self, *, timeout: float | None = 5.0, metadata: Metadata = ()) -> bool:
        """Whether the gateway answers and takes calls. Raises GatewayError for any failure but silence, such as a wrong API key."""
        try:
            return is_serving(self.get_status(timeout=timeout, metadata=metadata))
        except (Unavailable, DeadlineExceeded):
            return False
