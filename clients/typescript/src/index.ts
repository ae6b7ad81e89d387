/** The client of LLMGateway for Node.js, over gRPC. */
import type { SecureClientSessionOptions } from "node:http2";

import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

import { Gateway, type GatewayOptions } from "./gateway.js";

export { Accumulator } from "./accumulator.js";
export { type FieldViolation, GatewayError, type StatusCode, StreamTruncated } from "./errors.js";
export { type CallOptions, type ChatOptions, DEFAULT_TIMEOUT_MS, Gateway, type GatewayOptions, type ModelList, type Turn } from "./gateway.js";
export { Reply } from "./reply.js";
export { Stream } from "./stream.js";

export const DEFAULT_ADDRESS = "127.0.0.1:50051";

/** Size of the largest message that is received; images come inline. */
const MAX_RECEIVE_BYTES = 64 * 1024 * 1024;

/** Settings of the client for Node.js. */
export interface ClientOptions extends GatewayOptions {
  /** True for TLS with the default trust; options of `node:tls`, such as `ca`, `cert` and `key`, for the rest. */
  readonly tls?: boolean | SecureClientSessionOptions;
}

/** A gateway at `host:port`. Its connection opens with the first call; close it, or the process waits for it. */
export class Client extends Gateway {
  readonly #sessions: Http2SessionManager;

  /** @throws TypeError for settings that contradict each other. */
  constructor(address: string = DEFAULT_ADDRESS, options: ClientOptions = {}) {
    const { tls } = options;
    const baseUrl = `${tls ? "https" : "http"}://${address}`;
    // A model may think for minutes without a byte; pings find a dead path meanwhile.
    const sessions = new Http2SessionManager(
      baseUrl,
      { pingIntervalMs: 60_000, pingTimeoutMs: 20_000 },
      typeof tls === "object" ? tls : undefined,
    );
    const transport = createGrpcTransport({
      baseUrl,
      sessionManager: sessions,
      readMaxBytes: MAX_RECEIVE_BYTES,
      writeMaxBytes: MAX_RECEIVE_BYTES, // a gateway says by name and size what is too large for it up to here
    });
    super(transport, baseUrl, options);
    this.#sessions = sessions;
  }

  /** Close the connection; calls in flight are cancelled. */
  close(): void {
    this.#sessions.abort();
  }
}
