"""The llama.cpp server that integration tests use speaks what the vendors' own clients understand."""

import anthropic
import openai

from tests.support.llama import MODEL, WORDS, Llama
from tests.support.waiting import eventually_blocking

HELLO = "Hello, \u4e16\u754c!"  # outside the vocabulary: spelt in byte tokens


def test_the_openai_client_reads_answers_and_streams(llama: Llama) -> None:
    """Chat Completions, whole and streamed: words, the token limit as finish reason, usage."""
    with openai.OpenAI(base_url=f"{llama.url}/v1", api_key="none", max_retries=0) as client:
        answer = client.chat.completions.create(
            model=MODEL, max_tokens=9, messages=[{"role": "user", "content": HELLO}]
        )
        assert set((answer.choices[0].message.content or "").split()) <= set(WORDS)
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 9
        chunks = list(
            client.chat.completions.create(
                model=MODEL,
                max_tokens=9,
                messages=[{"role": "user", "content": HELLO}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len(text.split()) == 9
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens > len(HELLO)


def test_the_anthropic_client_reads_answers_and_streams(llama: Llama) -> None:
    """Messages, whole and streamed: one text block of words, stop reason, usage."""
    with anthropic.Anthropic(base_url=llama.url, api_key="none", max_retries=0) as client:
        answer = client.messages.create(model=MODEL, max_tokens=9, messages=[{"role": "user", "content": HELLO}])
        assert answer.stop_reason == "max_tokens"
        assert answer.usage.output_tokens == 9
        (block,) = answer.content
        assert block.type == "text"
        assert set(block.text.split()) <= set(WORDS)
        with client.messages.stream(model=MODEL, max_tokens=9, messages=[{"role": "user", "content": HELLO}]) as stream:
            assert len("".join(stream.text_stream).split()) == 9
            assert stream.get_final_message().stop_reason == "max_tokens"


def test_a_closed_stream_frees_its_slot(llama: Llama) -> None:
    """A client that leaves in the middle is noticed by the server long before the token limit."""
    with openai.OpenAI(base_url=f"{llama.url}/v1", api_key="none", max_retries=0) as client:
        stream = client.chat.completions.create(
            model=MODEL, max_tokens=60_000, messages=[{"role": "user", "content": HELLO}], stream=True
        )
        next(stream)
        assert llama.busy() == 1
        stream.close()
        eventually_blocking(lambda: not llama.busy(), "the server's slot is free")
