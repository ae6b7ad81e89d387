"""The error tree: every way a call can fail, and what the gateway does about it.

    GatewayError                     what the caller is told: code, reason, details
    ├── CallerError                  the caller must fix it; never retried, counts against nobody
    ├── Overload                     the gateway's own limits; another replica may have room
    └── ProviderError                what a provider answered, or failed to answer
        ├── RequestRefused           the request is at fault: another provider would refuse it too
        └── ...                      the provider is at fault: retry, another key, another target

A class's attributes decide what retry, fallback and the breakers do, never an error's text.
Codes and reasons are the contract's; docs/errors.md lists them.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from llmgateway.v1 import gateway_pb2, usage_pb2

from llm_gateway.telemetry import redaction


class Code(enum.IntEnum):
    """Canonical gRPC codes, by their numbers in google/rpc/code.proto; kept here so that only the RPC edge imports grpc."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Blame(enum.Enum):
    """Whose health record a failure goes on."""

    NOBODY = "nobody"
    KEY = "key"
    MODEL = "model"
    SERVER = "server"


def install_extra(name: str, *, image: bool = True) -> str:
    """An extra that is missing, and how to install it, for an error's sentence. It names no package index: a package of our name there would
    not be ours. image: whether the container image can have it."""
    text = f"the extra {name}: pip install ./clients/python '.[{name}]' in a working copy"
    return f"{text}, or EXTRAS={name} where the image is built" if image else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing wrong with a request."""

    field: str
    """Proto path below the RPC's request message, such as ``messages[2].parts[0].media.mime_type``."""
    description: str
    """What is wrong and what would be right; never holds the value itself."""
    reason: str = "INVALID_VALUE"
    """UPPER_SNAKE_CASE, such as REQUIRED or OUT_OF_RANGE."""


def forget_frames(error: BaseException | None) -> None:
    """Take the tracebacks from an error and from those that it came of. Who keeps one keeps all frames that it went through, and with them the
    request; a frame that keeps it as well closes a circle, which only the collector finds."""
    while error is not None:
        error.__traceback__, error = None, error.__context__


