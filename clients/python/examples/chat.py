"""List the models, ask one, stream an answer, and see a typed error.

llm-gateway serve &
python examples/chat.py [MODEL]
"""

import os
import sys

from llmgateway import DEFAULT_ADDRESS, Client, GatewayError
from llmgateway.v1 import content_pb2


def main() -> None:
    address = os.environ.get("LLM_GATEWAY_ADDRESS", DEFAULT_ADDRESS)
    with Client(address, api_key=os.environ.get("LLM_GATEWAY_API_KEY")) as gateway:
        models = gateway.list_models()
        print(f"{len(models)} models, such as {models[0].provider}/{models[0].model_id}")
        gateway.select_model(sys.argv[1] if len(sys.argv) > 1 else f"{models[0].provider}/{models[0].model_id}")

        reply = gateway.chat("Say hello.", system_prompt="Be brief.", temperature=0)
        print(f"{reply.route.provider}: {reply}")

        history: list[str | content_pb2.Message] = ["Say hello.", reply.message, "And goodbye?"]
        for text in (stream := gateway.stream(history, max_output_tokens=200)):
            print(text, end="", flush=True)
        print(f"\n{stream.reply.usage.output_tokens} tokens")

        try:
            gateway.chat("Say hello.", model="no-such-model")
        except GatewayError as error:
            print(f"{type(error).__name__}: {error.reason}, retryable: {error.retryable}")


if __name__ == "__main__":
    main()
