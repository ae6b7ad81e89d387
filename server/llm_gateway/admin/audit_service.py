"""AuditService: what was changed at run time, and by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import json_format, struct_pb2
from llmgateway.admin.v1 import audit_pb2

from llm_gateway.admin import resources
from llm_gateway.admin.pages import latest
from llm_gateway.rpc.chain import Rpc

if TYPE_CHECKING:
    from llm_gateway.admin.registry import Registry
    from llm_gateway.store.records import Revision


class AuditService:
    """llmgateway.admin.v1.AuditService. registry: None where the configuration has no store, so that nothing was ever changed."""

    def __init__(self, registry: Registry | None = None) -> None:
        self._registry = registry

    async def ListChanges(  # noqa: N802 - the contract's name
        self, request: audit_pb2.ListChangesRequest, rpc: Rpc
    ) -> audit_pb2.ListChangesResponse:
        registry = self._registry

        def find(before: int | None, limit: int) -> list[Revision]:
            return registry.revisions(before, limit, request.resource) if registry is not None else []

        found, following = latest(find, request.page_size, request.page_token)
        return audit_pb2.ListChangesResponse(changes=map(_change, found), next_page_token=following)


def _change(revision: Revision) -> audit_pb2.Change:
    change = revision.change
    return audit_pb2.Change(
        revision=revision.number,
        create_time=resources.stamp(revision.time),
        principal=change.principal,
        peer=change.peer,
        method=change.method,
        resource=change.resource,
        before=_value(change.before),
        after=_value(change.after),
    )


def _value(found: Any) -> struct_pb2.Value:
    return json_format.ParseDict(found, struct_pb2.Value())
