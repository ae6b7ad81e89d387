"""The models of all providers, asked of the providers themselves, cached and paged."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic

from llmgateway.v1 import model_pb2

from llm_gateway.errors import GatewayError, InvalidRequest, ProviderNotConfigured, Violation

DEFAULT_PAGE = 100
LARGEST_PAGE = 1000
FRESH = 300.0
"""Seconds that a provider's list is used before it is asked again."""
FRESH_FAILURE = 5.0
"""Seconds before a provider that did not answer is asked again."""


class Catalogue:
    """Lists models page by page. A provider that does not answer is named as unreachable; its declared models are listed all the same."""

    def __init__(
        self,
        listers: Mapping[str, Callable[[], Awaitable[list[model_pb2.Model]]]],
        declared: Mapping[str, Sequence[model_pb2.Model]],
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """listers: provider id to its `list_models`. declared: models that the configuration names; they take the place of the list."""
        self._listers = listers
        self._declared = declared
        self._clock = clock
        self._cache: dict[str, tuple[float, list[model_pb2.Model], bool]] = {}
        self._asking: dict[str, asyncio.Task[tuple[list[model_pb2.Model], bool]]] = {}

    async def list_models(self, request: model_pb2.ListModelsRequest) -> model_pb2.ListModelsResponse:
        """One page. Raises InvalidRequest for a negative size or a foreign token, ProviderNotConfigured."""
        if request.page_size < 0:
            raise InvalidRequest(
                violations=[Violation(field="page_size", description="Must be 0 or more.", reason="OUT_OF_RANGE")]
            )
        if request.provider and request.provider not in self._listers:
            raise ProviderNotConfigured(
                f"No provider of this name is configured; there are: {', '.join(sorted(self._listers))}."
            )
        start = self._start(request)
        names = [request.provider] if request.provider else list(self._listers)
        refresh = request.refresh and start == ""
        answers = await asyncio.gather(*(self._models(name, refresh) for name in names))
        wanted = set(request.required_capabilities)
        found = [model for models, _ in answers for model in models if wanted <= set(model.capabilities)]
        found.sort(key=lambda model: model.name)
        size = min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE)
        rest = [model for model in found if model.name > start]
        response = model_pb2.ListModelsResponse(
            models=rest[:size],
            unreachable=[f"providers/{name}" for name, (_, reached) in zip(names, answers, strict=True) if not reached],
        )
        if len(rest) > size:
            response.next_page_token = _token(request, rest[size - 1].name)
        return response

    async def _models(self, name: str, refresh: bool) -> tuple[list[model_pb2.Model], bool]:
        cached = self._cache.get(name)
        if cached is not None and not refresh and cached[0] > self._clock():
            return cached[1], cached[2]
        task = self._asking.get(name)
        if task is None:
            task = self._asking[name] = asyncio.create_task(self._ask(name))
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        return await asyncio.shield(task)

    async def _ask(self, name: str) -> tuple[list[model_pb2.Model], bool]:
        try:
            models, reached = list(await self._listers[name]()), True
        except GatewayError:
            models, reached = [], False
        by_id = {model.model_id: model for model in models}
        declared = self._declared.get(name, ())
        if declared:
            merged = []
            for model in declared:
                known = model_pb2.Model()
                if model.model_id in by_id:
                    known.CopyFrom(by_id[model.model_id])
                known.MergeFrom(model)
                merged.append(known)
            models = merged
        self._cache[name] = (self._clock() + (FRESH if reached else FRESH_FAILURE), models, reached)
        return models, reached

    def _start(self, request: model_pb2.ListModelsRequest) -> str:
        if not request.page_token:
            return ""
        try:
            digest, _, name = base64.urlsafe_b64decode(request.page_token).decode().partition(" ")
        except ValueError:
            digest, name = "", ""
        if not name or digest != _digest(request):
            raise InvalidRequest(
                violations=[
                    Violation(
                        field="page_token",
                        description="Send next_page_token of the page before, with the other fields unchanged.",
                        reason="INVALID_TOKEN",
                    )
                ]
            )
        return name


def _token(request: model_pb2.ListModelsRequest, last: str) -> str:
    return base64.urlsafe_b64encode(f"{_digest(request)} {last}".encode()).decode()


def _digest(request: model_pb2.ListModelsRequest) -> str:
    """What must stay the same from page to page."""
    key = f"{request.provider} {sorted(request.required_capabilities)}"
    return hashlib.sha256(key.encode()).hexdigest()[:12]
