"""A real llama.cpp server for tests: a random-weight model of half a megabyte, written here, behind llama.cpp's own HTTP server.

`python -m tests.support.llama MODEL` serves MODEL on an ephemeral loopback port, prints the base URL, and ends with its standard input.
The server speaks `/v1/chat/completions`, `/v1/messages` and `/v1/responses`, whole and streamed; `/slots` tells which requests it works on.
"""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WORDS = ("a", "bright", "carries", "gate", "light", "one", "opens", "river", "slow", "stone", "the", "way", "wind")
MODEL = "tiny"
CONTEXT = 65_536  # tokens; a stream that nobody cancels lasts for many seconds
SLOTS = 4
_EMBEDDING, _FEED_FORWARD, _HEADS, _LAYERS = 64, 128, 4, 2
_CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Llama:
    """A running server."""

    url: str  # scheme, host and port, without a path
    process: "subprocess.Popen[str]"

    def slots(self) -> list[dict[str, object]]:
        """The server's work places, each with `is_processing` (llama.cpp server README, `GET /slots`)."""
        with urllib.request.urlopen(f"{self.url}/slots", timeout=60) as reply:
            slots: list[dict[str, object]] = json.load(reply)
        return slots

    def busy(self) -> int:
        """How many requests the server is generating for right now."""
        return sum(bool(slot["is_processing"]) for slot in self.slots())


def write_model(path: Path) -> None:
    """Write a llama-architecture GGUF with fixed random weights.

    The vocabulary is SentencePiece's: special tokens, all bytes (so any prompt and any JSON grammar can be spelt), printable ASCII, words.
    Dimension 0 of the residual stream is constant, which turns column 0 of the output matrix into a bias per token: words are likely,
    everything else (the end token too) is not, so an answer is words up to the token limit.
    """
    import gguf
    import numpy as np

    kind = gguf.TokenType
    vocabulary = [("<unk>", kind.UNKNOWN), *((s, kind.CONTROL) for s in ("<s>", "</s>", "<|im_start|>", "<|im_end|>"))]
    end = len(vocabulary) - 1
    vocabulary += [(f"<0x{byte:02X}>", kind.BYTE) for byte in range(256)]
    vocabulary += [(chr(code), kind.NORMAL) for code in range(0x21, 0x7F)]
    vocabulary += [("\u2581", kind.NORMAL), *(("\u2581" + word, kind.NORMAL) for word in WORDS)]

    model = gguf.GGUFWriter(path, "llama")
    model.add_name(MODEL)
    model.add_context_length(CONTEXT)
    model.add_embedding_length(_EMBEDDING)
    model.add_block_count(_LAYERS)
    model.add_feed_forward_length(_FEED_FORWARD)
    model.add_head_count(_HEADS)
    model.add_head_count_kv(_HEADS)
    model.add_layer_norm_rms_eps(1e-5)
    model.add_rope_dimension_count(_EMBEDDING // _HEADS)
    model.add_vocab_size(len(vocabulary))
    model.add_tokenizer_model("llama")
    model.add_token_list([piece for piece, _ in vocabulary])
    model.add_token_scores(
        [-float(rank) if type_ == kind.NORMAL else 0.0 for rank, (_, type_) in enumerate(vocabulary)]
    )
    model.add_token_types([int(type_) for _, type_ in vocabulary])
    model.add_bos_token_id(1)
    model.add_eos_token_id(end)
    model.add_unk_token_id(0)
    model.add_add_bos_token(True)
    model.add_add_space_prefix(False)
    model.add_chat_template(_CHAT_TEMPLATE)

    random = np.random.default_rng(7)

    def weights(rows: int, columns: int, scale: float = 0.1) -> "np.ndarray":
        return (random.standard_normal((rows, columns)) * scale).astype(np.float32)

    ones = np.ones(_EMBEDDING, np.float32)
    embedding = weights(len(vocabulary), _EMBEDDING, 1.0)
    embedding[:, 0] = 4.0
    output = weights(len(vocabulary), _EMBEDDING)
    output[:, 0] = -8.0
    output[-len(WORDS) :, 0] = 2.0
    model.add_tensor("token_embd.weight", embedding)
    model.add_tensor("output.weight", output)
    model.add_tensor("output_norm.weight", ones)
    for layer in range(_LAYERS):
        block = f"blk.{layer}."
        model.add_tensor(block + "attn_norm.weight", ones)
        model.add_tensor(block + "ffn_norm.weight", ones)
        for name in ("attn_q", "attn_k", "attn_v"):
            model.add_tensor(f"{block}{name}.weight", weights(_EMBEDDING, _EMBEDDING))
        model.add_tensor(block + "ffn_gate.weight", weights(_FEED_FORWARD, _EMBEDDING))
        model.add_tensor(block + "ffn_up.weight", weights(_FEED_FORWARD, _EMBEDDING))
        for name, width in (("attn_output", _EMBEDDING), ("ffn_down", _FEED_FORWARD)):
            into_residual = weights(_EMBEDDING, width)
            into_residual[0] = 0.0
            model.add_tensor(f"{block}{name}.weight", into_residual)
    model.write_header_to_file()
    model.write_kv_data_to_file()
    model.write_tensors_to_file()
    model.close()


@contextmanager
def running(folder: Path) -> Iterator[Llama]:
    """A server in a process of its own, with a model written to `folder`; it ends with the block, and with this process."""
    path = folder / f"{MODEL}.gguf"
    write_model(path)
    with (
        (folder / "llama.log").open("w+") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.llama", path],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            if not url:
                log.seek(0)
                raise RuntimeError(f"llama.cpp did not start:\n{log.read()[-2000:]}")
            yield Llama(url=url, process=server)
        finally:
            server.stdin.close()
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()


def serve(path: str) -> None:
    """Serve the model until standard input ends."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.model_alias = {MODEL}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.ui = False
    parameters.warmup = False
    parameters.n_ctx = CONTEXT * SLOTS
    parameters.n_parallel = SLOTS
    parameters.cpuparams.n_threads = 1
    parameters.endpoint_slots = True
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    serve(sys.argv[1])
