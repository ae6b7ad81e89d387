"""The keys of a store and the vault that opens them: at the start, while a master key is changed, and where one was lost.

The store knows the ids of its master keys, so that a wrong one is noticed before anything is sealed by it.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from llm_gateway.store.records import Change, KeyRecord, State
from llm_gateway.store.store import Stale, Store, StoreUnavailable
from llm_gateway.store.vault import Vault, VaultError
from llm_gateway.telemetry import logs

AT_ONCE: Final = 200
"""Keys that one transaction wraps anew."""
_AGAIN: Final = 5.0
"""Seconds until the store is tried again."""
_FORGET: Final = "if it is lost, `llm-gateway master-key forget` removes what it has sealed"


def admit(store: Store, vault: Vault | None) -> State:
    """What the store holds, once every key of it opens by the master keys that are given. Raises VaultError where one does not, or where none of these
    is the store's, and StoreUnavailable."""
    state, known = store.state(), store.masters()
    if vault is None:
        if state.keys:
            raise _without(state.keys[0])
        return state
    if known and not known & {vault.current, *vault.old}:
        wrong = f"is the master key {vault.current}, and that of the store is {' or '.join(sorted(known))}"
        raise VaultError("store.master_key", wrong, f"give that one, or list it in store.old_master_keys; {_FORGET}")
    for key in state.keys:
        vault.open(key.name, key.sealed)
    if vault.current not in known:
        with suppress(Stale):  # another replica was faster, with the same one
            store.keep_masters(known | {vault.current})
    return state


def rewrap(store: Store, vault: Vault, closed: threading.Event) -> bool:
    """Have every key wrapped by the current master key, a few in a transaction; whether nothing needs another one now.

    Ends early when `closed` is set, or the process does: the next time goes on with what is left. A key that is damaged stays as it is, and so does a store whose
    master keys are others.
    """
    told = 0
    while not closed.is_set():
        try:
            state = admit(store, vault)  # one that has just come back may be another's
            others = [key for key in state.keys if key.sealed.master != vault.current]
            if not others:
                store.keep_masters({vault.current})
                break
            store.commit(state, _wrapped(state, others[:AT_ONCE], vault), _rewrapped(others[:AT_ONCE], vault))
            told += len(others[:AT_ONCE])
        except Stale:
            continue
        except VaultError as error:
            logs.log().error("master key not changed", problem=str(error))
            return False
        except StoreUnavailable:
            closed.wait(_AGAIN)
    else:
        return False
    if vault.old:
        logs.log().info("master key changed", master_key=vault.current, keys=told, unneeded="store.old_master_keys")
    return True


def _wrapped(state: State, which: list[KeyRecord], vault: Vault) -> State:
    anew = {
        key.name: replace(
            key,
            sealed=vault.rewrap(key.name, key.sealed),
            fingerprint=vault.fingerprint(vault.open(key.name, key.sealed)),
        )
        for key in which
    }
    return replace(state, keys=tuple(anew.get(key.name, key) for key in state.keys))


def _rewrapped(which: list[KeyRecord], vault: Vault) -> Change:
    before = sorted({key.sealed.master for key in which})
    return Change(
        principal="llm-gateway",
        peer="",
        method="RewrapKeys",
        resource="store.master_key",
        before={"master_keys": before},
        after={"master_keys": [vault.current], "keys": len(which)},
    )


def lost(state: State, vault: Vault | None) -> list[str]:
    """The names of the keys that do not open by the master keys that are given."""
    return [key.name for key in state.keys if vault is None or not _opens(key, vault)]


def forget(store: Store, vault: Vault | None) -> list[str]:
    """Remove the keys that are lost, and hold the master keys of the others for the store's from now on; the names of the removed. Raises Stale and
    StoreUnavailable."""
    state = store.state()
    gone = lost(state, vault)
    kept = tuple(key for key in state.keys if key.name not in gone)
    if gone:
        change = Change(
            principal="llm-gateway",
            peer="",
            method="ForgetKeys",
            resource="store.master_key",
            before={"keys": gone},
        )
        store.commit(state, replace(state, keys=kept), change)
    current = {vault.current} if vault is not None else set()
    store.keep_masters(current | {key.sealed.master for key in kept})
    return gone


def _opens(key: KeyRecord, vault: Vault) -> bool:
    try:
        vault.open(key.name, key.sealed)
    except VaultError:
        return False
    return True


def _without(key: KeyRecord) -> VaultError:
    wrong = f"is sealed by the master key {key.sealed.master}, and the configuration has none"
    return VaultError(key.name, wrong, f"give it as store.master_key; {_FORGET}")
