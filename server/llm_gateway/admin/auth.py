"""Who calls, and whether they may: by key, by client certificate, or both. Decided before anything of the request is read."""

from __future__ import annotations

import hashlib
import hmac

from llmgateway.admin.v1 import role_pb2

from llm_gateway import config
from llm_gateway.admin.methods import METHODS, word
from llm_gateway.errors import CallerUnauthenticated, RoleRequired
from llm_gateway.rpc.auth import bearer
from llm_gateway.rpc.chain import Rpc


class AdminAuth:
    """Demands what the configuration does: a key, a client certificate that it lists, or both; then the lesser role counts.

    Callers' keys are unknown here. Keys are compared by their hashes, in constant time; 256 random bits need no slow hash.
    """

    def __init__(self, settings: config.Admin) -> None:
        self.take(settings)

    def take(self, settings: config.Admin) -> None:
        """From now on these keys and certificates, and no others, are valid."""
        self._keys = [(bytes.fromhex(k.hash.reveal().partition(":")[2]), k.name, _role(k.role)) for k in settings.keys]
        self._certificates = {one.san: _role(one.role) for one in settings.certificates}

    def admit(self, rpc: Rpc) -> None:
        """Sets `rpc.principal`. Raises CallerUnauthenticated, RoleRequired."""
        found: list[tuple[str, int]] = []
        if self._certificates:
            found.append(self._by_certificate(rpc))
        if self._keys:
            found.append(self._by_key(rpc))
        if not found:
            right = "make one with `llm-gateway admin-key new`, and put its line under admin.keys."
            raise CallerUnauthenticated(f"The administration has no keys yet; {right}")
        rpc.principal = " by ".join(name for name, _ in reversed(found))
        needed, role = METHODS[rpc.path].role, min(role for _, role in found)
        if role < needed:
            raise RoleRequired(
                f"{rpc.path.rpartition('/')[2]} needs the role {word(needed)}; {rpc.principal} has the role {word(role)}."
            )

    def _by_key(self, rpc: Rpc) -> tuple[str, int]:
        digest = hashlib.sha256(bearer(rpc).encode("utf-8", "surrogateescape")).digest()
        found = None
        for known, name, role in self._keys:
            if hmac.compare_digest(known, digest):
                found = name, role
        if found is None:
            raise CallerUnauthenticated(
                "This is not a key of the administration (admin.keys); callers' keys are not valid here."
            )
        return found

    def _by_certificate(self, rpc: Rpc) -> tuple[str, int]:
        """Of the certificate's names, the one with the highest role."""
        found = [(self._certificates[name], name) for name in rpc.certificate_names() if name in self._certificates]
        if not found:
            raise CallerUnauthenticated("admin.certificates lists none of the names in this client certificate.")
        role, name = max(found)
        return name, role


def _role(name: config.AdminRole) -> int:
    return role_pb2.Role.Value(f"ROLE_{name.upper()}")
