"""blocked: a prompt that a content policy blocked is an answer, whichever way the provider says so."""

from __future__ import annotations

from llmgateway.v1 import gateway_pb2

from llm_gateway.calls.call import Call, Handler, Reply
from llm_gateway.errors import ContentBlocked
from llm_gateway.protocols.events import EventWriter


class Blocked:
    """Answers ContentBlocked, once no content fallback is left, with one empty candidate that ended by FINISH_REASON_CONTENT_FILTER.

    Gemini answers a blocked prompt with 200 and a block reason, Azure OpenAI with 400 and the code `content_filter`; callers see the same.
    """

    async def __call__(self, call: Call, proceed: Handler[Call]) -> Reply:
        try:
            return await proceed(call)
        except ContentBlocked as error:
            target, endpoint = call.journal.tried[-1]
            writer = EventWriter(target.provider.id)
            reason = error.provider_code or error.reason
            writer.finish(gateway_pb2.FINISH_REASON_CONTENT_FILTER, reason, message=error.provider_message)
            if error.usage is not None:
                writer.report_usage(error.usage)
            writer.end()
            return Reply(writer, target, endpoint)
