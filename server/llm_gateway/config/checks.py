"""What one value alone cannot show: settings that are only right together."""

from __future__ import annotations

import importlib.util
import ipaddress
import re
from collections.abc import Sequence

from llm_gateway.config import pem
from llm_gateway.config.completing import known
from llm_gateway.config.models import Admin, ClientTls, Config, Provider, Route, Server, ServerTls, Store
from llm_gateway.config.problems import ConfigProblem
from llm_gateway.config.reading import Reading, join
from llm_gateway.config.secret import Secret
from llm_gateway.config.values import NAME, NAME_RULE, is_postgres, is_proxy
from llm_gateway.errors import install_extra
from llm_gateway.providers import plugins


def check(config: Config, reading: Reading) -> None:
    """Notes every problem that only shows when values are seen together."""
    _check_server(config.server, reading)
    for package, kind in plugins.shadows():
        wrong = f"adds the kind {kind}, which the gateway has itself"
        reading.problems.append(ConfigProblem(file=package, wrong=wrong, right="rename it"))
    if config.admin is not None:
        _check_admin(config.admin, config.server, reading)
    if config.store is not None:
        _check_store(config.store, config.admin, reading)
    for name, provider in config.providers.items():
        _check_provider(join("providers", name), name, provider, reading)
    for name, route in config.routes.items():
        _check_route(join("routes", name), name, route, reading)
    _check_names(config, reading)


def _check_server(server: Server, reading: Reading) -> None:
    path = "server.listen"
    if server.listen.startswith("unix:") and server.workers > 1:
        reading.problem("server.workers", "cannot share a Unix socket", "listen on host:port, or take it out")
    if _is_open(path, server.listen, 50051, reading):
        if not server.api_keys and not reading.troubled("server.api_keys"):
            right = "set server.api_keys, or listen on 127.0.0.1"
            reading.problem(path, "is open to other machines without server.api_keys", right)
        if server.tls is None and not server.insecure and not reading.troubled("server.tls"):
            right = "set server.tls, or server.insecure: true where TLS ends in front of the gateway"
            reading.problem(path, "is open to other machines without TLS", right)
    if server.tls is not None:
        _check_pair("server.tls", server.tls, reading, required=True)
    seen: dict[Secret, str] = {}
    names: set[str] = set()
    for at, key in zip(reading.places("server.api_keys"), server.api_keys, strict=False):
        if key.key.reveal() == "none":
            reading.problem(at, "is no key", "give the key that callers present, or take server.api_keys out")
        elif key.key in seen:
            reading.problem(at, f"is the same key as {seen[key.key]}", "give each caller a key of its own")
        elif key.name in names:
            reading.problem(f"{at}.name", f"{key.name!r} is given twice", "name each key differently")
        seen.setdefault(key.key, at)
        names.add(key.name)


_HOST = re.compile(r"\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._*-]+")


def _is_open(path: str, listen: str, port: int, reading: Reading) -> bool:
    """Whether other machines reach an address to listen at; notes a problem where it is none. port: the usual one."""
    host, _, given = listen.rpartition(":")
    if listen.startswith("unix:"):
        if not re.fullmatch(r"unix:(//)?[^\0]+", listen):
            reading.problem(path, f"{reading.shown(path)} names no socket", "write unix:/path/to/socket")
        return False
    if not host or not re.fullmatch(r"\d{1,5}", given) or int(given) > 65535 or not _HOST.fullmatch(host):
        right = f"write host:port such as 127.0.0.1:{port} or [::1]:{port}, or unix:/path"
        reading.problem(path, f"{reading.shown(path)} is not an address", right)
        return False
    return not is_loopback(host)


def _check_admin(admin: Admin, server: Server, reading: Reading) -> None:
    if (
        _is_open("admin.listen", admin.listen, 50052, reading)
        and admin.tls is None
        and not reading.troubled("admin.tls")
    ):
        right = "set admin.tls, or listen on 127.0.0.1"
        reading.problem("admin.listen", "is open to other machines without TLS", right)
    if admin.listen == server.listen and not admin.listen.endswith(":0"):
        reading.problem(
            "admin.listen", "is where server.listen is", "give it a port of its own, such as 127.0.0.1:50052"
        )
    required, tls = admin.client_certificates == "require", admin.tls
    if tls is not None:
        _check_pair("admin.tls", tls, reading, required=True)
    if required and (tls is None or tls.client_ca_file is None) and not reading.troubled("admin.tls"):
        right = "give admin.tls.client_ca_file, whose certificates are taken"
        reading.problem("admin.client_certificates", "is require, but nothing says which ones", right)
    elif not required and tls is not None and tls.client_ca_file is not None:
        right = "set admin.client_certificates: require, or take it out"
        reading.problem("admin.tls.client_ca_file", "is for client certificates, which are not asked for", right)
    if admin.certificates and not required and not reading.troubled("admin.client_certificates"):
        right = "set admin.client_certificates: require, or take them out"
        reading.problem("admin.certificates", "is given, but certificates are not asked for", right)
    if not admin.keys and not admin.certificates and not reading.troubled("admin"):
        right = "make a key and its line with `llm-gateway admin-key new`"
        reading.problem("admin.keys", "is missing, so nobody could call it", right)
    _check_once("admin.keys", "name", [key.name for key in admin.keys], reading)
    _check_once("admin.keys", "hash", [key.hash for key in admin.keys], reading)
    _check_once("admin.certificates", "san", [certificate.san for certificate in admin.certificates], reading)


