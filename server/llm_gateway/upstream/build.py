"""From a provider's configuration and row to what calls it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from llmgateway.v1 import gateway_pb2, model_pb2
from msgspec import structs

from llm_gateway import config
from llm_gateway.config.trust import SECRET_HEADER
from llm_gateway.errors import InvalidRequest, Violation
from llm_gateway.protocols.summary import Summary
from llm_gateway.protocols.wire import MODEL_NAME, Api
from llm_gateway.providers import plugins
from llm_gateway.providers.rows import Row, Spoken
from llm_gateway.routing.targets import Upstream
from llm_gateway.upstream import credentials
from llm_gateway.upstream.caller import Choose, Client, Credential, HttpCaller, Price, StaticHeaders
from llm_gateway.upstream.echo import Echo
from llm_gateway.upstream.http import Address, HttpClient, host_of

Trace = Callable[[], Sequence[tuple[str, str]]]
"""Headers that name the current span."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def upstream(
    name: str,
    provider: config.Provider,
    server: config.Endpoint | None,
    key: config.ApiKey | None,
    price: Price | None,
    *,
    trace: Trace | None = None,
    named: frozenset[str] = frozenset(),
    address: Address | None = None,
) -> Upstream:
    """The upstream of one address and key of a provider; `server` None is the row's own address. trace: see HttpCaller. named: models
    that the configuration names, beyond which a caller may be restricted. address: the one of its name's addresses."""
    if provider.kind == "echo":
        return Echo(provider=name)
    settings = {**_settings(provider, server), "named": named}
    row = _row(provider.kind, settings)
    apis = {label: _api(spoken, label if len(row.apis) > 1 else "") for label, spoken in row.apis.items()}
    choose = _chooser(row, provider.api, apis, settings)
    if row.makers_listed:
        choose = _listed_only(choose, provider.options.get("providers") or (), named)
    base_url, control_url = _urls(row, server, settings)
    return HttpCaller(
        provider=name,
        kind=provider.kind,
        choose=choose,
        lists=_lists(row, apis, choose, settings),
        client=_transport(row, provider, server, key) if row.transport else _client(provider, base_url, address),
        control=_client(provider, control_url) if control_url else None,
        query=_query(row, settings),
        credential=_credential(row, provider, key, settings, prefix=urlsplit(base_url).path.rstrip("/")),
        timeouts=provider.timeouts,
        extra_headers=tuple((header, value.reveal()) for header, value in provider.headers.items()),
        settings=settings,
        missing_model=row.missing_model,
        stopped=row.stopped,
        key_from=_key_from(name, row, provider, key),
        price=price,
        trace=trace,
        like=row.like or row.base_url.format_map(settings),
    )


def resolved_name(provider: config.Provider, server: config.Endpoint | None) -> str:
    """The name whose addresses are endpoints of their own; "" where the provider does not ask for that, or is at an address."""
    if provider.resolve != "all":
        return ""
    settings = _settings(provider, server)
    return host_of(_urls(_row(provider.kind, settings), server, settings)[0])


def secrets(provider: config.Provider) -> Iterator[str]:
    """Secrets for `redaction.know`. Not ids among the credentials, and only headers named like a secret: texts need the others."""
    named = (secret for name, secret in provider.credentials.items() if not name.endswith("_id"))
    for secret in (*(key.key for key in provider.keys), provider.proxy, *named):
        if secret is not None:
            yield secret.reveal()
    for name, value in provider.headers.items():
        if SECRET_HEADER.search(name):
            yield value.reveal()


def is_local(provider: config.Provider) -> bool:
    """Whether a provider runs on the operator's own machines, by its own setting, else its kind's."""
    return plugins.row(provider.kind).local if provider.local is None else provider.local


def address_of(one: Upstream) -> tuple[str, int] | None:
    """Host and port that an upstream calls; None where it is not on the network."""
    client = one.client if isinstance(one, HttpCaller) else None
    return client.address if isinstance(client, HttpClient) else None


async def described_models(one: Upstream) -> list[model_pb2.Model]:
    """The models of an upstream with all that it reports, which may cost a request per model: for catalogues, not for probes."""
    models = await one.list_models()
    if isinstance(one, HttpCaller):
        return await one.describe(models)
    return models


def usual_model(provider: config.Provider) -> str:
    """The row's model for calls that name none, at the provider's location; "" where only its list can tell."""
    row = plugins.row(provider.kind)
    place = provider.region or provider.publisher or ""
    begins = max((begin for begin in row.default_models if place.startswith(begin)), key=len, default=None)
    return row.default_model if begins is None else row.default_models[begins]


def _settings(provider: config.Provider, server: config.Endpoint | None) -> Mapping[str, Any]:
    return {
        "api": provider.api,
        "region": (server.region if server is not None else None) or provider.region,
        "project": provider.project,
        "location": provider.location,
        "publisher": provider.publisher,
        "api_version": provider.api_version,
        **provider.options,
    }


def _row(kind: str, settings: Mapping[str, Any]) -> Row:
    row = plugins.row(kind)
    return row.dated if row.dated is not None and _DATE.match(settings["api_version"] or "") else row


def _api(spoken: Spoken, name: str) -> Api:
    return Api(wire=plugins.module("protocols", spoken.wire), dialect=plugins.dialect(spoken), name=name)


