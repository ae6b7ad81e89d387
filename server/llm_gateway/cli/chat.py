"""``llm-gateway chat``: one question or a conversation, streamed to the terminal."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack, suppress
from time import monotonic
from typing import cast

from google.protobuf import json_format
from llmgateway import ChatReply, Client, GatewayError, Generation, make_request
from llmgateway.v1 import content_pb2, gateway_pb2, usage_pb2

from llm_gateway.cli import OK, UsageError
from llm_gateway.cli.connection import connect, report
from llm_gateway.cli.terminal import enum_name, one_line, printable

Turns = list[str | content_pb2.Message]


def run(args: argparse.Namespace) -> int:
    message = " ".join(args.message)
    conversing = not args.message and sys.stdin.isatty() and not args.json
    if not conversing and args.message in ([], ["-"]):
        message = sys.stdin.read().strip()
    if args.embedded and (args.address or args.tls or args.ca_file or args.cert_file or args.key_file):
        raise UsageError("--embedded calls no other gateway: leave out --address, --tls and the files of TLS")
    if not conversing and not message:
        raise UsageError("there is no message; give one as MESSAGE or on standard input")
    with ExitStack() as stack:
        if args.embedded:
            from llm_gateway.cli.embedded import gateway

            args.address, args.api_key = stack.enter_context(gateway(args.config))
        client = stack.enter_context(connect(args))
        if conversing:
            return _converse(client, args)
        try:
            _ask(client, [message], args)
        except GatewayError as error:
            return report(error, args)
        return OK


def _converse(client: Client, args: argparse.Namespace) -> int:
    """Turn by turn until end of input. A turn that fails, or that Ctrl-C cuts, is as if it had not been."""
    with suppress(ImportError):
        import readline  # noqa: F401  # gives input() its line editing, where there is one
    print("Ctrl-D ends the conversation, Ctrl-C an answer.", file=sys.stderr)
    turns: Turns = []
    while True:
        try:
            message = input("> ").strip()
        except EOFError:
            print()
            return OK
        if not message:
            continue
        try:
            reply = _ask(client, [*turns, message], args)
        except GatewayError as error:
            report(error, args)
        except KeyboardInterrupt:
            print("\ninterrupted", file=sys.stderr)
        else:
            if reply.message.parts:
                turns += [message, reply.message]


def _ask(client: Client, turns: Turns, args: argparse.Namespace) -> ChatReply:
    """Ask, print the answer, and print on standard error what there is to know about it."""
    request = make_request(turns, args.model, args.provider, args.system, **_generation(args))
    first: float | None = None
    if args.json:
        reply = ChatReply(response=client.send(request))
        print(json_format.MessageToJson(reply.response, preserving_proto_field_name=True, ensure_ascii=False))
    elif args.no_stream:
        reply = ChatReply(response=client.send(request))
        print(_shown(reply.text or reply.refusal))
    else:
        reply, first = _stream(client, request)
    for warning in reply.response.warnings:
        print(f"warning: {one_line(f'{warning.field} {warning.message}')}", file=sys.stderr)
    print(one_line(summary(reply, first)), file=sys.stderr)
    return reply


def _stream(client: Client, request: gateway_pb2.SendRequest) -> tuple[ChatReply, float | None]:
    """Print text and refusals of the first candidate as they come; returns the answer and the seconds to its first token."""
    asked = monotonic()
    first: float | None = None
    stream = client.stream_send(request)
    told: set[int] = set()
    last = ""
    try:
        for event in stream.events():
            piece = ""
            if event.HasField("part_started"):
                first = first or monotonic() - asked
                started = event.part_started
                if started.candidate_index == 0 and started.part.WhichOneof("kind") in {"text", "refusal"}:
                    told.add(started.part_index)
                    piece = started.part.text.text or started.part.refusal.text
            elif event.HasField("part_delta"):
                delta = event.part_delta
                if delta.candidate_index == 0 and delta.part_index in told:
                    piece = delta.text
            if piece:
                print(_shown(piece), end="", flush=True)
                last = piece
    finally:
        if last and not last.endswith("\n"):
            print()
    return stream.reply, first


def _shown(text: str) -> str:
    return printable(text) if sys.stdout.isatty() else text


def summary(reply: ChatReply, first_token: float | None) -> str:
    """Who served, after which attempts, tokens, cost, and the seconds to the first token where it was streamed."""
    route, usage = reply.route, reply.usage
    attempts = len(route.attempts)
    served = f"{route.provider}/{route.model}, {attempts} attempt{'' if attempts == 1 else 's'}"
    if route.fallback_used:
        served += " with fallback"
    about = "~" if usage.estimated else ""
    facts = [served, f"{about}{usage.input_tokens} tokens in, {about}{usage.output_tokens} out", _cost(usage)]
    if first_token is not None:
        facts.append(f"first token after {first_token:.2f} s")
    reason = enum_name(gateway_pb2.FinishReason, "FINISH_REASON_", reply.finish_reason)
    if reason != "STOP":
        facts.append(f"ended by {reason.lower()}")
    return " | ".join(facts)


def _cost(usage: usage_pb2.Usage) -> str:
    for field in ("cost_nano_usd", "provider_cost_nano_usd"):
        if usage.HasField(field):
            return f"${getattr(usage, field) / 1e9:.6f}"
    return "cost unknown"


def _generation(args: argparse.Namespace) -> Generation:
    given = {
        "max_output_tokens": args.max_tokens,
        "temperature": args.temperature,
        "top_p": args.top_p,
        "seed": args.seed,
        "stop_sequences": args.stop,
    }
    return cast("Generation", {name: value for name, value in given.items() if value is not None})