class GatewayError(Exception):
    """A failure as the caller sees it."""

    code: ClassVar[Code] = Code.INTERNAL
    reason: ClassVar[str] = "INTERNAL_ERROR"
    spent = False
    """Whether the call has made all the provider calls it may make."""

    def __init__(
        self, message: str = "", *, violations: Sequence[Violation] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(message or (self.__doc__ or "").split("\n")[0])
        self.violations = tuple(violations)
        self.retry_after = retry_after
        """Seconds after which a new call may succeed."""
        self.attempts: Sequence[gateway_pb2.Attempt] = ()
        """What was tried for the call; filled in on the way out."""
        self.about = ""
        """`provider/model`, once known."""

    @property
    def message(self) -> str:
        """Our own words, safe to log: never a provider's words, a key or a prompt."""
        return f"{self.about}: {self.args[0]}" if self.about else str(self.args[0])

    @property
    def told(self) -> str:
        """What the caller is told, which may hold a provider's words."""
        return self.message

    @property
    def cause(self) -> str:
        """The message without its subject, to follow a colon."""
        text = str(self.args[0]).removesuffix(".")
        if self.violations:
            text += ": " + ", ".join(f"{violation.field} {violation.reason}" for violation in self.violations[:3])
        return text[:1].lower() + text[1:]


class InternalError(GatewayError):
    """The gateway failed; this is a bug."""


# ---------------------------------------------------------------- the caller must fix it
class CallerError(GatewayError):
    """The request cannot be served as it is."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_REQUEST"


class InvalidRequest(CallerError):
    """The request is not valid."""

    @classmethod
    def of(cls, field: str, description: str, reason: str = "INVALID_VALUE", message: str = "") -> InvalidRequest:
        """For one field; message: a sentence of its own, where the class's says too little."""
        return cls(message, violations=[Violation(field=field, description=description, reason=reason)])


class MessageTooLarge(CallerError):
    """The request is larger than the gateway accepts."""

    reason = "REQUEST_TOO_LARGE"


class UnsupportedField(CallerError):
    """The model does not support a field, and the caller asked for strictness."""

    reason = "UNSUPPORTED_FIELD"


class CallerUnauthenticated(CallerError):
    """The call carries no valid API key."""

    code = Code.UNAUTHENTICATED
    reason = "CALLER_UNAUTHENTICATED"


class OverrideNotAllowed(CallerError):
    """The caller may not override this by metadata."""

    code = Code.PERMISSION_DENIED
    reason = "OVERRIDE_NOT_ALLOWED"


class UnknownModel(CallerError):
    """No route, model or provider has this name."""

    code = Code.NOT_FOUND
    reason = "MODEL_NOT_FOUND"


class ProviderNotConfigured(CallerError):
    """No provider of this name is configured."""

    code = Code.NOT_FOUND
    reason = "PROVIDER_NOT_CONFIGURED"


class ResourceError(CallerError):
    """Something is the matter with a resource. For the administration."""

    def __init__(self, message: str, *, resource: str) -> None:
        """resource: its name, such as `providers/edge`."""
        super().__init__(message)
        self.resource = resource


class ResourceNotFound(ResourceError):
    """Nothing of this name is configured."""

    code = Code.NOT_FOUND
    reason = "RESOURCE_NOT_FOUND"


class ResourceExists(ResourceError):
    """The name is in use."""

    code = Code.ALREADY_EXISTS
    reason = "RESOURCE_EXISTS"


class ResourceChanged(ResourceError):
    """Somebody else changed it meanwhile."""

    code = Code.ABORTED
    reason = "RESOURCE_CHANGED"


class RoleRequired(CallerError):
    """The administrator may not do this."""

    code = Code.PERMISSION_DENIED
    reason = "ROLE_REQUIRED"


class NotAsThingsAre(CallerError):
    """As things are it cannot be done. For the administration. The fields of its violations are what is in the way."""

    code = Code.FAILED_PRECONDITION


class ConfigInvalid(NotAsThingsAre):
    """The configuration is wrong. The fields of its violations are files and lines."""

    reason = "CONFIG_INVALID"


class SetByFile(NotAsThingsAre):
    """The file decides it. The fields of its violations are files and lines."""

    reason = "SET_BY_FILE"


class NotInFile(NotAsThingsAre):
    """The file has nothing that could stand in its place."""

    reason = "NOT_IN_FILE"


class ProviderOff(NotAsThingsAre):
    """The provider is switched off."""

    reason = "PROVIDER_OFF"


class ResourceInUse(NotAsThingsAre):
    """Something needs it. The fields of its violations are the names of what does."""

    reason = "RESOURCE_IN_USE"


class StoreRequired(NotAsThingsAre):
    """Nothing can be changed at run time: the configuration says not where it would be kept. The field of its violation is what it lacks."""

    reason = "STORE_REQUIRED"


class StoreUnavailable(GatewayError):
    """The store of what is set at run time cannot be reached."""

    code = Code.UNAVAILABLE
    reason = "STORE_UNAVAILABLE"


class NoCapableTarget(CallerError):
    """No target can serve what the request needs."""

    code = Code.FAILED_PRECONDITION
    reason = "NO_CAPABLE_TARGET"
    excluded: tuple[Any, ...] = ()
    """routing.Exclusion of each target, for `explain`."""


class CallerDeadline(GatewayError):
    """The caller's deadline was reached."""

    code = Code.DEADLINE_EXCEEDED
    reason = "CALLER_DEADLINE"


class CallerTooSlow(GatewayError):
    """The caller did not read its stream for too long."""

    code = Code.ABORTED
    reason = "CALLER_TOO_SLOW"


# ---------------------------------------------------------------- the gateway's own limits
class Overload(GatewayError):
    """The gateway accepts no more calls now."""

    code = Code.UNAVAILABLE
    reason = "GATEWAY_OVERLOADED"


class WorkerUnavailable(GatewayError):
    """No worker process answers now; one that has ended is started again. For the administration."""

    code = Code.UNAVAILABLE
    reason = "WORKER_UNAVAILABLE"


class TooManyWatches(GatewayError):
    """The gateway accepts no more Watches now; Check needs no stream."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_WATCHES"


class Draining(Overload):
    """The gateway stopped before the call was over; call again."""

    reason = "GATEWAY_DRAINING"


class ChangeNotInForce(GatewayError):
    """A change is kept, but could not be put in force."""

    reason = "CHANGE_NOT_IN_FORCE"


# ---------------------------------------------------------------- a provider's failure
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
MAX_PROVIDER_MESSAGE = 512


def redact(text: str) -> str:
    """A provider's words without what looks like a secret and without control characters, at most 512 bytes of UTF-8."""
    text = redaction.without_known(text)[: 4 * MAX_PROVIDER_MESSAGE]  # before the cut, which might leave half of one
    text = redaction.redact_foreign(_CONTROL.sub(" ", text)).strip()
    encoded = text.encode("utf-8", "replace")
    return encoded[:MAX_PROVIDER_MESSAGE].decode("utf-8", "ignore")


class ProviderError(GatewayError):
    """A provider failed."""

    code = Code.UNAVAILABLE
    reason = "PROVIDER_UNAVAILABLE"
    retry_same: ClassVar[bool] = False
    """The same target may succeed in a moment."""
    other_key: ClassVar[bool] = False
    """Another key of the provider may succeed."""
    failover: ClassVar[bool] = True
    """Another target may succeed."""
    blame: ClassVar[Blame] = Blame.NOBODY
    """Whose breaker hears of it."""
    called = True
    """Whether a provider said so; False where the gateway held the call back."""
    quoted: ClassVar[bool] = False
    """The caller can act on the provider's words, so the message has them; else only ProviderFailure has."""

    def __init__(
        self,
        message: str = "",
        *,
        cause: str = "",
        status: int = 0,
        provider_code: str = "",
        provider_message: str = "",
        provider_request_id: str = "",
        retry_after: float | None = None,
        violations: Sequence[Violation] = (),
        usage: usage_pb2.Usage | None = None,
    ) -> None:
        """cause: what happened, in a few words of ours with the address, such as "connection refused at 127.0.0.1:11434"; the message does not
        repeat it. provider_message: its words, redacted here, for the caller only, never logged. usage: what it reported all the same."""
        super().__init__(message, violations=violations, retry_after=retry_after)
        self.status = status
        """The provider's HTTP status (or gRPC code); 0 when no answer came."""
        self.provider_code = redaction.without_known(provider_code)[:128]
        self.provider_message = redact(provider_message)
        self.provider_request_id = redaction.without_known(provider_request_id)[:128]
        self.usage = usage
        self.advice = ""
        """A sentence on what to do, where that depends on the provider."""
        self._cause = cause

    @property
    def message(self) -> str:
        return self._sentence("")

    @property
    def told(self) -> str:
        return self._sentence(self.provider_message if self.quoted else "")

    @property
    def cause(self) -> str:
        return self._cause or super().cause + self._status()

    def _status(self) -> str:
        return (
            f" (HTTP {self.status})" if self.status and str(self.status) not in f"{self.args[0]}{self._cause}" else ""
        )

    def _sentence(self, quoted: str) -> str:
        text = str(self.args[0]).removesuffix(".") + self._status()
        for more in (self._cause, quoted):
            if more:
                text += f": {more}"
        subject = f"{self.about}: " if self.about else ""
        return f"{subject}{text.removesuffix('.')}.{' ' if self.advice else ''}{self.advice}"


class RequestRefused(ProviderError):
    """The provider refused the request."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_REQUEST"
    quoted = True
    failover = False


class ContextWindowExceeded(RequestRefused):
    """The conversation is longer than the model's context window."""

    reason = "CONTEXT_WINDOW_EXCEEDED"


class RequestTooLarge(RequestRefused):
    """The request is larger than the provider accepts."""

    reason = "REQUEST_TOO_LARGE"


class MediaUnreachable(RequestRefused):
    """The provider could not fetch a media part."""

    reason = "MEDIA_UNREACHABLE"


class ContentBlocked(RequestRefused):
    """The provider's content policy blocked the request."""

    code = Code.FAILED_PRECONDITION
    reason = "CONTENT_BLOCKED"


class NotSupported(ProviderError):
    """The provider does not offer what was asked for."""

    code = Code.UNIMPLEMENTED
    reason = "NOT_SUPPORTED_BY_PROVIDER"
    quoted = True


class ModelNotFound(ProviderError):
    """The provider does not know the model."""

    code = Code.NOT_FOUND
    reason = "MODEL_NOT_FOUND"
    quoted = True


class EndpointWrong(ProviderError):
    """The configured address does not serve the provider's API."""

    code = Code.FAILED_PRECONDITION
    reason = "PROVIDER_ENDPOINT_WRONG"


class CredentialsRejected(ProviderError):
    """The provider rejected the gateway's credentials."""

    code = Code.FAILED_PRECONDITION
    reason = "PROVIDER_CREDENTIALS_REJECTED"
    other_key = True
    blame = Blame.KEY


class Billing(CredentialsRejected):
    """The gateway's account with the provider cannot pay."""

    reason = "PROVIDER_BILLING"


class RateLimited(ProviderError):
    """The provider limits the rate of calls."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "PROVIDER_RATE_LIMITED"
    retry_same = True
    other_key = True
    blame = Blame.KEY


class QuotaExhausted(ProviderError):
    """The gateway's quota with the provider is used up."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "PROVIDER_QUOTA_EXHAUSTED"
    other_key = True
    blame = Blame.KEY


class ProviderUnavailable(ProviderError):
    """The provider failed."""

    retry_same = True
    blame = Blame.MODEL


class ProviderUnreachable(ProviderUnavailable):
    """The provider cannot be reached."""

    blame = Blame.SERVER


class ConnectTimedOut(ProviderUnreachable):
    """Connecting to the provider took too long."""

    retry_same = False


class ProviderOverloaded(ProviderUnavailable):
    """The provider is overloaded."""

    reason = "PROVIDER_OVERLOADED"


class ProviderTimeout(ProviderUnavailable):
    """The provider reported a timeout."""

    reason = "PROVIDER_TIMEOUT"


class AttemptTimeout(ProviderTimeout):
    """The provider did not answer within the limits set for it."""

    retry_same = False

    @classmethod
    def of_route(cls, seconds: float) -> AttemptTimeout:
        """For a route's limit on the whole call."""
        return cls(cause=f"no whole answer within {seconds:g} s, the route's limit")


class ResponseInvalid(ProviderError):
    """The provider's answer does not follow its own format."""

    code = Code.INTERNAL
    reason = "PROVIDER_RESPONSE_INVALID"
    blame = Blame.MODEL


class StreamTruncated(ProviderUnavailable):
    """The provider's stream ended without its end mark."""

    reason = "STREAM_TRUNCATED"


class StreamInterrupted(ProviderError):
    """The provider's stream broke after content was sent.

    Nothing is retried: the caller holds part of an answer. `events_sent` counts what it holds.
    """

    reason = "STREAM_INTERRUPTED"
    failover = False
    blame = Blame.MODEL
    events_sent = 0


class EndpointBusy(ProviderError):
    """The endpoint's concurrency limit is reached."""

    reason = "GATEWAY_OVERLOADED"


class CircuitOpen(ProviderError):
    """Calls to the endpoint are held back after failures."""


class AllRoutesFailed(ProviderError):
    """Every target of the route failed.

    code is that of all failures where they agree on INVALID_ARGUMENT or RESOURCE_EXHAUSTED, else UNAVAILABLE.
    """

    reason = "ALL_ROUTES_FAILED"
    failover = False

    def __init__(self, message: str, *, last: ProviderError, code: Code, retry_after: float | None) -> None:
        super().__init__(
            message,
            status=last.status,
            provider_code=last.provider_code,
            provider_message=last.provider_message,
            provider_request_id=last.provider_request_id,
            retry_after=retry_after,
            usage=last.usage,
        )
        self.code = code  # type: ignore[misc]  # the one class whose code depends on what it sums up
