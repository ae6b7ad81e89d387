"""Credentials that are more than a fixed header: tokens and keys that expire, and signatures.

Whatever comes from a cloud's own library is fetched in a thread and renewed before it expires, so that only the first call
waits. The libraries are extras, imported when their credentials are first needed.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import time
from typing import Any, Generic, TypeVar

from llm_gateway.errors import CredentialsRejected, GatewayError, ProviderUnavailable, install_extra
from llm_gateway.protocols import json
from llm_gateway.protocols.wire import Outgoing
from llm_gateway.telemetry import logs
from llm_gateway.upstream.sigv4 import AwsKeys, sign

T = TypeVar("T")
Fields = tuple[tuple[str, str], ...]
"""Headers of a request."""
Secrets = Mapping[str, str]

RENEW_AHEAD = 240.0
"""Seconds before its end that a token is renewed; metadata servers hand out their cached one until 300 seconds before its end."""
TRY_AGAIN = 20.0
"""Seconds after a renewal that failed, or brought nothing new."""
LAST_SECONDS = 5.0
"""A token this close to its end is no longer sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(Generic[T]):
    """Something valid for a time."""

    value: T = field(repr=False)
    ends: float | None = None
    """UNIX time; None is never."""
    renew_at: float | None = None
    """When to fetch the next; None is never."""


