"""Attribute names: OpenTelemetry's RPC and GenAI conventions (the latter still "development"). They are all here, because they change."""

from __future__ import annotations

from collections.abc import Mapping

SCOPE = "llm_gateway"
RPC_SYSTEM = "rpc.system.name"
RPC_METHOD = "rpc.method"
RPC_STATUS = "rpc.status_code"
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
PEER_ADDRESS = "network.peer.address"
PEER_PORT = "network.peer.port"
HTTP_STATUS = "http.response.status_code"
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
REASONING_LEVEL = "gen_ai.request.reasoning.level"
OUTPUT_TYPE = "gen_ai.output.type"
CONVERSATION = "gen_ai.conversation.id"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_write.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
ATTEMPT = "llmgateway.attempt.number"
ATTEMPT_KIND = "llmgateway.attempt.kind"
ATTEMPTS = "llmgateway.attempts"
ROUTE = "llmgateway.route.name"
EXCLUDED = "llmgateway.route.excluded"
DEPLOYMENT = "llmgateway.deployment"
FALLBACK_FROM = "llmgateway.fallback.from"
EXPERIMENT = "llmgateway.experiment"
EXPERIMENT_ARM = "llmgateway.experiment.arm"
COST = "llmgateway.cost.nano_usd"
PROVIDER_COST = "llmgateway.provider_cost.nano_usd"
REQUEST_ID = "llmgateway.request.id"
SERVED_PROVIDER = "llmgateway.served.provider"
SERVED_MODEL = "llmgateway.served.model"
PREVIOUS_ATTEMPTS = "llmgateway.grpc.previous_attempts"

SAMPLING: Mapping[str, str] = {
    "max_output_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "candidate_count": "gen_ai.request.choice.count",
}
"""Attribute by field of GenerationConfig. Stop sequences are the caller's texts and have none."""
