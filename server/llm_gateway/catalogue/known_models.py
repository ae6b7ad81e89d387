"""What we know of models that their providers' endpoints do not report, by families of names. Kept by hand, from the providers'
documentation.

A family is a prefix of model ids, so that dated ids belong to it; the longest match counts. What no family says is unknown, and unknown
excludes nothing. The facts are those of the provider's own API: the same weights elsewhere may support less.
"""

from __future__ import annotations

import re
from dataclasses import replace

from llm_gateway.providers.plugins import row
from llm_gateway.providers.rows import KnownModel

_PATH = re.compile(r"^(models/|publishers/[^/]+/models/|(arn:.*/)?([a-z-]+\.)?anthropic\.)")
"""What stands before a model's own name at Gemini, Vertex and Bedrock."""
_OTHER_TRADES = re.compile(
    r"(^|[-_.])(audio|chat|computer|cyber|embed\w*|image|live|moderation|ocr|realtime|robotics|rosalind|search|transcribe|tts)\b"
)


_NO_CHAT = re.compile(
    r"(^|[-_./:])(\w*embed\w*|rerank\w*|whisper|tts|transcribe|transcription|moderation|dall-e|(chat)?gpt-image|imagen|imagegeneration|veo"
    r"|sora|lyria|chirp|ocr|realtime|speech|guard|bge|e5|gte|all-minilm|native-audio|titan-image|stable-\w+|flux|nova-(canvas|reel|sonic)"
    r"|(babbage|davinci)-\d+|turbo-instruct|grok-(imagine|[\d.]+-image)|gemini-([\w.]+-)*live)(?![a-z])",
    re.IGNORECASE,
)


def chats(model: str) -> bool:
    """Whether a model may be a chat model, by its name; false for those that embed, rank, speak or draw."""
    return _NO_CHAT.search(model) is None


def find(kind: str, model: str) -> KnownModel | None:
    """What is known of a model by its id, if anything. A model for another purpose (speech, images, search) does not belong to the
    family."""
    families = row(kind).known
    name = _PATH.sub("", model.lower())
    found = max((family for family in families if name.startswith(family)), key=len, default="")
    rest = name[len(found) :]
    if not found or _OTHER_TRADES.search(rest):
        return None
    known = families[found]
    if "non-reasoning" in rest:
        return replace(known, can=known.can - {"reasoning"}, cannot=known.cannot | {"reasoning"})
    return known