class Renewed(Generic[T]):
    """A value that is fetched when it is first needed, by one thread at a time, and then kept fresh until it is closed."""

    def __init__(self, extra: str, fetch: Callable[[], Lease[T]], *, clock: Callable[[], float] = time) -> None:
        """extra: of our package, which fetch needs. fetch: blocks; whatever it raises but GatewayError is a rejection."""
        self._extra = extra
        self._fetch = fetch
        self._clock = clock
        self._lease: Lease[T] | None = None
        self._task: asyncio.Task[T] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def get(self) -> T:
        """The value; waits only where there is none that still holds. Raises GatewayError."""
        lease = self._lease
        if lease is not None and (lease.ends is None or self._clock() < lease.ends - LAST_SECONDS):
            return lease.value
        return await asyncio.shield(self._begin())

    def drop(self) -> bool:
        """Forget the value, which was rejected; whether another one may be had."""
        renewable = self._lease is not None and self._lease.ends is not None
        if renewable:
            self._lease = None
        return renewable

    def close(self) -> None:
        """Renew no more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self) -> asyncio.Task[T]:
        if self._task is None:
            self._task = asyncio.create_task(self._renew())
            self._task.add_done_callback(self._done)
        return self._task

    async def _renew(self) -> T:
        self._lease = lease = await asyncio.to_thread(self._guarded)
        return lease.value

    def _guarded(self) -> Lease[T]:
        try:
            return self._fetch()
        except GatewayError:
            raise
        except ImportError:
            raise CredentialsRejected(f"Without a key it needs {install_extra(self._extra)}.") from None
        except Exception as error:  # the libraries' errors have no common base; their texts may hold secrets
            raise CredentialsRejected(f"No credentials could be found: {type(error).__name__}.") from None

    def _done(self, task: asyncio.Task[T]) -> None:
        self._task = None
        now = self._clock()
        lease = self._lease
        renew_at = None if lease is None else lease.renew_at
        if not task.cancelled() and task.exception() is not None:
            logs.log().warning("credentials not renewed", extra=self._extra, reason=_reason(task.exception()))
            renew_at = now + TRY_AGAIN if lease is not None else None  # without any, the next call asks
        if renew_at is not None and not self._closed:
            if self._timer is not None:
                self._timer.cancel()
            delay = max(renew_at - now, TRY_AGAIN)
            self._timer = asyncio.get_running_loop().call_later(delay, self._begin)


def _reason(error: BaseException | None) -> str:
    return error.reason if isinstance(error, GatewayError) else type(error).__name__


class _Sourced(Generic[T]):
    """A credential made of a renewed value."""

    def __init__(self, source: Renewed[T]) -> None:
        self._source = source

    def rejected(self) -> bool:
        return self._source.drop()

    def close(self) -> None:
        self._source.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class RenewedHeaders(_Sourced[Fields]):
    """A token in headers, the same for every request until it is renewed."""

    async def headers(self, outgoing: Outgoing, host: str) -> Sequence[tuple[str, str]]:
        return await self._source.get()


class SigV4(_Sourced[AwsKeys]):
    """Signs each request with AWS keys. prefix: path of the endpoint's base URL, which the signature covers."""

    def __init__(
        self,
        source: Renewed[AwsKeys],
        *,
        region: str,
        service: str = "bedrock",
        prefix: str = "",
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        super().__init__(source)
        self._region = region
        self._service = service
        self._prefix = prefix
        self._now = now

    async def headers(self, outgoing: Outgoing, host: str) -> Sequence[tuple[str, str]]:
        signed = (("content-type", "application/json"), ("host", host))
        return sign(
            outgoing.method,
            self._prefix + outgoing.path,
            outgoing.body,
            signed,
            keys=await self._source.get(),
            region=self._region,
            service=self._service,
            moment=self._now(),
        )


# ---------------------------------------------------------------- where they come from
def bearer(token: str, *more: tuple[str, str]) -> Fields:
    """A token as RFC 6750 sends it."""
    return (("authorization", f"Bearer {token}"), *more)


def _token(fields: Fields, ends: float, clock: Callable[[], float] = time) -> Lease[Fields]:
    return Lease(value=fields, ends=ends, renew_at=max(ends - RENEW_AHEAD, clock() + TRY_AGAIN))


GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def google(secrets: Secrets, settings: Mapping[str, Any]) -> Callable[[], Lease[Fields]]:
    """Access tokens of Google Cloud: of the service account in `secrets["service_account"]` (the key file's JSON text) or in the file
    `settings["credentials_file"]`, else the application-default credentials. `settings["quota_project"]` is charged where it is set."""

    def credentials() -> Any:
        import google.auth
        from google.oauth2.service_account import Credentials

        scopes = [GOOGLE_SCOPE]
        if secrets.get("service_account"):
            return Credentials.from_service_account_info(json.decode(secrets["service_account"]), scopes=scopes)  # type: ignore[no-untyped-call]
        if settings.get("credentials_file"):
            return Credentials.from_service_account_file(str(settings["credentials_file"]), scopes=scopes)  # type: ignore[no-untyped-call]
        return google.auth.default(scopes=scopes)[0]

    def fetch() -> Lease[Fields]:
        from google.auth import exceptions
        from google.auth.transport.requests import Request

        try:
            found = credentials()
            found.refresh(Request())
        except exceptions.TransportError:
            raise ProviderUnavailable("Google's token endpoint did not answer.") from None
        quota = settings.get("quota_project") or getattr(found, "quota_project_id", None)
        fields = bearer(found.token, *((("x-goog-user-project", str(quota)),) if quota else ()))
        ends = found.expiry.replace(tzinfo=datetime.UTC).timestamp() if found.expiry else time() + 3600
        return _token(fields, ends)

    return fetch


AZURE_SCOPE = "https://cognitiveservices.azure.com/.default"


def entra(secrets: Secrets, settings: Mapping[str, Any]) -> Callable[[], Lease[Fields]]:
    """Access tokens of Microsoft Entra ID, for `settings["scope"]`: of a client with `secrets["client_secret"]` and the settings
    `tenant_id` and `client_id`, else by azure-identity's default chain (environment, workload identity, managed identity, CLI).
    `settings["authority"]` is the host of a sovereign cloud."""
    scope = str(settings.get("scope") or AZURE_SCOPE)
    place = {"authority": str(settings["authority"])} if settings.get("authority") else {}

    def credentials() -> Any:
        from azure.identity import ClientSecretCredential, DefaultAzureCredential

        client = str(settings.get("client_id") or "")
        if secrets.get("client_secret"):
            return ClientSecretCredential(
                str(settings.get("tenant_id") or ""), client, secrets["client_secret"], **place
            )
        return DefaultAzureCredential(**place, **({"managed_identity_client_id": client} if client else {}))

    def fetch() -> Lease[Fields]:
        from azure.core.exceptions import ServiceRequestError

        try:
            with credentials() as found:  # a new one each time: it would hand out the token that it keeps
                token = found.get_token(scope)
        except ServiceRequestError:
            raise ProviderUnavailable("Microsoft's token endpoint did not answer.") from None
        return _token(bearer(token.token), float(token.expires_on))

    return fetch


def aws(secrets: Secrets, settings: Mapping[str, Any]) -> Callable[[], Lease[AwsKeys]]:
    """AWS keys: those in `secrets`, else botocore's chain (environment, profile, web identity, container, instance) for the profile
    `settings["profile"]`."""
    if secrets.get("access_key_id"):
        fixed = AwsKeys(
            access_key_id=secrets["access_key_id"],
            secret_access_key=secrets.get("secret_access_key", ""),
            token=secrets.get("session_token", ""),
        )
        return lambda: Lease(value=fixed)
    held: list[Any] = []

    def fetch() -> Lease[AwsKeys]:
        from botocore.credentials import RefreshableCredentials
        from botocore.session import Session

        if not held:
            found = Session(profile=settings.get("profile")).get_credentials()
            if found is None:
                raise CredentialsRejected("No AWS credentials were found in the environment.")
            held.append(found)
        frozen = held[0].get_frozen_credentials()
        keys = AwsKeys(access_key_id=frozen.access_key, secret_access_key=frozen.secret_key, token=frozen.token or "")
        if not isinstance(held[0], RefreshableCredentials):
            return Lease(value=keys)
        now = time()  # botocore replaces keys 15 minutes before their end, when it is asked: ask it every minute
        return Lease(value=keys, ends=now + 600, renew_at=now + 60)

    return fetch
