"""What is set at run time: read from the store, changed one revision at a time, and put in force. Imported where the configuration has a `store`.

A change is checked, kept, and taken, in this order: what is not right is not kept, and what was answered is. If it cannot be taken once it is kept,
it is tried again until it can, as a change of another replica is.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from llm_gateway import config
from llm_gateway.admin.documents import hidden
from llm_gateway.admin.gateway import Administered
from llm_gateway.config import values
from llm_gateway.config.reading import within
from llm_gateway.errors import (
    ChangeNotInForce,
    ConfigInvalid,
    InvalidRequest,
    NotAsThingsAre,
    ResourceInUse,
    StoreRequired,
    StoreUnavailable,
    Violation,
)
from llm_gateway.rpc.chain import Rpc
from llm_gateway.store import records, sealing, store
from llm_gateway.store.records import KeyRecord, State, name_of
from llm_gateway.store.vault import Vault, VaultError
from llm_gateway.telemetry import logs

TURN: Final = 10.0
"""Seconds that a change waits for those before it."""
AGAIN: Final = 1.0
"""Seconds after which is tried again what could not be taken."""
TRIES: Final = 5
"""Of one change, while other replicas are faster."""
EXPIRED: Final = "ExpireProviderKey"
"""The change by which a key leaves the store at the end of its overlap."""
Make = Callable[[State], State]
"""A new state made of the one in force; the same where nothing is to be changed. Raises GatewayError."""
Since = Mapping[tuple[str, str], tuple[int, datetime]]
Told = Callable[[State], Any]
"""What the audit tells of a state: values of JSON without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What is in force after a change, or would be: the state, and the configuration under it."""

    state: State
    settings: config.Config


class Registry:
    """Of one gateway, or of the process that administers its workers. Thread-safe; none of its threads serves calls. gateway: to be set before it is
    started."""

    def __init__(self, kept: store.Store, vault: Vault | None) -> None:
        self.store = kept
        self._vault = vault
        self.gateway: Administered | None = None
        self._turn = threading.Lock()
        self._opened: dict[KeyRecord, config.StoredKey] = {}
        self._untaken: State | None = None
        self._told = ""
        self._known: tuple[State | None, Since] = (None, {})
        self._coming: tuple[State, Since] | None = None
        self._awake = threading.Event()
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []

    # --- the start, and the end

    def load(self) -> config.Layer | None:
        """What is to be in force; None while the store cannot be read. Raises VaultError for a key that does not open."""
        try:
            state, since = sealing.admit(self.store, self._vault), self.store.since()
        except store.StoreUnavailable:
            return None
        layer = self.layer(state)
        self._known = state, since
        return layer

    def start(self) -> None:
        """From now on follow other replicas, and take keys away whose time is over."""
        doing: list[Callable[[], object]] = [self._run]
        if self._vault is not None:
            doing.append(partial(sealing.rewrap, self.store, self._vault, self._closed))
        self._threads = [threading.Thread(target=each, name="registry", daemon=True) for each in doing]
        for thread in self._threads:
            thread.start()
        self.store.follow(self._changed)

    def close(self) -> None:
        """May wait a moment."""
        self._closed.set()
        self._awake.set()
        for thread in self._threads:
            thread.join(TURN)
        self.store.close()

    # --- what is asked

    @property
    def state(self) -> State | None:
        """What is in force, from the moment on at which the gateway's settings are those under it; None until the store could be read."""
        return self._in_force[0]

    @property
    def since(self) -> Since:
        """By section and name of an entry in force: the revision that set it, and when."""
        return self._in_force[1]

    @property
    def _in_force(self) -> tuple[State | None, Since]:
        coming = self._coming
        if coming is not None and config.origins_of(self._gateway.settings).revision == coming[0].revision:
            return coming
        return self._known

    @property
    def in_force(self) -> State:
        """The state. Raises StoreUnavailable before there is one."""
        state = self.state
        if state is None:
            raise self.unavailable(
                self.problem or (f"was not taken: {self._told}" if self._told else "was not read yet")
            )
        return state

    def revisions(self, before: int | None, limit: int, resource: str = "") -> list[records.Revision]:
        """The newest first, below a number; of one resource, or of all. Raises StoreUnavailable."""
        try:
            return self.store.revisions(before=before, limit=limit, resource=resource or None)
        except store.StoreUnavailable as error:
            raise self.unavailable(error.reason) from None

    def entries_at(self, revision: int) -> records.Entries:
        """What was set in a revision, besides keys. Raises LookupError where there is none, StoreUnavailable."""
        try:
            return self.store.entries_at(revision)
        except store.StoreUnavailable as error:
            raise self.unavailable(error.reason) from None

    @property
    def unneeded(self) -> Sequence[str]:
        """Settings that nothing needs any more."""
        vault, state = self._vault, self.state
        if vault is None or not vault.old or state is None:
            return ()
        left = any(key.sealed.master != vault.current for key in state.keys)
        return () if left else ("store.old_master_keys",)

    @property
    def problem(self) -> str:
        """Why the store cannot be reached; empty where it can."""
        return self.store.problem

    @staticmethod
    def unavailable(reason: str) -> StoreUnavailable:
        """The refusal of a change while the store cannot keep it."""
        return StoreUnavailable(f"The store {reason}. What is in force goes on serving; try again later.")

    def layer(self, state: State) -> config.Layer:
        """A state with its keys open. Raises VaultError."""
        opened = {key: self._opened.get(key) or self._open(key) for key in state.keys}
        keys: dict[str, tuple[config.StoredKey, ...]] = {}
        for record, key in opened.items():
            keys[record.provider] = (*keys.get(record.provider, ()), key)
        self._opened = opened
        entries = state.entries
        return config.Layer(
            revision=state.revision,
            providers=entries.providers,
            routes=entries.routes,
            enabled=entries.enabled,
            default_provider=entries.default_provider,
            keys=keys,
        )

    def _open(self, record: KeyRecord) -> config.StoredKey:
        name = record.name
        if self._vault is None:
            raise VaultError(name, "is sealed, and store.master_key is missing", "set it to the master key")
        secret = config.Secret(
            self._vault.open(name, record.sealed), f"the key {record.alias} that was set at run time"
        )
        return config.StoredKey(
            name=record.alias, key=secret, until=record.until.timestamp() if record.until is not None else None
        )

    def sealed(self, provider: str, alias: str, text: str, field: str) -> KeyRecord:
        """A new key. field: of the text in the request. Raises InvalidRequest, and StoreRequired without a master key."""
        try:
            secret = values.credential(text)
            if secret.reveal() == "none":
                raise values.Unfit("is no key", "give the key itself")
        except values.Unfit as unfit:
            right = "; ".join(filter(None, (unfit.wrong, unfit.right)))
            reason = "INVALID_KEY" if text.strip() else "REQUIRED"
            raise InvalidRequest.of(field, f"{right[:1].upper()}{right[1:]}.", reason) from None
        if self._vault is None:
            right = (
                "Make one with `llm-gateway master-key new FILE`, and set store.master_key: {file: FILE}; then restart."
            )
            raise StoreRequired(
                "Keys are kept sealed, and there is no master key to seal them by.",
                violations=[Violation(field="store.master_key", description=right, reason=StoreRequired.reason)],
            )
        return KeyRecord(
            provider=provider,
            alias=alias,
            fingerprint=self._vault.fingerprint(secret.reveal()),
            created=datetime.now(UTC),
            sealed=self._vault.seal(name_of(provider, alias), secret.reveal()),
        )

    def renamed(self, record: KeyRecord, alias: str, until: datetime | None) -> KeyRecord:
        """A key under another name, used until then."""
        text = self._open(record).key.reveal()
        assert self._vault is not None  # noqa: S101 - it has opened the key
        sealed = self._vault.seal(name_of(record.provider, alias), text)
        return replace(record, alias=alias, until=until, sealed=sealed)

    @property
    def _gateway(self) -> Administered:
        assert self.gateway is not None  # noqa: S101 - it was set
        return self.gateway

    async def preview(self, state: State) -> config.Config:
        """The configuration that it would be with this state. Raises ConfigError."""
        return await self._gateway.preview(self.layer(state))

    # --- changes

    async def change(
        self,
        rpc: Rpc,
        resource: str,
        make: Make,
        told: Told,
        *,
        validate_only: bool,
        fields: Mapping[str, str] | None = None,
    ) -> Done:
        """What is in force then, or would be.

        resource: what is changed, for the audit. fields: by path of the configuration, the field of the request that gives it. Raises what `make` does;
        InvalidRequest, ConfigInvalid and ResourceInUse for what would be no configuration; StoreUnavailable; ChangeNotInForce.
        """
        rpc.outcome |= {"resource": resource, "validate_only": validate_only}
        with self._turns():
            for _ in range(TRIES):
                base = self.in_force
                new = make(base)
                if new is base:
                    return Done(state=base, settings=self._gateway.settings)
                change = records.Change(
                    principal=rpc.principal,
                    peer=rpc.peer(),
                    method=rpc.path.rpartition("/")[2],
                    resource=resource,
                    before=told(base),
                    after=told(new),
                )
                rpc.outcome |= {"before": change.before, "after": change.after}
                try:
                    settings = await self.preview(new)
                except config.ConfigError as error:
                    raise refused(error.errors, fields or {}, resource) from None
                if validate_only:
                    return Done(state=new, settings=settings)
                try:
                    kept = self.store.commit(base, without_expired(new), change)
                except store.Stale:
                    await self._catch_up()
                    continue
                except store.StoreUnavailable as error:
                    raise self.unavailable(error.reason) from None
                rpc.outcome["revision"] = kept.revision
                if not await self._take(kept):
                    raise ChangeNotInForce(
                        f"The change is kept as revision {kept.revision}, but it is not in force yet: {self._told}. That is tried again every second."
                    )
                return Done(state=kept, settings=self._gateway.settings)
        raise self.unavailable("is changed by others all the time")

    @contextmanager
    def _turns(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=TURN):
            raise self.unavailable(self.problem or "keeps another change for long")
        try:
            yield
        finally:
            self._turn.release()

    async def _catch_up(self) -> None:
        """Take what others have changed. Raises StoreUnavailable."""
        try:
            state = sealing.admit(self.store, self._vault)
        except store.StoreUnavailable as error:
            raise self.unavailable(error.reason) from None
        except config.ConfigError as error:
            raise self.unavailable(f"is not the one that was read: {error}") from None
        if not await self._take(state):
            raise ChangeNotInForce(
                f"Nothing was changed: what another replica has set is not in force here, {self._told}."
            )

    async def _take(self, state: State) -> bool:
        """Put a state that is kept in force, or say why it is not, and have it tried again."""
        since = self.since
        with suppress(store.StoreUnavailable):
            since = self.store.since()
        self._coming = state, since
        try:
            await self._gateway.take(self.layer(state))
        except config.ConfigError as error:
            problem = str(error)
        except Exception as error:
            problem = type(error).__name__
            logs.log().error("internal error", error=problem, exc_info=True)
        else:
            self._known, self._untaken, self._told = self._coming, None, ""
            self._awake.set()  # another key may be the first to end
            return True
        finally:
            self._coming = None
        self._tell(state.revision, problem)
        self._untaken = state
        self._awake.set()
        return False

    def _tell(self, revision: int, problem: str) -> None:
        """Say once why a revision is not in force."""
        if problem != self._told:
            logs.log().error("revision not in force", revision=revision, problem=problem)
        self._told = problem

    # --- by itself

    def _changed(self, revision: int) -> None:
        """Another replica has made a revision, or this one has."""
        if self.state is not None and revision == self.state.revision:
            return
        with self._turn:
            if self.state is not None and revision == self.state.revision:
                return
            first = self.state is None
            try:
                state = sealing.admit(self.store, self._vault)
            except config.ConfigError as error:
                self._tell(revision, str(error))
                return
            if asyncio.run(self._take(state)):
                logs.log().info("set at run time", revision=state.revision, first=first)

    def _run(self) -> None:
        """Tries again what could not be taken, and takes keys away whose time is over."""
        wait: float | None = None
        while not self._closed.is_set():
            self._awake.wait(wait)
            self._awake.clear()
            if self._closed.is_set():
                return
            wait = AGAIN
            try:
                with self._turns():
                    wait = asyncio.run(self._mend())
            except (StoreUnavailable, VaultError):  # told already
                pass
            except Exception as error:
                logs.log().error("internal error", error=type(error).__name__, exc_info=True)

    async def _mend(self) -> float | None:
        """Seconds until there is something to do."""
        if self._untaken is not None and not await self._take(self._untaken):
            return AGAIN
        if self.state is None:
            return None
        now = datetime.now(UTC)
        ended = [key for key in self.state.keys if key.until is not None and key.until <= now]
        if ended:
            change = records.Change(
                principal="llm-gateway",
                peer="",
                method=EXPIRED,
                resource=ended[0].name,
                before=[told_key(key) for key in ended],
            )
            try:
                kept = self.store.commit(self.state, without_expired(self.state), change)
            except store.Stale:
                return AGAIN  # another replica did it, or did something else, which is told
            except store.StoreUnavailable:
                return AGAIN
            await self._take(kept)
        ends = [key.until for key in (self.state or State()).keys if key.until is not None]
        return max(0.0, (min(ends) - datetime.now(UTC)).total_seconds()) if ends else None


