"""What nobody may do through the administration, whatever their role: lead a provider's keys elsewhere, or reach into the gateway's machine.

Pure functions over providers in the form of the file. What they do not know is refused, or counts as another address: a new field or option is
safe until somebody says here what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from llm_gateway.config import values
from llm_gateway.config.discovery import kind_of
from llm_gateway.config.models import Endpoint, Provider
from llm_gateway.config.reading import join
from llm_gateway.config.secret import Secret
from llm_gateway.config.values import Unfit
from llm_gateway.errors import Violation
from llm_gateway.providers import plugins
from llm_gateway.telemetry import redaction

# ---------------------------------------------------------------- where keys go
LEADS: Final = frozenset([
    "kind", "endpoint", "endpoints", "region", "project", "location", "publisher", "api_version", "headers", "options", "proxy", "tls",
])  # fmt: skip
"""Fields of a provider that decide where its keys go, by which way, and to whom."""
STAYS: Final = frozenset([
    "enabled", "api_key", "api_keys", "credentials", "default_model", "models", "api", "local", "timeouts", "limits", "prices", "model_info", "resolve",
])  # fmt: skip
"""Those that do not, or are keys themselves."""
_HARMLESS: Final = frozenset(["betas", "prompt_caching", "truncate"])
"""Options that change what is said, not to whom."""


def moved(before: Provider | Mapping[str, Any], after: Provider | Mapping[str, Any]) -> list[str]:
    """The fields in which two providers differ that decide where keys go; where there are any, stored keys must be given again.

    Compared are two of the file's form, or two that were read.
    """
    one, other = _destination(before), _destination(after)
    return sorted(field for field in one.keys() | other.keys() if one.get(field) != other.get(field))


def _destination(provider: Provider | Mapping[str, Any]) -> dict[str, Any]:
    """By field what is set and leads somewhere; addresses in one form, under `endpoint`."""
    if isinstance(provider, Provider):
        given = {field: getattr(provider, field) for field in provider.__struct_fields__}
    else:
        given = dict(provider)
    found = {field: _plain(value) for field, value in given.items() if field not in STAYS}
    listed = [found.pop("endpoint", None), *(found.pop("endpoints", None) or ())]
    found["endpoint"] = sorted(map(_address, filter(None, listed)))
    if isinstance(found.get("kind"), str):
        found["kind"] = kind_of(found["kind"])
    if isinstance(found.get("options"), dict):
        found["options"] = {name: value for name, value in found["options"].items() if name not in _HARMLESS}
    return {field: value for field, value in found.items() if value not in (None, "", [], {})}


def _plain(value: Any) -> Any:
    """A value that equals another if they mean the same. Secrets are in the clear: nobody sees it."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Endpoint):
        return {"url": value.url, "region": value.region}
    if hasattr(value, "__struct_fields__"):
        value = {field: getattr(value, field) for field in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool) else str(value)


def _address(written: Any) -> tuple[str, str]:
    """URL and region."""
    url, region = (written.get("url"), written.get("region")) if isinstance(written, dict) else (written, None)
    try:
        return values.url(str(url)), str(region or "")
    except Unfit:
        return str(url), str(region or "")


# ---------------------------------------------------------------- what only the file may say
_KEYS: Final = frozenset(["api_key", "api_keys", "credentials"])
_OPTIONS: Final = _HARMLESS | {"client_id", "quota_project", "scope", "tenant_id"}
"""Those that name neither a file, a command nor a host."""
_PLACES: Final = {
    "region": re.compile(r"[A-Za-z0-9-]{1,63}"),
    "location": re.compile(r"[A-Za-z0-9-]{1,63}"),
    "project": re.compile(r"[A-Za-z0-9._:-]{1,100}"),
    "publisher": re.compile(r"[A-Za-z0-9._-]{1,100}"),
    "api_version": re.compile(r"[A-Za-z0-9._-]{1,63}"),
}
"""What becomes a part of a host's name or of a path: one that held more could name another host."""
_IDENTITY_HOSTS: Final = {
    "aws": re.compile(r"(.+\.)?bedrock(-runtime)?(-fips)?\.[a-z0-9-]+(\.vpce)?\.amazonaws\.com(\.cn)?"),
    "entra": re.compile(r"[a-z0-9-]+\.(openai|cognitiveservices|services\.ai)\.azure\.(com|us|cn)"),
    "google": re.compile(r"([a-z0-9-]+\.)*googleapis\.com"),
}
"""Where the machine's own cloud credentials may be sent, which nobody gives again."""
SECRET_HEADER: Final = re.compile(r"auth|cookie|key|token|secret|password|credential", re.IGNORECASE)
"""Names of headers whose values are secrets."""
_IN_FILE: Final = "set it in the file"
_BY_KEY: Final = (
    "store a key for the provider instead; headers and credentials that are secret can be set in the file only"
)