def _check_store(store: Store, admin: Admin | None, reading: Reading) -> None:
    if admin is None and not reading.troubled("admin"):
        right = "add an admin section, or take store out"
        reading.problem("store", "is read and written by the administration, which is not served", right)
    if store.directory is not None and store.url is not None:
        reading.problem("store.url", "is given beside directory", "keep one of them")
    elif store.directory is None and store.url is None and not reading.troubled("store"):
        right = "give directory for SQLite, or the url of a PostgreSQL"
        reading.problem("store", "names no place", right)
    elif store.url is not None and not is_postgres(store.url.reveal()):
        right = "write postgresql://user:secret@host:5432/database, or give directory for SQLite"
        reading.problem("store.url", "is no URL of a PostgreSQL", right)
    else:
        extra = "admin" if store.url is None else "postgres"
        needed = (
            ("sqlalchemy", "alembic", "cryptography") if store.url is None else ("sqlalchemy", "alembic", "psycopg")
        )
        if not all(map(importlib.util.find_spec, needed)):
            reading.problem("store", f"needs {install_extra(extra)}", unset=True)
    sources = {"store.master_key": store.master_key} if store.master_key is not None else {}
    sources |= dict(zip(reading.places("store.old_master_keys"), store.old_master_keys, strict=False))
    for at, source in sources.items():
        given = [field for field in source.__struct_fields__ if getattr(source, field)]
        if len(given) != 1 and not reading.troubled(at):
            wrong = f"has {' and '.join(given)}" if given else "says not where the key is"
            reading.problem(at, wrong, "give one of file: /path, env: NAME, command: [program, argument]")
    if store.old_master_keys and store.master_key is None and not reading.troubled("store.master_key"):
        reading.problem("store.old_master_keys", "are given without master_key", "give the new one as master_key")


def _check_once(path: str, field: str, found: Sequence[object], reading: Reading) -> None:
    for at, value in zip(reading.places(path), enumerate(found), strict=False):
        if value[1] in found[: value[0]]:
            reading.problem(f"{at}.{field}", "is given twice", "keep one of them")


