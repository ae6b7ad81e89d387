"""A tool loop with the async client: the model asks for a tool, the program runs it, the model answers.

llm-gateway serve &
python examples/tools.py [MODEL]
"""

import asyncio
import json
import os
import sys

from llmgateway import DEFAULT_ADDRESS, AsyncClient, ChatReply, make_request
from llmgateway.v1 import content_pb2, gateway_pb2

SHOUT = gateway_pb2.FunctionTool(
    name="shout",
    description="Says a text in capitals.",
    parameters_json_schema=json.dumps({"type": "object", "properties": {"text": {"type": "string"}}}),
)


def run(call: content_pb2.ToolCall) -> content_pb2.Part:
    """What the tool says to one call."""
    arguments = json.loads(call.arguments_json)
    said = content_pb2.Part(text=content_pb2.TextPart(text=arguments["text"].upper()))
    return content_pb2.Part(tool_result=content_pb2.ToolResult(tool_call_id=call.id, name=call.name, parts=[said]))


async def main() -> None:
    address = os.environ.get("LLM_GATEWAY_ADDRESS", DEFAULT_ADDRESS)
    async with AsyncClient(address, api_key=os.environ.get("LLM_GATEWAY_API_KEY")) as gateway:
        request = make_request("hello", model=sys.argv[1] if len(sys.argv) > 1 else "echo/echo-tool")
        request.tools.add(function=SHOUT)
        while True:
            reply = ChatReply(response=await gateway.send(request))
            if not reply.tool_calls:
                break
            results = [run(call) for call in reply.tool_calls]
            print(f"ran {', '.join(call.name for call in reply.tool_calls)}")
            request.messages.append(reply.message)
            request.messages.append(content_pb2.Message(role=content_pb2.ROLE_TOOL, parts=results))
        print(reply)


if __name__ == "__main__":
    asyncio.run(main())