def _chooser(row: Row, configured: str | None, apis: Mapping[str, Api], settings: Mapping[str, Any]) -> Choose:
    """The API of the configuration, else of the row's rule, else the only one."""
    if row.choice and not (configured and configured in apis):
        rule = plugins.chooser(row.choice)
        return lambda request, summary, model: apis[rule(request, summary, model, settings)]
    only = apis[configured] if configured in apis else apis[""]  # type: ignore[index]
    return lambda request, summary, model: only


def _listed_only(choose: Choose, listed: Sequence[str], named: frozenset[str]) -> Choose:
    """The chooser of a library that calls the provider in the model's name, or even an address in it: only providers that the
    configuration lists or names a model of, and no address except in the configuration's own names."""
    makers = frozenset((*listed, *(model.partition("/")[0] for model in named if "/" in model)))

    def choose_listed(request: gateway_pb2.SendRequest, summary: Summary, model: str) -> Api:
        if model not in named:
            maker, slash, _ = model.partition("/")
            told = ""
            if not MODEL_NAME.fullmatch(model) or "http:" in model or "https:" in model:
                told = "Must be letters, digits and any of _ . : @ + ~ - /; it holds no address."
            elif not slash or maker not in makers:
                told = "Begin it with a provider that the configuration lists, as in openai/NAME (the provider's options.providers)."
            if told:
                raise InvalidRequest(violations=[Violation(field="model", description=told, reason="NOT_ALLOWED")])
        return choose(request, summary, model)

    return choose_listed


def _lists(
    row: Row,
    apis: Mapping[str, Api],
    choose: Choose,
    settings: Mapping[str, Any],
) -> tuple[tuple[Api, ...], ...]:
    if settings["publisher"]:  # the models of this one only
        return ((choose(gateway_pb2.SendRequest(), Summary(), ""),),)
    return tuple(tuple(apis[label] for label in group.split("|")) for group in row.lists)


def _urls(row: Row, server: config.Endpoint | None, settings: Mapping[str, Any]) -> tuple[str, str]:
    """(base URL, URL of the model lists or ""). A configured address serves both."""
    if server is not None:
        return trimmed(server.url, row), ""
    template = row.base_urls.get(settings["location"] or "", row.base_url)
    return template.format_map(settings), row.control_url.format_map(settings)


_TWICE = re.compile(r"((?:/[^/]+)*?/(?:v\d+[a-z]*\d*|api))\1+$")


def trimmed(url: str, row: Row) -> str:
    """A configured base URL without what our own paths begin with, and with its version once: people paste what another tool takes, or
    the whole address of an operation. A prefix of the vendor's own base URL stands for all of it."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if row.trims:
        path = re.sub(f"(?:{row.trims})+$", "", path)
    path = _TWICE.sub(r"\1", path).rstrip("/")
    found = parts._replace(path=path).geturl()
    return row.base_url if row.base_url.startswith(f"{found}/") else found


def _query(row: Row, settings: Mapping[str, Any]) -> str:
    version = settings["api_version"] or row.api_version
    return urlencode({row.query: version}) if row.query and version else ""


def _transport(
    row: Row, provider: config.Provider, server: config.Endpoint | None, key: config.ApiKey | None
) -> Client:
    """What calls a kind that does not speak HTTP over the network."""
    if server is not None:
        server = structs.replace(server, url=trimmed(server.url, row))
    client: Client = plugins.module("upstream.processes", row.transport).client(provider, server, key)
    return client


def _client(provider: config.Provider, url: str, address: Address | None = None) -> HttpClient:
    return HttpClient(
        url,
        address=address,
        ca_file=provider.tls.ca_file,
        cert_file=provider.tls.cert_file,
        key_file=provider.tls.key_file,
        proxy=provider.proxy.reveal() if provider.proxy is not None else None,
        connect_timeout=provider.timeouts.connect,
        max_connections=provider.limits.concurrency + 8,
    )


def _key_from(name: str, row: Row, provider: config.Provider, key: config.ApiKey | None) -> str:
    """A sentence on where the credentials come from; never their value."""
    if key is not None and key.key:
        return f"The key is that of {key.key.source or f'providers.{name}'}."
    if provider.credentials:
        return f"The credentials are those of providers.{name}.credentials."
    if provider.api_key is None and row.identity:
        return f"The credentials are those that {_CHAINS[row.identity]} finds."
    return f"No key was sent; set providers.{name}.api_key."


_CHAINS: Mapping[str, str] = {
    "aws": "the AWS credential chain",
    "google": "Google's Application Default Credentials",
    "entra": "Azure's DefaultAzureCredential",
}


def _credential(
    row: Row, provider: config.Provider, key: config.ApiKey | None, settings: Mapping[str, Any], *, prefix: str
) -> Credential:
    """The key if there is one, nothing where the configuration says `none`, else the row's identity."""
    secret = key.key.reveal() if key is not None else ""
    if secret and row.auth != "none":
        token = row.auth == "bearer" or (row.token_prefix and secret.startswith(row.token_prefix))
        return StaticHeaders(fields=credentials.bearer(secret) if token else ((row.auth, secret),))
    if provider.api_key is not None or not row.identity:
        return StaticHeaders()
    secrets = {name: value.reveal() for name, value in provider.credentials.items()}
    if row.identity == "aws":
        keys = credentials.Renewed("bedrock", credentials.aws(secrets, settings))
        return credentials.SigV4(keys, region=str(settings["region"]), prefix=prefix)
    if row.identity == "google":
        return credentials.RenewedHeaders(credentials.Renewed("vertex", credentials.google(secrets, settings)))
    return credentials.RenewedHeaders(credentials.Renewed("azure", credentials.entra(secrets, settings)))
