/** The client of LLMGateway for browsers, over gRPC-Web; a proxy such as Envoy translates it. */
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { Gateway, type GatewayOptions } from "./gateway.js";

export { Accumulator } from "./accumulator.js";
export { type FieldViolation, GatewayError, type StatusCode, StreamTruncated } from "./errors.js";
export { type CallOptions, type ChatOptions, DEFAULT_TIMEOUT_MS, Gateway, type GatewayOptions, type ModelList, type Turn } from "./gateway.js";
export { Reply } from "./reply.js";
export { Stream } from "./stream.js";

/** A gateway behind a gRPC-Web proxy at an http or https URL. */
export class WebClient extends Gateway {
  /** @throws TypeError for settings that contradict each other. */
  constructor(url: string, options: GatewayOptions = {}) {
    super(createGrpcWebTransport({ baseUrl: url }), url, options);
  }
}
