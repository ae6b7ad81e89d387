"""HttpCaller: the last link of the chain. render → HTTP → framing → parse → first content ⇒ Reply."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
from llmgateway.v1 import gateway_pb2, model_pb2, usage_pb2
from msgspec import structs

from llm_gateway import config, durations, errors
from llm_gateway.calls.call import Attempt, Call, Reply
from llm_gateway.errors import (
    AttemptTimeout,
    CallerDeadline,
    CredentialsRejected,
    EndpointWrong,
    ModelNotFound,
    ProviderError,
    ResponseInvalid,
    StreamTruncated,
)
from llm_gateway.protocols import framing, json
from llm_gateway.protocols.events import Event, EventWriter
from llm_gateway.protocols.json import MalformedJson
from llm_gateway.protocols.summary import Summary
from llm_gateway.protocols.wire import (
    Api,
    DescribesModels,
    ModelPage,
    Outgoing,
    Rendering,
    StreamParser,
    TellsLoaded,
    WireFormat,
    guarded,
    render,
)
from llm_gateway.upstream import http

Choose = Callable[[gateway_pb2.SendRequest, Summary, str], Api]
"""The API for a request, its summary and a model."""
Price = Callable[[str, usage_pb2.Usage, EventWriter], None]
"""Puts the cost into a usage of a model, by what the writer knows of the answer."""

_MODEL = re.compile(r"[\w.:/@-]+")
"""Names that stand in a command line as they are."""
HELD_BYTES = 256 << 10
MAX_ERROR_BODY = 64 << 10
MOST_PAGES = 100
DESCRIBED_AT_ONCE = 8


class Credential(Protocol):
    """What authenticates a request to a provider."""

    async def headers(self, outgoing: Outgoing, host: str) -> Sequence[tuple[str, str]]:
        """Headers to add to this request. Raises CredentialsRejected when there are no credentials to be had."""

    def rejected(self) -> bool:
        """The provider answered 401; whether there may be other credentials by now."""

    def close(self) -> None:
        """Not used any more."""


class Client(Protocol):
    """What requests are sent through: `http.HttpClient`, or a local process that is spoken to in the same terms."""

    @property
    def host(self) -> str: ...

    async def send(
        self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes = b"", /
    ) -> http.HttpResponse: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticHeaders:
    """Credentials that are the same for every request, an API key say."""

    fields: tuple[tuple[str, str], ...] = ()

    async def headers(self, outgoing: Outgoing, host: str) -> Sequence[tuple[str, str]]:
        return self.fields

    def rejected(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def __repr__(self) -> str:
        return "StaticHeaders(...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCaller:
    """Calls one endpoint of one provider over HTTP; a Handler. Raises ProviderError for whatever goes wrong before the first content."""

    provider: str
    kind: str
    choose: Choose
    lists: tuple[tuple[Api, ...], ...]
    """APIs whose model lists add up to the provider's; of each group the first list that the server has."""
    client: Client
    control: Client | None = None
    """For model lists, where they are on another host."""
    query: str = ""
    """Added to every path."""
    credential: Credential
    timeouts: config.ProviderTimeouts = field(default_factory=config.ProviderTimeouts)
    extra_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What its row takes from the configuration."""
    missing_model: str = ""
    """Advice where the provider does not know a `{model}`."""
    stopped: str = ""
    """Advice where it cannot be reached."""
    key_from: str = ""
    """A sentence that says where the credentials come from."""
    price: Price | None = None
    trace: Callable[[], Sequence[tuple[str, str]]] | None = None
    """Headers that name the current span, if the provider is to know it."""
    like: str = ""
    """An example of such a provider's address, for the error of one that is wrong."""
    shown: dict[str, tuple[int, model_pb2.Model]] = field(default_factory=dict, repr=False)
    """What the provider told of single models, and since when (Unix nanoseconds) each is as it is."""

    async def __call__(self, attempt: Attempt) -> Reply:
        call, model = attempt.call, attempt.target.model
        api = self.choose(call.request, call.summary, model)
        rendering = Rendering(
            request=call.request,
            model=model,
            stream=call.stream,
            provider=self.provider,
            kind=self.kind,
            dialect=api.dialect,
            settings=self.settings,
            api=api.name,
        )
        outgoing = render(api.wire, rendering)
        policy = call.request.routing
        if policy.unsupported_fields == gateway_pb2.RoutingPolicy.UNSUPPORTED_FIELDS_REJECT:
            rendering.notes.reject()
        price = partial(self.price, model) if self.price is not None else None
        origin = f"{self.provider}/{api.name}" if api.name else self.provider
        writer = EventWriter(origin, price, whole=not call.stream)
        writer.wanted = rendering.candidates()
        for warning in rendering.notes.warnings:
            writer.warn(warning.reason, warning.field, warning.message)
        limits = _Limits.of(call, self.timeouts)
        try:
            async with asyncio.timeout_at(limits.first()):
                return await self._open(api, outgoing, writer, attempt, limits)
        except TimeoutError:
            failure = limits.expired()
        except http.TransportError as error:
            failure = transport_error(error, self.client.host)
        except ProviderError as error:
            failure = error
        if isinstance(failure, ProviderError):
            failure.usage = failure.usage or writer.usage
            self._advise(failure, model)
        raise failure from None

    def _advise(self, error: ProviderError, model: str) -> None:
        if isinstance(error, CredentialsRejected):
            error.advice = self.key_from
        elif isinstance(error, ModelNotFound):
            error.advice = self.missing_model.format(model=model if _MODEL.fullmatch(model) else "NAME")
        elif isinstance(error, errors.ProviderUnreachable):
            error.advice = self.stopped

    async def _open(
        self, api: Api, outgoing: Outgoing, writer: EventWriter, attempt: Attempt, limits: _Limits
    ) -> Reply:
        wire = api.wire
        response = await self.send(outgoing)
        try:
            if not 200 <= response.status < 300:
                raise await self._failure(api, outgoing, response, self.client)
            kind = (response.headers.get("content-type") or "").partition(";")[0].strip().lower()
            if kind == "text/html":
                raise self._wrong_address(outgoing, response.status, self.client, "a web page")
            if not attempt.call.stream or (kind == "application/json" and wire.framing == "sse"):
                _parse_whole(wire, await response.read(), writer, api.dialect)
                await response.aclose()
                return Reply(writer, attempt.target, attempt.endpoint)
            writer.streamed = True
            parser = wire.stream_parser(writer, api.dialect)
            source = _Source(response, writer, parser, wire.framing, self.client.host)
            await source.first_content()
            return source.reply(attempt, limits)
        except BaseException:
            response.abort()
            raise

    async def send(self, outgoing: Outgoing, client: Client | None = None) -> http.HttpResponse:
        """The request with credentials, by the provider's own client unless another is given. Sent once more when the credentials
        had run out and there are new ones."""
        client = client or self.client
        if self.query:
            path = f"{outgoing.path}{'&' if '?' in outgoing.path else '?'}{self.query}"
            outgoing = structs.replace(outgoing, path=path)
        response = await self._signed(outgoing, client)
        if response.status == 401 and self.credential.rejected():
            await response.aclose()
            response = await self._signed(outgoing, client)
        return response

    async def _signed(self, outgoing: Outgoing, client: Client) -> http.HttpResponse:
        headers = [("content-type", "application/json"), *outgoing.headers, *self.extra_headers]
        headers += await self.credential.headers(outgoing, client.host)
        if self.trace is not None:
            headers += self.trace()
        return await client.send(outgoing.method, outgoing.path, headers, outgoing.body)

    async def list_models(self) -> list[model_pb2.Model]:
        """All models that the provider lists, page after page; also the probe that costs nothing. Raises ProviderError."""
        models: list[model_pb2.Model] = []
        missing: list[ProviderError] = []
        async with self._answering(self.timeouts.connect + 10.0):
            for group in self.lists:
                try:
                    models += await self._first_list(group)
                except (ModelNotFound, EndpointWrong) as error:
                    missing.append(error)
        if len(missing) == len(self.lists):
            raise missing[0]
        for model in models:
            model.provider = self.provider
            model.name = f"providers/{self.provider}/models/{model.model_id}"
        return models

    async def describe(self, models: list[model_pb2.Model]) -> list[model_pb2.Model]:
        """The models with what the provider tells of each when it is asked for that one; as they are where the list says it all.
        A model that cannot be asked for stays as the list has it; one that writes nothing (an embedding model) is left out. A model is asked for
        again when the list has another time for it."""
        wires = [api.wire for group in self.lists for api in group if isinstance(api.wire, DescribesModels)]
        if not wires:
            return models
        wire = wires[0]
        mute: set[str] = set()
        if isinstance(wire, TellsLoaded):
            with suppress(ProviderError):
                async with (
                    self._answering(self.timeouts.connect + 10.0),
                    await self.send(wire.render_loaded()) as response,
                ):
                    loaded = guarded(wire.parse_loaded, await response.read())
                for model in models:
                    model.loaded = model.model_id in loaded
        slots = asyncio.Semaphore(DESCRIBED_AT_ONCE)

        shown = dict(self.shown)
        self.shown.clear()

        def take(model: model_pb2.Model, one: model_pb2.Model) -> None:
            self.shown[model.model_id] = model.create_time.ToNanoseconds(), one
            model.MergeFrom(one)
            if not one.output_modalities:
                mute.add(model.model_id)

        async def ask(model: model_pb2.Model) -> None:
            made, one = shown.get(model.model_id, (0, None))
            if one is not None and made and made == model.create_time.ToNanoseconds():
                take(model, one)
                return
            async with slots:
                try:
                    async with (
                        self._answering(self.timeouts.connect + 10.0),
                        await self.send(wire.render_show(model.model_id)) as response,
                    ):
                        if 200 <= response.status < 300:
                            take(model, guarded(wire.parse_show, await response.read()))
                except ProviderError:
                    return

        await asyncio.gather(*map(ask, models))
        return [model for model in models if model.model_id not in mute]

    async def _first_list(self, group: tuple[Api, ...]) -> list[model_pb2.Model]:
        """The models of the first API of the group whose list the server has; it lacks one that it answers with 404, or, as old
        releases of LM Studio do, with something that is no list."""
        *others, last = group
        for api in others:
            with suppress(ModelNotFound, EndpointWrong, ResponseInvalid):
                return await self._list(api)
        return await self._list(last)

    async def _list(self, api: Api) -> list[model_pb2.Model]:
        models: list[model_pb2.Model] = []
        token = ""
        for _ in range(MOST_PAGES):
            outgoing = api.wire.render_list_models(token, api.dialect)
            async with await self.send(outgoing, self.control) as response:
                if not 200 <= response.status < 300:
                    raise await self._failure(api, outgoing, response, self.control or self.client)
                if (response.headers.get("content-type") or "").lower().startswith("text/html"):
                    raise self._wrong_address(outgoing, response.status, self.control or self.client, "a web page")
                page = _page(api, await response.read())
            models += page.models
            if not page.next or page.next == token:
                break
            token = page.next
        return models

    async def _failure(
        self, api: Api, outgoing: Outgoing, response: http.HttpResponse, client: Client
    ) -> ProviderError:
        """The error of an answer that is not 2xx: the provider's own, or that nothing is at the address."""
        body = await _some(response)
        if response.status == 405 or (response.status == 404 and _is_no_answer_of_an_api(body)):
            return self._wrong_address(outgoing, response.status, client)
        return api.wire.parse_error(response.status, response.headers, body, api.dialect)

    def _wrong_address(self, outgoing: Outgoing, status: int, client: Client, what: str = "") -> EndpointWrong:
        base_url = client.base_url if isinstance(client, http.HttpClient) else client.host
        scheme, _, rest = base_url.rpartition("://")
        host, *path = f"{rest}{outgoing.path.partition('?')[0]}".split("/")
        shown = "/".join([host, *map(errors.redact, path)])  # a path may hold a key
        place = f"{outgoing.method} {scheme}{'://' if scheme else ''}{shown}"
        told = f"HTTP {status} from {place}" + (f" with {what}" if what else "")
        wrong = EndpointWrong(cause=told, status=status)
        wrong.advice = _written(self.kind, self.like)
        return wrong

    @asynccontextmanager
    async def _answering(self, seconds: float) -> AsyncIterator[None]:
        """Transport failures and the end of the time as ProviderErrors."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise AttemptTimeout(cause=f"no list of models within {seconds:g} s") from None
        except http.TransportError as error:
            failure = transport_error(error, self.client.host)
            self._advise(failure, "")
            raise failure from None
        except CredentialsRejected as error:
            self._advise(error, "")
            raise

    async def aclose(self) -> None:
        self.credential.close()
        await self.client.aclose()
        if self.control is not None:
            await self.control.aclose()


class _Source:
    """One stream being read: bytes to frames to events."""

    __slots__ = ("_failure", "_frames", "_host", "_parser", "_response", "_watch", "_writer")

    def __init__(
        self, response: http.HttpResponse, writer: EventWriter, parser: StreamParser, kind: str, host: str
    ) -> None:
        self._response = response
        self._host = host
        self._writer = writer
        self._parser = parser
        self._frames: framing.Framing = framing.of(kind)
        self._watch: _Watch | None = None
        self._failure: errors.GatewayError | None = None

    async def first_content(self) -> None:
        """Read until the answer commits. Raises ResponseInvalid when too much comes before it."""
        held = 0
        while not self._writer.committed:
            try:
                held += self._take(await self._response.receive())
            except (http.TransportError, errors.GatewayError) as error:
                self._fail(error)
            if self._failure is not None and not self._writer.committed:
                raise self._failure
            if held > HELD_BYTES and not self._writer.committed:
                raise ResponseInvalid(f"The provider sent {held} bytes without any content.")
        if self._writer.empty:
            raise ResponseInvalid("The provider's answer holds nothing.")

    def reply(self, attempt: Attempt, limits: _Limits) -> Reply:
        self._watch = _Watch(self._response, limits)
        return Reply(
            self._writer, attempt.target, attempt.endpoint, pull=partial(self.pull, self._watch), close=self.close
        )

    async def pull(self, watch: _Watch) -> list[Event]:
        watch.waiting_since = watch.now()
        while self._failure is None:
            try:
                self._take(await self._response.receive())
            except (http.TransportError, errors.GatewayError) as error:
                self._fail(error)
            events = self._writer.drain()
            if events or self._writer.done:
                watch.waiting_since = None
                return events
        raise self._failure

    async def close(self, whole: bool) -> None:
        if self._watch is not None:
            self._watch.cancel()
        if whole:
            await self._response.aclose()
        else:
            self._response.abort()

    def _fail(self, error: http.TransportError | errors.GatewayError) -> None:
        """Keep a failure until what was written before it is delivered: what came with it, or before it in the same bytes."""
        self._response.abort()
        if isinstance(error, errors.GatewayError):
            self._failure = error
            return
        expired, rest = (self._watch.expired, self._watch.rest) if self._watch is not None else (None, b"")
        self._failure = expired or transport_error(error, self._host)
        with suppress(errors.GatewayError):
            self._parse(self._frames.feed(rest))
            self._parse(self._frames.close())  # a last line is whole without its end; half a one is no JSON

    def _take(self, chunk: bytes) -> int:
        """Parse what arrived; an empty chunk is the end of the body. Returns the bytes of the frames that are whole now; one that is not
        is bounded by its framing. Raises ProviderError."""
        if chunk:
            return self._parse(self._frames.feed(chunk))
        size = self._parse(self._frames.close())
        if not self._writer.done:
            guarded(self._parser.close)
        if not self._writer.done:
            raise StreamTruncated("The provider's stream ended without its end mark.")
        return size

    def _parse(self, frames: list[framing.Frame]) -> int:
        """Parse frames up to the end mark; returns their bytes. Raises ProviderError."""
        writer = self._writer
        size = 0
        for event, data in frames:
            size += len(data)
            try:
                self._parser.feed(event, data)
            except MalformedJson:
                writer.malformed += 1
            except json.WRONG_SHAPE as error:
                raise ResponseInvalid(
                    f"An event of the stream is not of the provider's format ({type(error).__name__})."
                ) from None
            if writer.done:
                break
        return size


class _Limits(msgspec.Struct, frozen=True, kw_only=True):
    """When one provider call, begun at `begun`, must be where, in loop time. idle: seconds."""

    begun: float
    first_event: float | None
    attempt: float | None
    deadline: float | None
    idle: float | None

    @classmethod
    def of(cls, call: Call, timeouts: config.ProviderTimeouts) -> _Limits:
        now = asyncio.get_running_loop().time()
        policy = call.request.routing
        route = call.route.timeouts
        attempt = route.attempt if route.attempt is not None else timeouts.attempt
        if policy.HasField("attempt_timeout"):
            attempt = durations.to_seconds(policy.attempt_timeout)
        first: float | None = None
        if call.stream:  # a unary answer has no first event before its last
            first = route.first_event if route.first_event is not None else timeouts.first_event
            if policy.HasField("first_event_timeout"):
                first = durations.to_seconds(policy.first_event_timeout)
        return cls(
            begun=now,
            first_event=None if first is None else now + first,
            attempt=now + attempt,
            deadline=call.deadline,
            idle=route.idle if route.idle is not None else timeouts.idle,
        )

    def first(self) -> float | None:
        """When the first content must be there."""
        return min((at for at in (self.first_event, self.attempt, self.deadline) if at is not None), default=inf)

    def total(self) -> float | None:
        """When the call must be over."""
        return min((at for at in (self.attempt, self.deadline) if at is not None), default=inf)

    def expired(self) -> errors.GatewayError:
        """The error for whichever limit has passed."""
        now = asyncio.get_running_loop().time()
        if self.deadline is not None and self.deadline <= now + 1e-3:
            return CallerDeadline(
                f"The caller's deadline was reached, {now - self.begun:.3g} s into the provider call."
            )
        if self.attempt is not None and self.attempt <= now + 1e-3:
            return AttemptTimeout(cause=f"no whole answer within {self.attempt - self.begun:.6g} s, the attempt limit")
        first = (self.first_event or now) - self.begun
        return AttemptTimeout(cause=f"no content within {first:.6g} s, the first-event limit")


class _Watch:
    """Ends a stream that is silent for too long, or past its limits, by closing its socket.

    waiting_since: loop time since when content is waited for; None while the client takes what there is, for a slow client is not the
    provider's silence. Setting it is all that an event costs: the timer is moved only when it fires.
    expired: what is over, once it is; rest: bytes that had arrived by then.
    """

    __slots__ = ("_handle", "_idle", "_limits", "_loop", "_response", "expired", "now", "rest", "waiting_since")

    def __init__(self, response: http.HttpResponse, limits: _Limits) -> None:
        self._loop = asyncio.get_running_loop()
        self._response = response
        self._limits = limits
        self._idle = limits.idle
        self.now = self._loop.time
        self.waiting_since: float | None = None
        self.expired: errors.GatewayError | None = None
        self.rest = b""
        at = self._next()
        self._handle = self._loop.call_at(at, self._fire) if at < inf else None

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _next(self) -> float:
        """When the first of the limits is over; infinity where there is none."""
        since = self.now() if self.waiting_since is None else self.waiting_since
        idle = None if self._idle is None else since + self._idle
        return min((at for at in (idle, self._limits.total()) if at is not None), default=inf)

    def _fire(self) -> None:
        at = self._next()
        if at > self._loop.time() + 1e-3:
            self._handle = self._loop.call_at(at, self._fire)
            return
        total = self._limits.total()
        if total is not None and total <= at:
            self.expired = self._limits.expired()
        else:
            self.expired = AttemptTimeout(cause=f"no content for {self._idle:g} s, the idle limit")
        self.rest = self._response.cut()


def transport_error(error: http.TransportError, host: str) -> ProviderError:
    """The error tree's word for a transport failure at a host, "" where it is not on the network; it holds no path, header or body. The
    connection keeps what it raised, so its frames are let go of."""
    errors.forget_frames(error)
    from_, by = (f", from {host}", f", by {host}") if host else ("", "")
    if isinstance(error, http.ConnectTimeout):
        return errors.ConnectTimedOut(cause=str(error))
    if isinstance(error, (http.ProtocolViolation, http.ResponseTooLarge)):
        return ResponseInvalid("The provider's answer cannot be read.", cause=f"{error}{from_}")
    if isinstance(error, (http.ConnectFailed, http.TlsFailed)):
        return errors.ProviderUnreachable(cause=str(error))
    if isinstance(error, http.ConnectionBroken) and not error.response_started:
        return errors.ProviderUnreachable("The provider closed the connection without an answer.", cause=f"{error}{by}")
    return errors.ProviderUnavailable("The connection to the provider broke.", cause=f"{error}{by}")


_NO_PATH = re.compile(
    r"invalid url|(?:page|file|path|route|url|endpoint) (?:was )?not found|no (?:such )?(?:route|path|endpoint)\b(?! found)"
    r"|unexpected endpoint|unknown (?:url|path|endpoint|request url|operation)|unknownoperation|cannot (?:get|post) /"
    r"|unrecognized request url|\"(?:resource )?not found\.?\"|method not allowed",
    re.IGNORECASE,
)
"""What servers say of a path that they do not have, other than of a model."""


def _is_no_answer_of_an_api(body: bytes) -> bool:
    """Whether an answer with 404 is about the path: it is no JSON object (a web page, a line of text, nothing), or says so."""
    text = body[:4096].decode("utf-8", "replace").strip()
    return not text.startswith(("{", "[{")) or _NO_PATH.search(text) is not None


def _written(kind: str, like: str) -> str:
    path = urlsplit(like).path
    if not path:
        return f"Kind {kind} wants it without /v1, as in {like}." if like else f"Is it one of kind {kind}?"
    return f"Kind {kind} wants it with {path}, as in {like}."


def _parse_whole(wire: WireFormat, body: bytes, writer: EventWriter, dialect: Any) -> None:
    guarded(wire.parse_response, body, writer, dialect)
    if not writer.done:
        raise ResponseInvalid("The provider's answer is not whole.")
    if writer.empty:
        raise ResponseInvalid("The provider's answer holds nothing.")


def _page(api: Api, body: bytes) -> ModelPage:
    """One page of a list; an entry without a name is no model that could be asked for."""
    page = guarded(api.wire.parse_models, body, api.dialect)
    return ModelPage(models=[model for model in page.models if model.model_id], next=page.next)


async def _some(response: http.HttpResponse) -> bytes:
    """Up to MAX_ERROR_BODY bytes of an error body; a body that breaks off is taken as far as it came."""
    data = b""
    try:
        while len(data) < MAX_ERROR_BODY:
            chunk = await response.receive()
            if not chunk:
                break
            data += chunk
    except http.TransportError:
        pass
    response.abort() if len(data) >= MAX_ERROR_BODY else await response.aclose()
    return data
