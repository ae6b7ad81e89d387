"""What the sync and the async client share: everything that is not I/O."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypedDict, Unpack

import grpc

from llmgateway.channel import (
    DEFAULT_ADDRESS,
    DEFAULT_TIMEOUT,
    TLS,
    Option,
    channel_credentials,
    channel_options,
    check_address,
    is_local,
)
from llmgateway.errors import InvalidArgument, ModelNotFound
from llmgateway.reply import ModelList
from llmgateway.v1 import content_pb2, gateway_pb2, health_pb2, model_pb2

Conversation = str | content_pb2.Message | Iterable[str | content_pb2.Message]
"""What to answer: the user's words, one message, or turns in order, in which a string is a turn of the user."""

Metadata = Sequence[tuple[str, str]]
"""gRPC metadata of one call, keys in lower case."""


class Generation(TypedDict, total=False):
    """Sampling, as keyword arguments: the fields of llmgateway.v1.GenerationConfig."""

    max_output_tokens: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    frequency_penalty: float
    presence_penalty: float
    repetition_penalty: float
    seed: int
    candidate_count: int
    stop_sequences: Sequence[str]
    logprobs: bool
    top_logprobs: int
    logit_bias: Mapping[int, float]
    output_modalities: Sequence[content_pb2.Modality.ValueType]
    service_tier: gateway_pb2.ServiceTier.ValueType


def trace_context() -> Mapping[str, str]:
    """Metadata of the current trace by OpenTelemetry's propagators; empty where the program does not use OpenTelemetry."""
    if "opentelemetry" not in sys.modules:
        return {}
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def make_request(
    message: Conversation,
    model: str | None = None,
    provider: str | None = None,
    system_prompt: str | None = None,
    **generation: Unpack[Generation],
) -> gateway_pb2.SendRequest:
    """The request that `chat` sends; add tools, an output format or a routing policy to it and pass it to `send`.

    Raises TypeError for a name that is not in `Generation`.
    """
    unknown = generation.keys() - gateway_pb2.GenerationConfig.DESCRIPTOR.fields_by_name.keys()
    if unknown:
        raise TypeError(
            f"unknown argument {', '.join(sorted(unknown))}; sampling takes {', '.join(Generation.__annotations__)}"
        )
    request = gateway_pb2.SendRequest(model=model or "", provider=provider or "")
    if system_prompt:
        request.messages.append(_turn(content_pb2.ROLE_SYSTEM, system_prompt))
    turns = [message] if isinstance(message, str | content_pb2.Message) else message
    request.messages.extend(_turn(content_pb2.ROLE_USER, turn) if isinstance(turn, str) else turn for turn in turns)
    if generation:
        request.generation_config.CopyFrom(gateway_pb2.GenerationConfig(**generation))
    return request


def _turn(role: content_pb2.Role.ValueType, text: str) -> content_pb2.Message:
    return content_pb2.Message(role=role, parts=[content_pb2.Part(text=content_pb2.TextPart(text=text))])


