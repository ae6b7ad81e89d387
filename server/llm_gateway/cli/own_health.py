"""``llm-gateway health --self``: the health of this container's gateway, found by its own configuration and asked by grpc.health.v1,
which needs no key."""

from __future__ import annotations

import argparse
import os
import re
import socket
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llm_gateway import config
from llm_gateway.cli import FAILED, OK, config_check
from llm_gateway.rpc.health import SERVICE

FIRST_PROCESS = "/proc/1/cmdline"
"""Arguments of the container's first process, each ended by a zero byte (proc(5))."""
_ANYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - bind addresses, and how they are reached


def run(args: argparse.Namespace, started_by: str = FIRST_PROCESS) -> int:
    """Print the state and return the exit code. started_by: where the flags of `serve` stand."""
    flags = _flags(started_by)
    env = {**os.environ, **({"LLM_GATEWAY_LISTEN": flags["--listen"]} if "--listen" in flags else {})}
    if "--insecure" in flags:
        env["LLM_GATEWAY_INSECURE"] = "true"
    try:
        server = config_check.read(flags.get("--config"), env)(None).server
    except config.ConfigError as error:
        return _in_spite_of(error, config.config_path(flags.get("--config"), env), env)
    address = _reached(server.listen)
    try:
        with _channel(address, server.tls) as channel:
            request = health_pb2.HealthCheckRequest(service=SERVICE)
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=args.timeout)
    except grpc.RpcError as error:
        if server.tls is not None and server.tls.client_ca_file is not None and _names(address, server.tls):
            print(f"listens at {address}; it wants a client certificate, so that more cannot be asked")
            return OK
        print(f"no answer at {address}: {error.code().name}: {error.details()}")
        return FAILED
    except OSError as error:
        print(f"no answer at {address}: {error}")
        return FAILED
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    print(f"{status} at {address}")
    return OK if status == "SERVING" else FAILED


def _in_spite_of(error: config.ConfigError, file: str | None, env: Mapping[str, str]) -> int:
    """The answer where the files were changed to something wrong: a gateway that read them before serves on. That it listens is all that can be
    known of it."""
    print(f"the configuration is wrong: {error}", file=sys.stderr)
    try:
        found = _LISTEN.search(config.text_of(file)) if file is not None else None
    except config.ConfigError:
        found = None
    address = _reached(env.get("LLM_GATEWAY_LISTEN") or (found[1] if found else config.Server().listen))
    try:
        with _connected(address):
            print(f"listens at {address}; its files are wrong, so that more cannot be asked")
    except (OSError, ValueError):
        print(f"no answer at {address}")
        return FAILED
    return OK


_LISTEN = re.compile(r"""\blisten["']?:\s*["']?([^\s"',}#]+)""")


def _connected(address: str) -> socket.socket:
    """A connection to what listens at an address. Raises OSError, and ValueError for what is none."""
    if not address.startswith("unix:"):
        host, _, port = address.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), 2.0)
    plain = socket.socket(socket.AF_UNIX)
    try:
        plain.settimeout(2.0)
        plain.connect(address.removeprefix("unix:"))
    except OSError:
        plain.close()
        raise
    return plain


def _flags(started_by: str) -> dict[str, str]:
    """The flags that the container's `serve` was given: a health check has its environment, but not its arguments."""
    try:
        words = Path(started_by).read_text(errors="replace").split("\0")
    except OSError:
        return {}
    if "serve" not in words:
        return {}
    given = " ".join(words[words.index("serve") + 1 :]).replace("=", " ").split(" ")
    return {flag: value for flag, value in zip(given, [*given[1:], ""], strict=True) if flag.startswith("--")}


def _reached(listen: str) -> str:
    """The address at which this machine reaches what listens there."""
    if listen.startswith("unix:"):
        return listen
    host, _, port = listen.rpartition(":")
    return f"{_ANYWHERE.get(host, host)}:{port}"


def _channel(address: str, tls: config.ServerTls | None) -> grpc.Channel:
    options = [("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0)]
    if tls is None or tls.cert_file is None or tls.key_file is None:
        return grpc.insecure_channel(address, options)
    certificate, key = Path(tls.cert_file).read_bytes(), Path(tls.key_file).read_bytes()
    shown = (key, certificate) if tls.client_ca_file is not None else (None, None)  # one authority often issued both
    names = _names(address, tls)
    if names:
        options.append(("grpc.ssl_target_name_override", names[0]))  # type: ignore[arg-type]  # options are of both types
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(certificate, *shown), options)


def _names(address: str, tls: config.ServerTls) -> list[str]:
    """The names in the certificate that is shown at the address, which must be the configured one. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(tls.cert_file)
    context.set_alpn_protocols(["h2"])
    with _connected(address) as plain, context.wrap_socket(plain) as secured:
        found: dict[str, Any] = secured.getpeercert() or {}
    return [value for kind, value in found.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
