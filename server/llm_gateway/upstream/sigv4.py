"""AWS Signature Version 4 in the Authorization header
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html). Pure: the time is given."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import parse_qsl, quote

ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKeys:
    """An access key; token: of the session, where the key is a temporary one."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    token: str = field(default="", repr=False)


def sign(
    method: str,
    target: str,
    body: bytes,
    headers: Sequence[tuple[str, str]],
    *,
    keys: AwsKeys,
    region: str,
    service: str,
    moment: datetime.datetime,
) -> list[tuple[str, str]]:
    """The headers that sign a request. target: path and query as in the request line. headers: those to sign, by lower-case name: at
    least `host`. moment: now, in UTC; the service tolerates five minutes of difference. Every service except S3 wants the path
    percent-encoded a second time."""
    date = moment.strftime("%Y%m%dT%H%M%SZ")
    signed = [*headers, ("x-amz-date", date)]
    if keys.token:
        signed.append(("x-amz-security-token", keys.token))
    signed.sort()
    names = ";".join(name for name, _ in signed)
    path, _, query = target.partition("?")
    canonical = "\n".join(
        (
            method,
            quote(path, safe="/" + _UNRESERVED),
            _canonical_query(query),
            *(f"{name}:{' '.join(value.split())}" for name, value in signed),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((ALGORITHM, date, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = _signing_key(keys.secret_access_key, date[:8], region, service)
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    given = {name for name, _ in headers}
    added = [(name, value) for name, value in signed if name not in given]
    credential = f"Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return [*added, ("authorization", f"{ALGORITHM} {credential}")]


def _canonical_query(query: str) -> str:
    pairs = (
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in parse_qsl(query, keep_blank_values=True)
    )
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


@lru_cache(maxsize=32)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of one day: four of the five digests of a signature."""
    key = f"AWS4{secret}".encode()
    for word in (date, region, service, "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    return key
