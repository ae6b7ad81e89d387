"""audit: one log line for every call that changes something, or tried to: who, from where, what, and how it ended."""

from __future__ import annotations

from typing import Any

from llm_gateway.admin.methods import METHODS
from llm_gateway.errors import GatewayError
from llm_gateway.rpc.chain import Handler, Rpc
from llm_gateway.telemetry import logs


class Audit:
    """Refused calls pass through it too. The line's own timestamp says when."""

    async def __call__(self, rpc: Rpc, proceed: Handler) -> Any:
        method = METHODS.get(rpc.path)
        if method is None or not method.changes:
            return await proceed(rpc)
        result = "CANCELLED"
        try:
            answer = await proceed(rpc)
            result = "OK"
        except GatewayError as error:
            result = error.reason
            raise
        except Exception:
            result = "INTERNAL_ERROR"
            raise
        finally:
            logs.log().warning(  # so that only log.level: error silences it
                "audit",
                method=rpc.path.rpartition("/")[2],
                principal=rpc.principal,
                peer=rpc.peer(),
                result=result,
                request_id=rpc.request_id,
                **rpc.outcome,
            )
            for told in ("before", "after"):  # once is enough
                rpc.outcome.pop(told, None)
        return answer
