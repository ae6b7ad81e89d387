"""``llm-gateway health``."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, timedelta

import grpc
from google.protobuf import json_format, timestamp_pb2
from grpc_health.v1 import health_pb2 as machine_pb2
from grpc_health.v1 import health_pb2_grpc as machine_grpc
from llmgateway import GatewayError, Unauthenticated, from_rpc_error
from llmgateway.core import is_serving
from llmgateway.v1 import health_pb2

from llm_gateway.cli import FAILED, OK, own_health
from llm_gateway.cli.connection import connect, open_channel, report
from llm_gateway.cli.terminal import enum_name, one_line, print_table


def run(args: argparse.Namespace) -> int:
    if args.own:
        return own_health.run(args)
    with connect(args) as client:
        try:
            health = client.get_status(args.provider, probe=args.probe)
        except Unauthenticated as error:
            return report(error, args) if args.api_key else _readiness(args)
        except GatewayError as error:
            return report(error, args)
    if args.json:
        print(json_format.MessageToJson(health, preserving_proto_field_name=True, ensure_ascii=False))
    else:
        _print(health)
    return OK if is_serving(health) else FAILED


def _readiness(args: argparse.Namespace) -> int:
    """What grpc.health.v1 tells everyone: a container's health check has the gateway's configuration, not a caller's key."""
    request = machine_pb2.HealthCheckRequest(service="llmgateway.v1.LLMGateway")
    with open_channel(args) as channel:
        try:
            answer = machine_grpc.HealthStub(channel).Check(request, timeout=args.timeout)
        except grpc.RpcError as error:
            return report(from_rpc_error(error), args)
    status = machine_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    print(json.dumps({"status": f"HEALTH_STATUS_{status}"}) if args.json else status)
    print("set LLM_GATEWAY_API_KEY to see more", file=sys.stderr)
    return OK if status == "SERVING" else FAILED


def _print(health: health_pb2.HealthResponse) -> None:
    status = enum_name(health_pb2.HealthStatus, "HEALTH_STATUS_", health.status)
    draining = ", draining" if health.draining else ""
    print(
        f"{status}{draining} | version {one_line(health.version)} | up {_duration(health.uptime.ToSeconds())}"
        f" | {health.in_flight} calls in flight"
    )
    if health.HasField("config_time"):
        print(f"configuration {one_line(health.config_version)}, since {_at(health.config_time)}")
    if health.config_refusal:
        print(f"its files were changed, and refused at {_at(health.config_refusal_time)}:")
        for problem in health.config_refusal.splitlines():
            print(f"  {one_line(problem)}")
    header = ("PROVIDER", "STATUS", "CIRCUIT", "ERRORS", "FIRST EVENT", "LAST ERROR")
    print_table(header, map(_row, health.providers))
    for provider in health.providers:
        if provider.last_error_cause:
            print(one_line(_last_error(provider)))


def _row(provider: health_pb2.ProviderHealth) -> tuple[str, ...]:
    first_event = provider.p50_first_event.ToNanoseconds() / 1e9
    return (
        provider.provider + (f" {provider.deployment}" if provider.deployment else ""),
        enum_name(health_pb2.HealthStatus, "HEALTH_STATUS_", provider.status),
        enum_name(health_pb2.CircuitState, "CIRCUIT_STATE_", provider.circuit_state).lower(),
        f"{provider.error_rate:.0%}",
        f"{first_event:.2f} s" if provider.HasField("p50_first_event") else "-",
        provider.last_error_reason or "-",
    )


def _last_error(provider: health_pb2.ProviderHealth) -> str:
    """Which provider and model, when and why."""
    name = "/".join(filter(None, (provider.provider, provider.last_error_model)))
    at = (
        f" at {provider.last_error_time.ToDatetime(UTC).astimezone():%H:%M:%S}"
        if provider.HasField("last_error_time")
        else ""
    )
    return f"{name}, last error{at}: {provider.last_error_cause}"


def _at(time: timestamp_pb2.Timestamp) -> str:
    return f"{time.ToDatetime(UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def _duration(seconds: int) -> str:
    return str(timedelta(seconds=seconds))