def refusals(name: str, provider: Mapping[str, Any]) -> list[Violation]:
    """What cannot be set through the administration: references to files, variables and commands, plugins, processes, secrets, and where the machine's
    own credentials would be sent. Empty if there is nothing. name: its name, which is the kind where there is none. Fields are paths below it."""
    return [Violation(field=at, description=told, reason="NOT_ALLOWED") for at, told in _refused(name, provider)]


def _refused(name: str, provider: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind = kind_of(str(provider.get("kind") or name))
    own = kind in plugins.own()
    if kind in plugins.names() and not own:
        yield "kind", f"{kind} is a plugin's, which only the file can use."
    elif own and plugins.row(kind).transport:
        yield "kind", f"{kind} starts processes on the gateway's machine, so only the file can use it."
    for field in _KEYS & {field for field, value in provider.items() if (field, value) != ("api_key", "none")}:
        yield field, f"Holds keys; {_BY_KEY}."
    tls = provider.get("tls")
    for field in tls if isinstance(tls, Mapping) else ():
        yield f"tls.{field}", f"Names a file of the gateway's machine; {_IN_FILE}."
    options = provider.get("options")
    for option in options if isinstance(options, Mapping) else ():
        if option not in _OPTIONS:
            yield join("options", str(option)), f"Is none of {', '.join(sorted(_OPTIONS))}; {_IN_FILE}."
    for field, place in _PLACES.items():
        yield from _misplaced(field, provider.get(field), place)
    if "@" in str(provider.get("proxy") or ""):
        yield "proxy", f"Holds a user name or password; {_IN_FILE}."
    headers = provider.get("headers")
    for header in headers if isinstance(headers, Mapping) else ():
        if SECRET_HEADER.search(str(header)):
            yield join("headers", str(header)), f"Is named like a secret; {_BY_KEY}."
    yield from _addresses(kind, own, provider)
    yield from _references({field: value for field, value in provider.items() if field not in _KEYS | {"tls"}}, "")


def references(settings: Mapping[str, Any]) -> list[Violation]:
    """What no setting made through the administration may hold, a route's neither: references to variables and files, and keys."""
    return [Violation(field=at, description=told, reason="NOT_ALLOWED") for at, told in _references(settings, "")]


def _references(value: Any, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if "${" in value:
            yield at, f"Names a variable of the gateway's environment; write the value itself, or {_IN_FILE}."
        elif redaction.redact(value) != value:
            yield at, f"Looks like a key, which would be kept in the clear here; {_BY_KEY}."
    elif isinstance(value, Mapping):
        if value.keys() == {"file"} and isinstance(value["file"], str):
            yield at, f"Names a file of the gateway's machine; {_IN_FILE}."
        for name, item in value.items():
            for _, told in _references(str(name), at):
                yield at, f"One of its names: {told}"
            yield from _references(item, join(at, str(name)))
    elif isinstance(value, Sequence):
        for index, item in enumerate(value):
            yield from _references(item, f"{at}[{index}]")


def _misplaced(at: str, value: Any, place: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    if value is not None and not place.fullmatch(str(value)) and "${" not in str(value):  # told otherwise
        yield at, "Is not a name: it becomes a part of the address. Use letters, digits and '-'."


def _addresses(kind: str, own: bool, provider: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    listed = provider.get("endpoints")
    addresses = {"endpoint": provider.get("endpoint")}
    for index, one in enumerate(listed if isinstance(listed, Sequence) and not isinstance(listed, str) else ()):
        if isinstance(one, Mapping):
            addresses[f"endpoints[{index}].url"] = one.get("url")
            yield from _misplaced(f"endpoints[{index}].region", one.get("region"), _PLACES["region"])
        else:
            addresses[f"endpoints[{index}]"] = one
    identity = plugins.row(kind).identity if own else ""
    for at, url in addresses.items():
        if url is None or "${" in str(url):  # told otherwise
            continue
        try:
            host = urlsplit(values.url(str(url))).hostname or ""
        except Unfit as unfit:  # before anybody sees it: it may hold a password
            yield at, f"{unfit.wrong[:1].upper()}{unfit.wrong[1:]}; {unfit.right}."
            continue
        if identity and not _IDENTITY_HOSTS[identity].fullmatch(host):
            right = f"only its own hosts can be set here; {_IN_FILE}, or use a kind without such an identity"
            yield at, f"Kind {kind} may sign in with the identity of the gateway's machine, so {right}."
