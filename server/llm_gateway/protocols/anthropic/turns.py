"""A conversation as Claude takes it, in the Messages API and in Converse: system text first, then turns of alternating roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmgateway.v1 import content_pb2

from llm_gateway.protocols.anthropic.rules import Rules
from llm_gateway.protocols.callids import CallIds
from llm_gateway.protocols.conversation import Conversation
from llm_gateway.protocols.wire import Rendering, refuse

Block = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Turn:
    """Consecutive messages of one role, being merged. options: the callers' options for their wire form."""

    role: str
    content: list[Block]
    options: list[Mapping[str, str]] = field(default_factory=list)

    def wire(self, rendering: Rendering) -> dict[str, Any]:
        """The wire form, with the options merged last."""
        wire: dict[str, Any] = {"role": self.role, "content": self.content}
        for options in self.options:
            wire = rendering.merged(wire, options)
        return wire


class Turns(Conversation):
    """Gathers the messages of one request. rules: what the model takes. call_id: pattern of ids of calls."""

    names_kind = frozenset({"tool_call", "reasoning", "opaque"})
    cites = True
    call_id = ""

    def __init__(self, rendering: Rendering, rules: Rules) -> None:
        super().__init__(rendering)
        self.rules = rules
        self.call_ids = CallIds(self.call_id)
        self.system: list[Block] = []
        self.turns: list[Turn] = []

    def blocks(self, message: content_pb2.Message) -> list[Block]:
        """The parts of a message."""
        raise NotImplementedError

    def is_call(self, block: Block) -> bool:
        """Whether a block waits for a tool's result, which nothing may come before."""
        raise NotImplementedError

    def is_thought(self, block: Block) -> bool:
        """Whether a block holds reasoning."""
        raise NotImplementedError

    def gather(self) -> None:
        """Fill `system` and `turns`. Raises InvalidRequest for a conversation without content, and for a prefill that the model cannot
        continue."""
        self.walk()
        _trim_prefill(self.turns)
        end_with_more_than_thoughts(self.rendering, self.turns, self.is_thought)
        if not self.turns:
            refuse("messages", "At least one message of the user needs content.", "REQUIRED")

    def message(self, message: content_pb2.Message) -> None:
        turns, path = self.turns, f"messages[{self.index}]"
        if message.prefix and not self.rules.prefill and self.index == len(self.rendering.request.messages) - 1:
            refuse(f"{path}.prefix", "The model continues no prefilled answer.")
        content = self.blocks(message)
        if not content:
            return
        role = "assistant" if self.assistant else "user"
        if message.role in (content_pb2.ROLE_SYSTEM, content_pb2.ROLE_DEVELOPER):
            if not turns:
                self.system += content
                return
            begun = turns[-1].role == "assistant" and any(map(self.is_call, turns[-1].content))
            if self.rules.system_turns and not begun:
                role = "system"
            else:
                told = "sent as user text: the model takes system messages only at the start"
                self.notes.emulated(f"{path}.role", told)
        if not turns or turns[-1].role != role:
            turns.append(Turn(role=role, content=content))
        else:
            turns[-1].content += content
        if message.provider_options_json and self.own_objects:
            turns[-1].options.append(message.provider_options_json)
            self.placed = True

    # ------------------------------------------------------------ parts
    def sign(self, part: content_pb2.Part, kind: str, wire: Block | None) -> bool:
        return kind == "reasoning" and not part.reasoning.encrypted

    def own(self, part: content_pb2.Part) -> bool:
        """Whether reasoning is this provider's; warns when it does not say whose it is."""
        if self.rendering.owns(part.signature_provider):
            return True
        self.left_out("reasoning", "It does not say which provider signed it.")
        return False


def end_with_more_than_thoughts(rendering: Rendering, turns: list[Turn], is_thought: Callable[[Block], bool]) -> None:
    """Leave out thoughts at the end of a turn of the model, such as those of an answer that was cut while it was thinking: Claude
    refuses a turn whose last block is one."""
    if not any(turn.role == "assistant" and is_thought(turn.content[-1]) for turn in turns):
        return
    rendering.notes.dropped("messages", "thoughts that nothing follows in a turn of the model cannot be sent back")
    for turn in turns:
        if turn.role == "assistant":
            while turn.content and is_thought(turn.content[-1]):
                turn.content.pop()
    join(turns)


def join(turns: list[Turn]) -> None:
    """Leave out turns without content, and merge their neighbours if they are of one role."""
    kept: list[Turn] = []
    for turn in turns:
        if kept and turn.content and kept[-1].role == turn.role:
            kept[-1].content += turn.content
            kept[-1].options += turn.options
        elif turn.content:
            kept.append(turn)
    turns[:] = kept


def goes_on_without_thought(
    turns: list[Turn], is_thought: Callable[[Block], bool], is_result: Callable[[Block], bool]
) -> bool:
    """Whether the model continues a turn (a tool loop or a prefill) that does not begin with a thought, because another model began it,
    or this one without thinking. Manual thinking is refused then (guide to extended thinking, tool use)."""
    begin: Turn | None = None
    for turn in reversed(turns):
        if turn.role == "assistant":
            begin = turn
        elif turn.role == "user" and not any(map(is_result, turn.content)):
            break
    return begin is not None and not is_thought(begin.content[0])


def begin_with_user(rendering: Rendering, turns: list[Turn], placeholder: Block) -> None:
    """Insert a user's turn before a conversation that the model begins, which Claude and Converse refuse."""
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
