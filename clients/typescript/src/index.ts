/** The client of LLMGateway for Node.js, over gRPC. */
import type { SecureClientSessionOptions } from "node:http2";

import type { Interceptor, Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

import { DEFAULT_TIMEOUT_MS, Gateway, type GatewayOptions } from "./gateway.js";

export { Accumulator } from "./accumulator.js";
export { type FieldViolation, GatewayError, type StatusCode, StreamTruncated } from "./errors.js";
export { type CallOptions, type ChatOptions, DEFAULT_TIMEOUT_MS, Gateway, type GatewayOptions, type ModelList, type Turn } from "./gateway.js";
export { Reply } from "./reply.js";
export { Stream } from "./stream.js";

export const DEFAULT_ADDRESS = "127.0.0.1:50051";

/** Where the administration of a gateway listens by default. */
export const DEFAULT_ADMIN_ADDRESS = "127.0.0.1:50052";

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
  /**
   * The connection with this client's key and metadata, for `createClient` of other services: those of `@llmgateway/client/admin`, where this client
   * was made for DEFAULT_ADMIN_ADDRESS and has a key of the administration. Failures are Connect's; `GatewayError.from` reads them.
   */
  readonly transport: Transport;

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
    const settings = {
      baseUrl,
      sessionManager: sessions,
      readMaxBytes: MAX_RECEIVE_BYTES,
      writeMaxBytes: MAX_RECEIVE_BYTES, // a gateway says by name and size what is too large for it up to here
    };
    super(createGrpcTransport(settings), baseUrl, options);
    this.#sessions = sessions;
    const added: Interceptor = (next) => (request) => {
      const headers = { ...options.propagate?.(), ...(options.apiKey ? { authorization: `Bearer ${options.apiKey}` } : {}) };
      for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
      return next(request);
    };
    this.transport = createGrpcTransport({ ...settings, interceptors: [added], defaultTimeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS });
  }

  /** Close the connection; calls in flight are cancelled. */
  close(): void {
    this.#sessions.abort();
  }
}