def is_loopback(host: str) -> bool:
    """Whether a listening host can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_private(listen: str) -> bool:
    """Whether what listens there can be reached from this machine only, so that it needs no key."""
    return listen.startswith("unix:") or is_loopback(listen.rpartition(":")[0])


def _check_pair(path: str, tls: ServerTls | ClientTls, reading: Reading, *, required: bool = False) -> None:
    for given, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        absent = getattr(tls, other) is None and not reading.troubled(f"{path}.{other}")
        if absent and (getattr(tls, given) is not None or required):
            wrong = f"is missing beside {given}" if getattr(tls, given) is not None else "is missing"
            reading.problem(f"{path}.{other}", wrong, "give both cert_file and key_file")
    authorities = "client_ca_file" if isinstance(tls, ServerTls) else "ca_file"
    found: list[pem.Wrong] = []
    if tls.cert_file and tls.key_file:
        found += reading.looked(pem.check_pair, tls.cert_file, tls.key_file)
    if file := getattr(tls, authorities):
        found += reading.looked(pem.check_authorities, authorities, file)
    for field, wrong, right in found:
        at = f"{path}.{field}"
        reading.problem(at, f"{reading.shown(at)} {wrong}", right)


def _check_provider(path: str, name: str, provider: Provider, reading: Reading) -> None:
    if not NAME.fullmatch(name):
        reading.problem(path, "is not a provider id: callers write provider/model", NAME_RULE)
    _check_pair(f"{path}.tls", provider.tls, reading)
    _check_weights(f"{path}.endpoints", [endpoint.weight for endpoint in provider.endpoints], reading)
    for field in ("api_keys", "endpoints"):
        at = f"{path}.{field}"
        if reading.has(at) and reading.has(at[:-1]):
            reading.problem(at, f"is given beside {field[:-1]}", "keep one of them")
        elif reading.has(at) and not getattr(provider, field) and not reading.troubled(at):
            reading.problem(at, "is empty", "list at least one, or take the key out")
    names: set[str] = set()
    for at, key in zip(reading.places(f"{path}.api_keys"), provider.api_keys, strict=False):
        if key.key.reveal() == "none":
            reading.problem(at, "is no key", "for a provider without keys write api_key: none")
        elif key.name in names:
            reading.problem(f"{at}.name", f"{key.name!r} is given twice", "name each key differently")
        names.add(key.name)
    for header in provider.headers:
        at = join(f"{path}.headers", header)
        if not _HEADER.fullmatch(header):
            reading.problem(at, "is not an HTTP header name")
        elif header.lower() in _OWN_HEADERS:
            reading.problem(at, "is set by the gateway itself", "take it out")
    _check_kind(path, provider, reading)
    if provider.proxy is not None and not is_proxy(provider.proxy.reveal()):
        reading.problem(f"{path}.proxy", "is not a proxy's URL", "write http://host:port")
    listed = provider.models
    if listed is not None and provider.default_model and provider.default_model not in listed:
        at = f"{path}.default_model"
        reading.problem(at, f"{reading.shown(at)} is not among models", "add it there")


def _check_kind(path: str, provider: Provider, reading: Reading) -> None:
    if provider.kind not in plugins.names():
        return  # told already
    try:
        row = plugins.row(provider.kind)
    except plugins.PluginError as error:
        reading.problems.append(ConfigProblem(file="plugin", key=f"{path}.kind", wrong=str(error)))
    else:
        if provider.api and "responses" not in row.apis:
            reading.problem(f"{path}.api", f"is nothing to choose for kind {provider.kind}", "take it out")
        placed = "project" in row.usual.needs
        for field, read in {
            "project": placed,
            "location": placed,
            "publisher": placed,
            "api_version": bool(row.query or row.dated),
        }.items():
            at = f"{path}.{field}"
            if getattr(provider, field) and not read and reading.at_run_time(at):  # old files may have some left
                reading.problem(at, f"means nothing to kind {provider.kind}", "take it out")
        if provider.resolve == "all" and (row.transport or not row.apis):
            reading.problem(
                f"{path}.resolve", f"is nothing for kind {provider.kind}, which has no address", "take it out"
            )
        elif provider.resolve == "all" and provider.proxy is not None:
            right = "take one of them out"
            reading.problem(f"{path}.resolve", "is all beside proxy, which looks the name up itself", right)


_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = frozenset(
    [
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)


def _check_route(path: str, name: str, route: Route, reading: Reading) -> None:
    if not NAME.fullmatch(name):
        reading.problem(path, "is not a route name", NAME_RULE)
    if name == "auto":
        reading.problem(path, "is a reserved name: auto picks among all models", "name the route differently")
    _check_weights(f"{path}.targets", [target.weight for target in route.targets], reading)
    if route.retry.initial_backoff > route.retry.max_backoff:
        reading.problem(f"{path}.retry.max_backoff", "is shorter than initial_backoff", "make it at least as long")
    if experiment := route.experiment:
        at = f"{path}.experiment.arms"
        if not experiment.arms and not reading.troubled(at):
            reading.problem(at, "is empty", "list at least one arm")
        _check_weights(at, [arm.weight for arm in experiment.arms], reading)
        names = [arm.name for arm in experiment.arms]
        for arm in sorted({arm for arm in names if names.count(arm) > 1}):
            reading.problem(at, f"has two arms named {arm!r}", "name each arm differently")


def _check_weights(path: str, weights: Sequence[float], reading: Reading) -> None:
    if weights and not any(weights) and not reading.troubled(path):
        reading.problem(path, "has only weights of 0, so nothing could be chosen", "give one a weight above 0")


def _check_names(config: Config, reading: Reading) -> None:
    allowed = config.server.overrides.providers or ()
    for at, name in zip(reading.places("server.overrides.providers"), allowed, strict=False):
        known(reading, at, name, (*config.providers, *reading.off))
    model = config.default_model
    if model and model not in config.routes and reading.has("default_model"):
        provider, slash, _ = model.partition("/")
        if not config.default_provider and not (slash and provider in config.providers):
            right = "name a route or provider/model, or set default_provider"
            reading.problem("default_model", f"{reading.shown('default_model')} belongs to no provider", right)
    breaker = config.breaker
    if breaker.base_ejection > breaker.max_ejection:
        reading.problem("breaker.max_ejection", "is shorter than base_ejection", "make it at least as long")