def without_expired(state: State) -> State:
    """Without the keys whose time is over."""
    now = datetime.now(UTC)
    return replace(state, keys=tuple(key for key in state.keys if key.until is None or key.until > now))


# ---------------------------------------------------------------- what the audit tells


def told_key(key: KeyRecord) -> dict[str, Any]:
    """A key, without it."""
    until = {"until": key.until.isoformat(timespec="seconds")} if key.until is not None else {}
    return {"name": key.alias, "fingerprint": key.fingerprint, **until}


def told_provider(name: str) -> Told:
    """What is set of a provider; None where nothing is."""

    def told(state: State) -> Any:
        entries = state.entries
        found: dict[str, Any] = {}
        if name in entries.providers:
            found["settings"] = hidden(entries.providers[name])
        if name in entries.enabled:
            found["enabled"] = entries.enabled[name]
        if entries.default_provider == name:
            found["default"] = True
        if keys := [told_key(key) for key in state.keys if key.provider == name]:
            found["keys"] = keys
        return found or None

    return told


# ---------------------------------------------------------------- what would be no configuration


def refused(
    problems: Sequence[config.ConfigProblem], fields: Mapping[str, str], resource: str
) -> InvalidRequest | NotAsThingsAre:
    """What a configuration's problems mean for a change. fields: by path, the field of the request that gives what is there."""
    own = [violation for problem in problems if (violation := _own(problem, fields)) is not None]
    if own:
        return InvalidRequest(violations=own)
    needing = {name: problem for problem in problems if (name := _needing(problem.key))}
    if len(needing) >= 1 and all(_needing(problem.key) for problem in problems):
        them = "them" if len(needing) > 1 else "it"
        return ResourceInUse(
            f"{resource} is needed by {', '.join(needing)}; change or remove {them} first.",
            violations=[
                Violation(field=name, description=f"Names it at {problem.key}.", reason=ResourceInUse.reason)
                for name, problem in needing.items()
            ],
        )
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return ConfigInvalid(
        f"Nothing was changed, for as things are it would be wrong: {problems[0]}{more}",
        violations=[
            Violation(
                field=f"{problem.file}:{problem.line}" if problem.line else "/".join(problem.entry) or problem.key,
                description=str(problem),
                reason=ConfigInvalid.reason,
            )
            for problem in problems
        ],
    )


def _needing(path: str) -> str:
    """The resource at a path that needs others: a route, or the default provider."""
    if path == "default_provider":
        return path
    route = re.match(r'routes\.(?:"([^"]+)"|([\w-]+))', path)
    return f"routes/{route[1] or route[2]}" if route else ""


def _own(problem: config.ConfigProblem, fields: Mapping[str, str]) -> Violation | None:
    for path, field in fields.items():
        if within(problem.key, path):
            right = problem.right
            if field == "keys" and problem.key == path:
                right = "give one, or set settings.api_key to none where the server wants none"
            told = "; ".join(filter(None, (problem.wrong, right)))
            return Violation(field=field + problem.key.removeprefix(path), description=f"{told[:1].upper()}{told[1:]}.")
    return None
