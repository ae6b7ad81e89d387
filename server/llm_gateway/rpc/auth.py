"""auth: who calls. Checked before any byte of the request is parsed."""

from __future__ import annotations

import hmac
import os
from collections.abc import Awaitable, Sequence
from typing import Any

from llm_gateway import config
from llm_gateway.errors import CallerUnauthenticated
from llm_gateway.rpc.chain import Handler, Rpc


def bearer(rpc: Rpc) -> str:
    """The key that a call carries. Raises CallerUnauthenticated."""
    authorization = rpc.metadata.get("authorization", "")
    scheme, _, key = authorization.partition(" ")
    if "authorization" in rpc.repeated:
        raise CallerUnauthenticated("The call carries authorization more than once.")
    if not authorization:
        raise CallerUnauthenticated("The call carries no authorization; send `authorization: Bearer <key>`.")
    if scheme.lower() != "bearer" or not key:
        raise CallerUnauthenticated("The authorization is not of the form `Bearer <key>`.")
    return key


class Auth:
    """Demands ``authorization: Bearer <key>``, exactly once, of every method but grpc.health.v1. Without keys everyone may call.

    Keys are kept as keyed digests and compared in constant time; the principal is the name that the configuration gives the key.
    """

    def __init__(self, keys: Sequence[config.ApiKey] = ()) -> None:
        self._pepper = os.urandom(32)
        self.take(keys)

    def take(self, keys: Sequence[config.ApiKey]) -> None:
        """These keys and no others from now on."""
        self._known = [(self._digest(key.key.reveal()), key.name) for key in keys]

    def _digest(self, key: str) -> bytes:
        return hmac.digest(self._pepper, key.encode("utf-8", "surrogateescape"), "sha256")

    def admit(self, rpc: Rpc) -> None:
        """Sets `rpc.principal`. Raises CallerUnauthenticated."""
        rpc.keys = self._known
        if self._known and not rpc.method.open:
            rpc.principal = self._principal(bearer(rpc))

    def __call__(self, rpc: Rpc, proceed: Handler) -> Awaitable[Any]:
        """The request is there, perhaps long after the call began: its key must be one still."""
        if rpc.keys is not self._known:
            self.admit(rpc)
        return proceed(rpc)

    def _principal(self, key: str) -> str:
        digest = self._digest(key)
        principal = ""
        for known, name in self._known:
            if hmac.compare_digest(known, digest):
                principal = name
        if not principal:
            raise CallerUnauthenticated("The API key is not known.")
        return principal
