/**
 * Client of LLMGateway: {@link io.llmgateway.client.LlmGatewayClient}. The messages are in {@code io.llmgateway.v1}.
 */
package io.llmgateway.client;
