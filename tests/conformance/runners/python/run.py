"""The runner of the Python client; README.md of the suite has the protocol."""

import base64
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from google.protobuf.message import Message
from llmgateway import Cancelled, ChatReply, Client, GatewayError, StreamTruncated, trace_context
from llmgateway.v1 import gateway_pb2

Json = dict[str, Any]


def encoded(message: Message) -> str:
    return base64.b64encode(message.SerializeToString()).decode()


def unpacked(error: GatewayError) -> Json:
    delay = error.retry_delay
    return {
        "code": error.code.name,
        "reason": error.reason,
        "message": error.message,
        "told": str(error),
        "metadata": error.metadata,
        "retry_delay_ms": None if delay is None else int(delay * 1000),
        "retryable": error.retryable,
        "attempts": [encoded(attempt) for attempt in error.attempts],
        "violations": [
            {"field": found.field, "description": found.description, "reason": found.reason}
            for found in error.violations
        ],
    }


@contextmanager
def failures(result: Json) -> Iterator[None]:
    """Write an error of the client into the result."""
    try:
        yield
    except Cancelled:
        if result["cancelled_at"] is None:
            raise
        result["cancelled"] = True
    except GatewayError as error:
        result["error"] = unpacked(error)
        result["truncated"] = isinstance(error, StreamTruncated)


def send(client: Client, given: Json, request: gateway_pb2.SendRequest, result: Json) -> None:
    if given["idle_ms"]:
        client.send(request)
        time.sleep(given["idle_ms"] / 1000)

    def cancel() -> None:
        result["cancelled_at"] = time.time()
        client.close()  # what a program of threads can do: the sync call itself has no handle

    timer = threading.Timer(given["cancel_after"] / 1000, cancel) if given["cancel_after"] else None
    if timer:
        timer.start()
    with failures(result):
        response = client.send(
            request, timeout=given["deadline_ms"] / 1000 or None, metadata=tuple(given["metadata"].items())
        )
        result.update(ok=True, response=encoded(response), text=ChatReply(response=response).text)
    if timer:
        timer.join()


def stream(client: Client, given: Json, request: gateway_pb2.SendRequest, result: Json) -> None:
    options = gateway_pb2.StreamOptions.FromString(base64.b64decode(given["options"]))
    streamed = gateway_pb2.StreamSendRequest(request=request, options=options if given["options"] else None)
    answer = client.stream_send(
        streamed, timeout=given["deadline_ms"] / 1000 or None, metadata=tuple(given["metadata"].items())
    )
    read = 0
    kinds: list[str] = result["events"]
    with failures(result):
        for event in answer.events():
            read += 1
            kind = event.WhichOneof("event") or "unknown"
            if kind != "heartbeat" and kinds[-1:] != [kind]:
                kinds.append(kind)
            if read == given["cancel_after"]:
                result["cancelled_at"] = time.time()
                answer.close()
        result["ok"] = True
    result["response"] = encoded(answer.partial)
    result["text"] = ChatReply(response=answer.partial).text


def main() -> None:
    for line in sys.stdin:
        given = json.loads(line)
        result: Json = {
            "id": given["id"],
            "ok": False,
            "response": None,
            "text": "",
            "events": [],
            "error": None,
            "truncated": False,
            "cancelled": False,
            "cancelled_at": None,
        }
        request = gateway_pb2.SendRequest.FromString(base64.b64decode(given["request"]))
        with Client(
            given["address"],
            api_key=given["api_key"] or None,
            propagate=partial(dict, given["trace"]) if given["trace"] else trace_context,
        ) as client:
            (send if given["mode"] == "send" else stream)(client, given, request, result)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
