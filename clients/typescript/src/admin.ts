/** The services, messages and enums of llmgateway.admin.v1, generated. */
export * from "./gen/llmgateway/admin/v1/audit_pb.js";
export * from "./gen/llmgateway/admin/v1/config_pb.js";
export * from "./gen/llmgateway/admin/v1/key_pb.js";
export * from "./gen/llmgateway/admin/v1/provider_pb.js";
export * from "./gen/llmgateway/admin/v1/role_pb.js";
export * from "./gen/llmgateway/admin/v1/route_pb.js";
export * from "./gen/llmgateway/admin/v1/settings_pb.js";
