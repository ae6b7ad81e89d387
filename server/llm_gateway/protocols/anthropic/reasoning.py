"""Thinking, effort and sampling of Claude models, wherever they are served."""

from __future__ import annotations

from typing import Any

from llmgateway.v1 import gateway_pb2

from llm_gateway.protocols import effort
from llm_gateway.protocols.anthropic.rules import UNKNOWN, Rules
from llm_gateway.protocols.wire import Rendering

MIN_BUDGET = 1_024


def reasoning(
    rendering: Rendering, rules: Rules, max_tokens: int, *, forced: bool = False, mid_turn: bool = False
) -> tuple[dict[str, Any] | None, str]:
    """(`thinking`, effort), None and "" for the model's defaults. forced: a tool must be called. mid_turn: the model continues a turn
    that it began without thinking.

    Asking for effort asks for thinking: it is turned on where a model does not think by default. Models without `effort` get a budget
    instead, and those without budgets an effort instead.
    """
    if not rendering.request.HasField("reasoning"):
        return None, ""
    config, notes = rendering.request.reasoning, rendering.notes
    level = effort.word(config)
    budget = config.budget_tokens if config.HasField("budget_tokens") else None
    if budget == 0 or (level == "none" and budget is None):
        return _no_thinking(rendering, rules)
    asked = level not in ("", "none")
    if not asked and budget is None:
        if rules.thinks and config.HasField("include_reasoning"):
            return {"type": "adaptive", "display": _display(config)}, ""
        return None, ""
    if not rules.thinking:
        notes.dropped("reasoning", "the model does not think")
        return None, ""
    reached = ""
    if asked and rules.effort:
        reached = nearest(level, rules.effort)
        if reached != level:
            notes.adjusted("reasoning.effort", f"the nearest of the model's levels, {reached}")
    if forced and not rules.thinks:
        notes.dropped("reasoning", "the model does not think when it must call a tool")
        return None, reached
    thinking: dict[str, Any]
    if budget is not None and budget > 0 and "enabled" in rules.thinking:
        thinking = _manual(rendering, budget, max_tokens, "reasoning.budget_tokens")
    elif "adaptive" in rules.thinking:
        thinking = {"type": "adaptive"}
        if budget is not None and budget > 0 and not asked and rules.effort:
            reached = nearest(effort.of_budget(budget, effort.BUDGETS), rules.effort)
            notes.adjusted("reasoning.budget_tokens", f"the model takes no budget: effort {reached}")
        if rules.thinks:
            thinking = {}
    else:
        wished = min(effort.BUDGETS[level if asked else "medium"], max(MIN_BUDGET, max_tokens * 3 // 4))
        thinking = _manual(rendering, wished, max_tokens, "reasoning.effort")
        if thinking and not reached:
            notes.emulated("reasoning.effort", f"a thinking budget of {thinking['budget_tokens']} tokens")
    if mid_turn and thinking.get("type") == "enabled" and rules is not UNKNOWN:
        if "adaptive" not in rules.thinking:
            notes.dropped(
                "reasoning", "the model does not begin to think within a turn that was begun without thinking"
            )
            return None, reached
        thinking = {"type": "adaptive"}
        notes.adjusted("reasoning.budget_tokens", "adaptive thinking: the turn was begun without thinking")
    if config.HasField("include_reasoning") and (thinking or rules.thinks):
        thinking = {**(thinking or {"type": "adaptive"}), "display": _display(config)}
    return thinking or None, reached


def _no_thinking(rendering: Rendering, rules: Rules) -> tuple[dict[str, Any] | None, str]:
    for off in ("disabled", "between_tools"):
        if off in rules.thinking:
            return {"type": off}, ""
    if rules.thinks and rules.effort:
        rendering.notes.adjusted("reasoning.effort", f"the model always thinks: effort {rules.effort[0]}")
        return None, rules.effort[0]
    return None, ""


def _manual(rendering: Rendering, budget: int, max_tokens: int, field: str) -> dict[str, Any]:
    """Thinking with a budget, which must be at least 1024 and less than max_tokens; {} when that is impossible."""
    fitting = min(max(budget, MIN_BUDGET), max_tokens - 1)
    if fitting < MIN_BUDGET:
        rendering.notes.dropped(field, f"max_output_tokens leaves less than {MIN_BUDGET} tokens to think")
        return {}
    if fitting != budget:
        rendering.notes.adjusted(field, f"a budget of {fitting} tokens")
    return {"type": "enabled", "budget_tokens": fitting}


def _display(config: gateway_pb2.ReasoningConfig) -> str:
    return "summarized" if config.include_reasoning else "omitted"


def wished_effort(config: gateway_pb2.ReasoningConfig) -> str:
    """The level asked for, by name or by a budget, for models that take levels only: "none" to "max", "" when nothing was asked for."""
    if config.HasField("budget_tokens") and config.budget_tokens >= 0:
        return effort.of_budget(config.budget_tokens, effort.BUDGETS) if config.budget_tokens else "none"
    return effort.word(config)


def nearest(level: str, taken: tuple[str, ...]) -> str:
    """The nearest level that is taken; of two as near the weaker."""
    return effort.nearest(level, taken, ties=-1)


def sampling(rendering: Rendering, rules: Rules, thinking: dict[str, Any] | None) -> dict[str, Any]:
    """temperature, top_p and top_k as far as the model takes them."""
    config, notes = rendering.request.generation_config, rendering.notes
    found = {name: getattr(config, name) for name in ("temperature", "top_p", "top_k") if config.HasField(name)}
    if not found:
        return found
    if not rules.sampling:
        for name, value in found.items():
            if name == "top_k" or value != 1:  # 1 is the default, and nothing is lost
                notes.dropped(f"generation_config.{name}", "the model takes no sampling parameters")
        return {}
    if thinking and thinking["type"] in ("enabled", "adaptive"):
        fixed = {"temperature": found.get("temperature") == 1, "top_p": found.get("top_p", 0) >= 0.95}
        for name in [name for name in found if not fixed.get(name)]:
            del found[name]
            notes.dropped(f"generation_config.{name}", "the model takes no sampling parameters while it thinks")
    if rules.one_of_two and "temperature" in found and "top_p" in found:
        del found["top_p"]
        notes.dropped("generation_config.top_p", "the model takes temperature or top_p, not both")
    if found.get("temperature", 0) > 1:
        found["temperature"] = 1.0
        notes.adjusted("generation_config.temperature", "1, the highest that the model takes")
    return found
