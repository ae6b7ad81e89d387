"""``llm-gateway master-key``: makes the key that seals what the store keeps secret, and removes what a lost one has sealed."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING

from llm_gateway.cli import FAILED, OK, UsageError

if TYPE_CHECKING:
    from llm_gateway.store.store import Store
    from llm_gateway.store.vault import Vault


def run(args: argparse.Namespace) -> int:
    return _new(args) if args.action == "new" else _forget(args)


def _new(args: argparse.Namespace) -> int:
    from llm_gateway.store import master

    path = os.path.abspath(args.file)
    try:
        made = master.write(path, master.new())
    except FileExistsError:
        raise UsageError(
            f"{args.file} is there already; a master key is never overwritten, so name another file"
        ) from None
    except OSError as error:
        raise UsageError(f"{args.file} cannot be written: {error.strerror}") from None
    if args.json:
        print(json.dumps({"file": path, "id": made.id}))
        return OK
    print(
        f"{args.file} holds the new master key {made.id}, for its owner's eyes. Keep a copy apart from the store: without it"
    )
    print("the keys in the store are lost. The lines for the configuration:\n")
    print(f"store:\n  master_key: {{file: {json.dumps(path)}}}")
    return OK


def _forget(args: argparse.Namespace) -> int:
    from llm_gateway.cli.config_check import load
    from llm_gateway.config import ConfigError

    settings = load(args.config, os.environ)
    if settings.store is None:
        raise UsageError("the configuration has no store")
    from llm_gateway.store.store import Stale, Store, StoreUnavailable
    from llm_gateway.store.vault import Vault

    try:
        vault = Vault.of(settings.store)
        store = Store.open(settings.store)
        try:
            return _removed(args, store, vault)
        finally:
            store.close()
    except ConfigError as error:
        raise UsageError(str(error)) from None
    except StoreUnavailable as error:
        raise UsageError(f"the store {error.reason}") from None
    except Stale:
        raise UsageError("somebody else has changed the store meanwhile; try again") from None


def _removed(args: argparse.Namespace, store: Store, vault: Vault | None) -> int:
    from llm_gateway.store import sealing

    lost = sealing.lost(store.state(), vault)
    if lost and not args.yes:
        print("These keys do not open by the configured master keys, and would be removed; --yes removes them:")
        print("\n".join(f"  {name}" for name in lost))
        return FAILED
    removed = sealing.forget(store, vault)
    print(
        f"removed: {', '.join(removed)}"
        if removed
        else "every key opens by the configured master keys; none was removed"
    )
    return OK
