"""The models of all providers, by what the operator, the provider's own list and our table say of each, in that order; cached and paged."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from time import monotonic, time

from llmgateway.v1 import content_pb2, model_pb2

from llm_gateway import config
from llm_gateway.catalogue import known_models
from llm_gateway.catalogue.facts import Listing, ModelFacts
from llm_gateway.catalogue.pauses import Pauses
from llm_gateway.catalogue.pricing.prices import Prices
from llm_gateway.errors import AttemptTimeout, GatewayError, InvalidRequest, ProviderNotConfigured, forget_frames
from llm_gateway.providers.rows import KnownModel

DEFAULT_PAGE = 100
LARGEST_PAGE = 1000
PATIENCE = 2.0
"""Seconds that a call waits at most for lists that were never fetched."""
MISSED = 3
"""Lists in a row without a model after which it is left out."""


_MEDIA = {
    "vision": content_pb2.MODALITY_IMAGE,
    "audio": content_pb2.MODALITY_AUDIO,
    "video": content_pb2.MODALITY_VIDEO,
    "documents": content_pb2.MODALITY_DOCUMENT,
}
_CAPABILITIES = {
    name.removeprefix("MODEL_CAPABILITY_").lower(): value
    for name, value in model_pb2.ModelCapability.items()
    if value != model_pb2.MODEL_CAPABILITY_UNSPECIFIED
}
_WORDS = {value: word for word, value in _CAPABILITIES.items()}
_UNSAID = config.ModelInfo()


class Catalogue:
    """Lists models page by page, and tells routing what is known of a model. A provider that does not answer is reported as unreachable;
    its declared models are listed all the same, and so are those of its last list.

    From `start` to `stop` the lists of some providers are kept fresh in the background. Only what nothing is known of is waited for; whatever is
    older than it should be is asked for behind the call that uses it.
    """

    def __init__(
        self,
        listers: Mapping[str, Callable[[], Awaitable[list[model_pb2.Model]]]],
        settings: config.Config,
        prices: Prices,
        *,
        local: Collection[str] = (),
        declared: Mapping[str, Collection[str]] | None = None,
        refreshed: Mapping[str, float] | None = None,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = monotonic,
        rng: random.Random | None = None,
    ) -> None:
        """listers: provider id to its `list_models`. declared: provider id to the models that the configuration names, which replace its
        list. local: providers on the operator's machines. refreshed: providers whose lists are kept fresh, and every how many seconds they are asked.
        changed: called when `facts` may have changed."""
        self._listers = listers
        self._providers = settings.providers
        self._prices = prices
        self._local = local
        self._declared = declared or {}
        self._changed = changed
        self._clock = clock
        self._names = _names(settings)
        self._listed: dict[str, dict[str, model_pb2.Model]] = {}
        self._merged: dict[str, list[model_pb2.Model]] = {}
        self._cache: dict[str, tuple[float, bool]] = {}
        self._asking: dict[str, asyncio.Task[bool]] = {}
        self._listings: dict[str, Listing] = {}
        self._failed: dict[str, tuple[float, GatewayError]] = {}
        self._missed: dict[str, dict[str, int]] = {}
        """Provider → model that its list lacks → lists in a row."""
        self._refreshed = refreshed or {}
        self._pauses = Pauses(self._refreshed, rng or random.Random())  # noqa: S311 - spreads load, protects nothing
        self._timers: dict[str, asyncio.TimerHandle] | None = None
        """Of the next request to each provider; None: nothing is asked in the background."""

    def start(self) -> None:
        """Keep the lists fresh, on this event loop."""
        self._timers = {}
        for name in self._refreshed:
            self._plan(name, max(self._pauses.first(), self._cache.get(name, (0.0, False))[0] - self._clock()))

    def stop(self) -> None:
        """Ask nothing any more that nobody wants to know."""
        for timer in (self._timers or {}).values():
            timer.cancel()
        self._timers = None

    async def aclose(self) -> None:
        """Stop, and give up what is being asked."""
        self.stop()
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _plan(self, name: str, seconds: float) -> None:
        if self._timers is not None and name in self._refreshed:
            if name in self._timers:
                self._timers[name].cancel()
            self._timers[name] = asyncio.get_running_loop().call_later(seconds, self._task, name)

    def facts(self, provider: str, model: str) -> ModelFacts:
        """What is known of a model now."""
        known, listed, info = self._sources(provider, model)
        merged = self._model(provider, model)
        return ModelFacts(
            input_limit=merged.input_token_limit or None,
            output_limit=merged.output_token_limit or None,
            capabilities=_abilities(known, listed, info),
            specialisations=frozenset(merged.specialisations),
            rates=self._prices.rates(provider, model),
            score=info.score or 0.0,
        )

    def failed(self, name: str) -> tuple[float, GatewayError] | None:
        """When, by the clock, and why a provider did not list its models when it was last asked; None where it did, or never was."""
        return self._failed.get(name)

    def refresh(self) -> None:
        """Prices have changed: drop what was computed from the old ones."""
        self._merged.clear()
        self._changed()

    def inherit(self, other: Catalogue) -> None:
        """Take over what another catalogue knows of providers whose configuration is the same."""
        for name, settings in self._providers.items():
            if name in other._listings and other._providers[name] == settings:
                self._listings[name], self._cache[name] = other._listings[name], other._cache.get(name, (0.0, False))
                if name in other._failed:
                    self._failed[name] = other._failed[name]
                self._missed[name] = other._missed.get(name, {})
                if name in other._listed:
                    self._listed[name] = other._listed[name]

    def listed(self, name: str) -> Listing | None:
        """What a provider lists, for names in requests; None when its list was never fetched, see `learn`. An old list is refreshed in
        the background."""
        cached = self._cache.get(name)
        if cached is not None and cached[0] <= self._clock():
            self._task(name)
        return self._listings.get(name)

    async def learn(self, names: Iterable[str]) -> None:
        """Fetch these providers' lists, all at once and once for all callers; a list that takes longer than PATIENCE counts as empty
        until it comes. A caller that is cancelled does not cancel the fetch for others."""
        asked = {name: self._task(name) for name in names if name not in self._listings}
        if asked:
            await asyncio.wait(asked.values(), timeout=PATIENCE)
            for name, task in asked.items():
                if not task.done():
                    late = AttemptTimeout(f"It did not list its models within {PATIENCE:g} s.")
                    self._listings.setdefault(name, Listing(error=late))

    async def list_models(self, request: model_pb2.ListModelsRequest) -> model_pb2.ListModelsResponse:
        """One page. Raises InvalidRequest for a negative size or a foreign token, ProviderNotConfigured."""
        if request.page_size < 0:
            raise InvalidRequest.of("page_size", "Must be 0 or more.", "OUT_OF_RANGE")
        if request.provider and request.provider not in self._listers:
            raise ProviderNotConfigured(
                f"No provider of this name is configured; there are: {', '.join(sorted(self._listers))}."
            )
        start = self._start(request)
        names = [request.provider] if request.provider else list(self._listers)
        refresh = request.refresh and start == ""
        reached = await asyncio.gather(*(self._reached(name, refresh) for name in names))
        wanted = set(request.required_capabilities)
        found = [model for name in names for model in self._models(name) if wanted <= set(model.capabilities)]
        found.sort(key=lambda model: model.name)
        size = min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE)
        rest = [model for model in found if model.name > start]
        response = model_pb2.ListModelsResponse(
            models=rest[:size],
            unreachable=[f"providers/{name}" for name, answered in zip(names, reached, strict=True) if not answered],
        )
        if len(rest) > size:
            response.next_page_token = _token(request, rest[size - 1].name)
        return response

    async def _reached(self, name: str, refresh: bool) -> bool:
        """Whether the provider answered when it was last asked. It is asked now if it never was, or `refresh` wants it; behind this call if that
        was long ago."""
        cached = self._cache.get(name)
        if cached is None or refresh:
            return await asyncio.shield(self._task(name))
        if cached[0] <= self._clock():
            self._task(name)
        return cached[1]

    def _task(self, name: str) -> asyncio.Task[bool]:
        """The request to one provider, shared by all who want its list."""
        task = self._asking.get(name)
        if task is None:
            task = self._asking[name] = asyncio.create_task(self._ask(name))
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        return task

    async def _ask(self, name: str) -> bool:
        reached = False
        try:
            models = list(await self._listers[name]())
            reached = True
            self._failed.pop(name, None)
            self._keep(name, models)
        except GatewayError as error:
            forget_frames(error)
            self._failed[name] = (self._clock(), error)
            if name not in self._listed:
                self._listings[name] = Listing(error=error)
        finally:
            pause = self._pauses.after(name, reached)
            self._cache[name] = (self._clock() + pause, reached)
            self._plan(name, pause)
        return reached

    def _keep(self, name: str, models: Collection[model_pb2.Model]) -> None:
        """The list as it is now, with what stood in the last ones and is missing."""
        listed = {model.model_id: model for model in models}
        before, missed = self._listed.get(name), self._missed.get(name, {})
        gone = {one: missed.get(one, 0) + 1 for one in before or () if one not in listed}
        self._missed[name] = {one: times for one, times in gone.items() if times < MISSED}
        for one in self._missed[name]:
            lost = model_pb2.Model()
            lost.CopyFrom((before or {})[one])
            if not lost.HasField("missing_since"):
                lost.missing_since.FromSeconds(int(time()))
            listed[one] = lost
        if listed != before:
            self._listed[name] = listed
            self._listings[name] = _listing(listed.values())
            self._merged.pop(name, None)
            self._changed()

    def _models(self, name: str) -> list[model_pb2.Model]:
        """The models that the provider is declared to serve, else the chat models of the list it last sent."""
        merged = self._merged.get(name)
        if merged is None:
            ids: Iterable[str] = self._declared.get(name) or (
                one for one, model in self._listed.get(name, {}).items() if _chats(model)
            )
            merged = self._merged[name] = [self._model(name, model) for model in ids]
        return merged

    def _sources(self, provider: str, model: str) -> tuple[KnownModel | None, model_pb2.Model | None, config.ModelInfo]:
        settings = self._providers[provider]
        return (
            known_models.find(settings.kind, model),
            self._listed.get(provider, {}).get(model),
            settings.model_info.get(model, _UNSAID),
        )

    def _model(self, provider: str, model: str) -> model_pb2.Model:
        known, listed, info = self._sources(provider, model)
        merged = model_pb2.Model()
        if listed is not None:
            merged.CopyFrom(listed)
        merged.name, merged.provider, merged.model_id = f"providers/{provider}/models/{model}", provider, model
        merged.local = provider in self._local
        if info.display_name:
            merged.display_name = info.display_name
        names = dict.fromkeys((*merged.aliases, *self._names.get((provider, model), ())))
        merged.aliases[:] = names
        context = info.input_token_limit or merged.input_token_limit or (known and known.context)
        context = context or self._prices.context(provider, model)
        if context:
            merged.input_token_limit = context
        output = info.output_token_limit or merged.output_token_limit or (known and known.output)
        if output:
            merged.output_token_limit = output
        able = _abilities(known, listed, info)
        merged.capabilities[:] = sorted(
            _CAPABILITIES[word] for word, has in able.items() if has and word in _CAPABILITIES
        )
        if not able.keys().isdisjoint(_MEDIA):
            read = (content_pb2.MODALITY_TEXT, *(modality for need, modality in _MEDIA.items() if able.get(need)))
            merged.input_modalities[:] = read
        if info.output_modalities is not None:
            merged.output_modalities[:] = map(_modality, info.output_modalities)
        elif known is not None and not merged.output_modalities:
            merged.output_modalities[:] = (content_pb2.MODALITY_TEXT,)
        if info.specialisations is not None:
            merged.specialisations[:] = info.specialisations
        elif known is not None:
            merged.specialisations[:] = known.good_at
        if info.deprecated is not None:
            merged.deprecated = info.deprecated
        if not merged.HasField("pricing") or self._prices.set_by_operator(provider, model):
            pricing = self._prices.pricing(provider, model)
            if pricing is not None:
                merged.pricing.CopyFrom(pricing)
        return merged

    def _start(self, request: model_pb2.ListModelsRequest) -> str:
        if not request.page_token:
            return ""
        try:
            digest, _, name = base64.urlsafe_b64decode(request.page_token).decode().partition(" ")
        except ValueError:
            digest, name = "", ""
        if not name or digest != _digest(request):
            told = "Send next_page_token of the page before, with the other fields unchanged."
            raise InvalidRequest.of("page_token", told, "INVALID_TOKEN")
        return name


_UNDATED = re.compile(r"(?:[-@]\d{8}|-\d{4}-\d\d-\d\d|:latest)$")
"""Endings of ids that providers let callers leave out."""


def _chats(model: model_pb2.Model) -> bool:
    """Whether a model answers in text, by its entry in the list, else by its name."""
    if model.output_modalities:
        return content_pb2.MODALITY_TEXT in model.output_modalities
    return known_models.chats(model.model_id)


def _listing(models: Collection[model_pb2.Model]) -> Listing:
    chatting = [model for model in models if _chats(model) and not model.HasField("missing_since")]
    chosen = chatting if len(chatting) == 1 else [model for model in chatting if model.loaded]
    ids = {model.model_id for model in models}
    return Listing(
        models=tuple(model.model_id for model in chatting),
        names=frozenset(
            ids | {_UNDATED.sub("", one) for one in ids} | {alias for model in models for alias in model.aliases}
        ),
        chosen=chosen[0].model_id if chosen else "",
    )


def _abilities(known: KnownModel | None, listed: model_pb2.Model | None, info: config.ModelInfo) -> dict[str, bool]:
    """Need → whether the model meets it; absent when unknown. A modality missing from a list counts as lacking where our table says
    nothing."""
    able: dict[str, bool] = {}
    if known is not None:
        able.update(dict.fromkeys(known.cannot, False))
        able.update(dict.fromkeys(known.can, True))
    if listed is not None:
        able.update({_WORDS[value]: True for value in listed.capabilities if value in _WORDS})
        if listed.input_modalities:
            for need, modality in _MEDIA.items():
                if modality in listed.input_modalities:
                    able[need] = True
                else:
                    able.setdefault(need, False)
    if info.input_modalities is not None:
        able.update({need: modality in map(_modality, info.input_modalities) for need, modality in _MEDIA.items()})
    able.update(info.capabilities.items())
    return able


def _modality(word: str) -> content_pb2.Modality.ValueType:
    return content_pb2.Modality.Value(f"MODALITY_{word.upper()}")


def _names(settings: config.Config) -> Mapping[tuple[str, str], list[str]]:
    """(provider, model) → its aliases, and the routes that begin with it."""
    names: dict[tuple[str, str], list[str]] = defaultdict(list)
    meant: dict[tuple[str, str], str] = {}
    for provider, configured in settings.providers.items():
        for model, info in configured.model_info.items():
            names[provider, model] += info.aliases or ()
            meant.update({(provider, alias): model for alias in info.aliases or ()})
    for name, route in settings.routes.items():
        arms = route.experiment.arms if route.experiment is not None else ()
        for place in [(one.provider, one.model) for one in route.targets] + [(one.provider, one.model) for one in arms]:
            names[place[0], meant.get(place, place[1])].append(name)
    return names


def _token(request: model_pb2.ListModelsRequest, last: str) -> str:
    return base64.urlsafe_b64encode(f"{_digest(request)} {last}".encode()).decode()


def _digest(request: model_pb2.ListModelsRequest) -> str:
    """What must stay the same from page to page."""
    key = f"{request.provider} {sorted(request.required_capabilities)}"
    return hashlib.sha256(key.encode()).hexdigest()[:12]
