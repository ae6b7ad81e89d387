"""The targets, by name."""

from tests.fuzz.engine import Target
from tests.fuzz.targets import answers, configuration, framings, hints, http, metadata, render

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (render, answers, framings, http, hints, configuration, metadata)
    for target in module.TARGETS
}