class ClientCore:
    """Settings of a client and the requests it makes; the subclasses do the I/O.

    address: a gRPC target, such as ``gateway.example:443`` or ``unix:/run/gateway.sock``.
    api_key: sent as ``authorization: Bearer``. Over plaintext it goes to this machine only, unless `insecure` allows more.
    tls: True for TLS with the default trust, `TLS` for files of your own and mTLS, or channel credentials of your making.
    timeout: deadline of each call in seconds; None is no deadline.
    options: gRPC channel arguments; one of these replaces the client's own of the same name.
    insecure: send the key over plaintext to another machine.
    propagate: returns metadata to add to each call, such as ``traceparent``.

    Raises ValueError for settings that contradict each other and an address that is none, OSError for a TLS file that cannot be read.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        api_key: str | None = None,
        tls: bool | TLS | grpc.ChannelCredentials = False,
        timeout: float | None = DEFAULT_TIMEOUT,
        options: Sequence[Option] = (),
        insecure: bool = False,
        propagate: Callable[[], Mapping[str, str]] = trace_context,
    ) -> None:
        check_address(address)
        self.address = address
        self._credentials = channel_credentials(tls)
        self._options = channel_options(address, options)
        self._timeout = timeout
        self._propagate = propagate
        self._authorization: Metadata = ()
        self._model = self._provider = ""
        if api_key:
            if not (api_key.isascii() and api_key.isprintable()):
                raise ValueError("the API key has a character that HTTP headers cannot carry")
            if self._credentials is None and not insecure and not is_local(address):
                raise ValueError(
                    f"refusing to send the API key in plaintext to {address}: use tls=True, or insecure=True on a network you trust"
                )
            self._authorization = (("authorization", f"Bearer {api_key}"),)
        self._open()

    def _open(self) -> None:
        """Open the channel, where that needs no event loop."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

    def _metadata(self, metadata: Metadata) -> tuple[tuple[str, str | bytes], ...]:
        propagated = ((key.lower(), value) for key, value in self._propagate().items())
        return (*self._authorization, *propagated, *metadata)

    def _deadline(self, timeout: float | None) -> float | None:
        return self._timeout if timeout is None else timeout

    def _addressed(self, request: gateway_pb2.SendRequest) -> gateway_pb2.SendRequest:
        """The request, with the selected model where it names neither model nor provider. The caller's message is left alone."""
        if not self._model or request.model or request.provider:
            return request
        addressed = gateway_pb2.SendRequest()
        addressed.CopyFrom(request)
        addressed.model, addressed.provider = self._model, self._provider
        return addressed

    def _streamed(
        self, request: gateway_pb2.SendRequest | gateway_pb2.StreamSendRequest
    ) -> gateway_pb2.StreamSendRequest:
        if isinstance(request, gateway_pb2.SendRequest):
            return gateway_pb2.StreamSendRequest(request=self._addressed(request))
        addressed = self._addressed(request.request)
        if addressed is request.request:
            return request
        return gateway_pb2.StreamSendRequest(request=addressed, options=request.options)

    def _select(self, model: str, provider: str | None, models: ModelList) -> model_pb2.Model:
        """Make a listed model the default. Raises ModelNotFound, or InvalidArgument where several providers have one of that name."""
        candidates = [listed for listed in models if not provider or listed.provider == provider]
        found = [listed for listed in candidates if model in _names(listed)]
        if not found:
            names = {name for listed in candidates for name in _names(listed) if not name.startswith("providers/")}
            close = difflib.get_close_matches(model, names, n=3)
            message = f"no model {model!r}" + (f" of provider {provider!r}" if provider else "")
            if close:
                message += f"; did you mean {' or '.join(close)}?"
            if models.unreachable:
                message += f"; did not answer: {', '.join(models.unreachable)}"
            raise ModelNotFound(message, code=grpc.StatusCode.NOT_FOUND, reason="MODEL_NOT_FOUND")
        providers = sorted({listed.provider for listed in found if model == listed.model_id})
        if len(providers) > 1:
            raise InvalidArgument(
                f"several providers have a model {model!r}: {', '.join(providers)}; name one",
                code=grpc.StatusCode.INVALID_ARGUMENT,
                reason="INVALID_REQUEST",
            )
        # a bare id goes with the provider that has it, or it would be another's as soon as that lists it; a route has none
        whose = found[0].provider if model == found[0].model_id else ""
        self._model, self._provider = model, provider or whose
        return found[0]


def _names(model: model_pb2.Model) -> tuple[str, ...]:
    return (model.name, model.model_id, f"{model.provider}/{model.model_id}", *model.aliases)


def is_serving(health: health_pb2.HealthResponse) -> bool:
    """Whether calls may work: SERVING, or DEGRADED because some provider fails."""
    return health.status in {health_pb2.HEALTH_STATUS_SERVING, health_pb2.HEALTH_STATUS_DEGRADED}
