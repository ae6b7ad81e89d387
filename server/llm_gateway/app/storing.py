"""What is set at run time, from the store to what is served: opened before anything is, on a thread. Imported where the configuration has a `store`."""

from __future__ import annotations

import asyncio

from llm_gateway import config
from llm_gateway.admin.registry import Registry
from llm_gateway.store.store import Store, WrongSchema
from llm_gateway.store.vault import Vault


async def opened(settings: config.Store) -> tuple[Registry, config.Layer | None]:
    """The registry, and what was set; None while the store cannot be reached: `Registry.start` has it taken when it can.

    Raises ConfigError for a store or a key that no waiting will open: another schema, a master key that cannot be had, is another one, or is missing.
    """
    return await asyncio.to_thread(_open, settings)


def _open(settings: config.Store) -> tuple[Registry, config.Layer | None]:
    registry = None
    try:
        vault = Vault.of(settings)
        registry = Registry(Store.open(settings), vault)
        return registry, registry.load()
    except (WrongSchema, config.ConfigError) as error:
        if registry is not None:
            registry.close()
        if isinstance(error, config.ConfigError):
            raise
        raise config.ConfigError([config.ConfigProblem(file="store", wrong=error.reason)]) from None
