/** The messages and enums of llmgateway.v1, generated. */
export * from "./gen/llmgateway/v1/content_pb.js";
export * from "./gen/llmgateway/v1/error_pb.js";
export * from "./gen/llmgateway/v1/gateway_pb.js";
export * from "./gen/llmgateway/v1/health_pb.js";
export * from "./gen/llmgateway/v1/model_pb.js";
export * from "./gen/llmgateway/v1/usage_pb.js";
