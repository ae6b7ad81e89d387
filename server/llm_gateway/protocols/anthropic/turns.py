"""A conversation as Claude takes it, in the Messages API and in Converse: system text first, then turns of alternating roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmgateway.v1 import content_pb2

from llm_gateway.errors import InvalidRequest, Violation
from llm_gateway.protocols.anthropic.rules import Rules
from llm_gateway.protocols.wire import Rendering

Block = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Turn:
    """Messages of one role that follow each other, being put together. options: the callers' options for their wire form."""

    role: str
    content: list[Block]
    options: list[Mapping[str, str]] = field(default_factory=list)

    def wire(self, rendering: Rendering) -> dict[str, Any]:
        """The wire form, with the options merged last."""
        wire: dict[str, Any] = {"role": self.role, "content": self.content}
        for options in self.options:
            wire = rendering.merged(wire, options)
        return wire


def gather(
    rendering: Rendering,
    rules: Rules,
    blocks: Callable[[content_pb2.Message, str], list[Block]],
    is_call: Callable[[Block], bool],
    is_thought: Callable[[Block], bool],
) -> tuple[list[Block], list[Turn]]:
    """(system blocks, turns). blocks: renders the parts of a message, given the path of their field. is_call: whether a block waits
    for a tool result, which nothing may come before. is_thought: whether it holds reasoning.

    Raises InvalidRequest for a conversation without content, and for a prefill that the model does not continue.
    """
    system: list[Block] = []
    turns: list[Turn] = []
    messages = rendering.request.messages
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        if message.name:
            rendering.notes.dropped(f"{path}.name", "there are no participant names")
        if message.prefix and index == len(messages) - 1 and not rules.prefill:
            raise InvalidRequest(
                violations=[Violation(field=f"{path}.prefix", description="The model continues no prefilled answer.")]
            )
        content = blocks(message, f"{path}.parts")
        if not content:
            continue
        role = "assistant" if message.role == content_pb2.ROLE_ASSISTANT else "user"
        if message.role in (content_pb2.ROLE_SYSTEM, content_pb2.ROLE_DEVELOPER):
            if not turns:
                system += content
                continue
            begun = turns[-1].role == "assistant" and any(map(is_call, turns[-1].content))
            if rules.system_turns and not begun:
                role = "system"
            else:
                rendering.notes.emulated(
                    f"{path}.role", "sent as user text: the model takes system messages only at the start"
                )
        if not turns or turns[-1].role != role:
            turns.append(Turn(role=role, content=content))
        else:
            turns[-1].content += content
        if message.provider_options_json:
            turns[-1].options.append(message.provider_options_json)
    _trim_prefill(turns)
    end_with_more_than_thoughts(rendering, turns, is_thought)
    if not turns:
        missing = "At least one message of the user needs content."
        raise InvalidRequest(violations=[Violation(field="messages", description=missing, reason="REQUIRED")])
    return system, turns


def end_with_more_than_thoughts(rendering: Rendering, turns: list[Turn], is_thought: Callable[[Block], bool]) -> None:
    """Leave out thoughts that end a turn of the model, such as those of an answer that was cut while it thought: Claude refuses a turn
    whose last block is one."""
    if not any(turn.role == "assistant" and is_thought(turn.content[-1]) for turn in turns):
        return
    rendering.notes.dropped("messages", "thoughts that nothing follows in a turn of the model cannot be sent back")
    kept: list[Turn] = []
    for turn in turns:
        if turn.role == "assistant":
            while turn.content and is_thought(turn.content[-1]):
                turn.content.pop()
        if kept and turn.content and kept[-1].role == turn.role:
            kept[-1].content += turn.content
            kept[-1].options += turn.options
        elif turn.content:
            kept.append(turn)
    turns[:] = kept


def goes_on_without_thought(
    turns: list[Turn], is_thought: Callable[[Block], bool], is_result: Callable[[Block], bool]
) -> bool:
    """Whether the model goes on with a turn, a tool loop or a prefill, that does not begin with a thought: another model began it, or
    this one when it was not thinking. Manual thinking is refused then (guide to extended thinking, tool use)."""
    begin: Turn | None = None
    for turn in reversed(turns):
        if turn.role == "assistant":
            begin = turn
        elif turn.role == "user" and not any(map(is_result, turn.content)):
            break
    return begin is not None and not is_thought(begin.content[0])


def begin_with_user(rendering: Rendering, turns: list[Turn], placeholder: Block) -> None:
    """Put a turn of the user before a conversation that the model begins, which Claude and Converse refuse."""
    if turns[0].role == "assistant":
        turns.insert(0, Turn(role="user", content=[placeholder]))
        rendering.notes.emulated("messages", "a turn of the user was put first: the model may not begin")


def _trim_prefill(turns: list[Turn]) -> None:
    """Claude refuses a last assistant turn that ends in white space."""
    if not turns or turns[-1].role != "assistant":
        return
    content = turns[-1].content
    if isinstance(content[-1].get("text"), str):
        content[-1]["text"] = content[-1]["text"].rstrip()
        if not content[-1]["text"]:
            content.pop()
        if not content:
            turns.pop()
