import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions as ConnectOptions, type Client as ConnectClient, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";

import { GatewayError } from "./errors.js";
import { type Message, type MessageSchema, Role } from "./gen/llmgateway/v1/content_pb.js";
import { LLMGateway, type SendRequestSchema, type SendResponse, type StreamSendRequestSchema, type StreamSendResponse } from "./gen/llmgateway/v1/gateway_pb.js";
import type { HealthRequestSchema, HealthResponse } from "./gen/llmgateway/v1/health_pb.js";
import type { ListModelsRequestSchema, Model } from "./gen/llmgateway/v1/model_pb.js";
import { Reply } from "./reply.js";
import { RetryPolicy, sleep } from "./retry.js";
import { Stream } from "./stream.js";

/** Deadline of a call that names none, in milliseconds. Long answers take minutes. */
export const DEFAULT_TIMEOUT_MS = 600_000;

/** Settings of a client, whatever its transport. */
export interface GatewayOptions {
  /** Sent as `authorization: Bearer`. Over plaintext it goes to this machine only, unless `insecure` allows more. */
  readonly apiKey?: string | undefined;
  /** Send the key over plaintext to another machine, on a network that you trust. */
  readonly insecure?: boolean;
  /** Deadline of each call in milliseconds; 0 is no deadline. */
  readonly timeoutMs?: number;
  /** Returns metadata to add to each call, such as `traceparent`; OpenTelemetry's `propagation.inject` fills such an object. */
  readonly propagate?: () => Readonly<Record<string, string>>;
}

/** Settings of one call. */
export interface CallOptions {
  /** Cancels the call; a signal of `AbortSignal.timeout` is a deadline. */
  readonly signal?: AbortSignal | undefined;
  /** Deadline in milliseconds, over the whole stream and all tries, in place of the client's own. */
  readonly timeoutMs?: number | undefined;
  /** Metadata to send along, keys in lower case. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What to ask by `chat`. */
export interface ChatOptions extends CallOptions {
  /** A route, `provider/model`, or a model; without it the gateway's default. */
  readonly model?: string;
  readonly systemPrompt?: string;
}

/** One turn: the user's words, or a message. */
export type Turn = string | Message | MessageInitShape<typeof MessageSchema>;

/** The models that the caller may use, and the ids of providers that did not answer. */
export interface ModelList {
  readonly models: Model[];
  readonly unreachable: string[];
}

/** The calls of a gateway over any transport of Connect that speaks gRPC or gRPC-Web. Every call fails with a GatewayError. */
export class Gateway {
  readonly #client: ConnectClient<typeof LLMGateway>;
  readonly #options: GatewayOptions;
  readonly #retries = new RetryPolicy();

  constructor(transport: Transport, address: string, options: GatewayOptions) {
    const { apiKey } = options;
    if (apiKey && !/^[\x20-\x7e]+$/.test(apiKey)) {
      throw new TypeError("the API key has a character that HTTP headers cannot carry");
    }
    const url = new URL(address);
    if (apiKey && url.protocol !== "https:" && !options.insecure && !isLocal(url.hostname)) {
      throw new TypeError(
        `refusing to send the API key in plaintext to ${url.host}: use TLS, or insecure: true on a network you trust`,
      );
    }
    this.#client = createClient(LLMGateway, transport);
    this.#options = options;
  }

  /** Ask, and wait for the whole answer. For sampling, tools and the rest, fill in a request for `send`. */
  async chat(turns: Turn | readonly Turn[], options: ChatOptions = {}): Promise<Reply> {
    return new Reply(await this.send({ model: options.model ?? "", messages: messages(turns, options.systemPrompt) }, options));
  }

  /** Ask, and read the answer as it comes. */
  streamChat(turns: Turn | readonly Turn[], options: ChatOptions = {}): Stream {
    return this.stream({ request: { model: options.model ?? "", messages: messages(turns, options.systemPrompt) } }, options);
  }

  /** The RPC Send: one inference, answered as a whole. */
  send(request: MessageInitShape<typeof SendRequestSchema>, options: CallOptions = {}): Promise<SendResponse> {
    return this.#call((settings) => this.#client.send(request, settings), options);
  }

  /** The RPC StreamSend: one inference, answered as events. The call starts, and fails, where the stream is read. */
  stream(request: MessageInitShape<typeof StreamSendRequestSchema>, options: CallOptions = {}): Stream {
    return new Stream((signal) => this.#events(request, { ...options, signal }), options.signal);
  }

  /** The models that the caller may use, of all pages. */
  async listModels(request: MessageInitShape<typeof ListModelsRequestSchema> = {}, options: CallOptions = {}): Promise<ModelList> {
    const models: Model[] = [];
    const unreachable = new Set<string>();
    let pageToken = "";
    do {
      const page = await this.#call((settings) => this.#client.listModels({ ...request, pageToken }, settings), options);
      models.push(...page.models);
      for (const name of page.unreachable) unreachable.add(name.replace(/^providers\//, ""));
      pageToken = page.nextPageToken;
    } while (pageToken);
    return { models, unreachable: [...unreachable] };
  }

  /** The RPC Health: the gateway and its providers in detail. */
  health(request: MessageInitShape<typeof HealthRequestSchema> = {}, options: CallOptions = {}): Promise<HealthResponse> {
    return this.#call((settings) => this.#client.health(request, settings), options);
  }

  async #call<T>(call: (settings: ConnectOptions) => Promise<T>, options: CallOptions): Promise<T> {
    const next = this.#settings(options);
    for (let tries = 1; ; tries++) {
      try {
        const answer = await call(next());
        this.#retries.succeeded();
        return answer;
      } catch (failure) {
        await this.#again(failure, tries, options.signal);
      }
    }
  }

  /** Events, tried again only until the first one: from then on the caller holds part of an answer. */
  async *#events(
    request: MessageInitShape<typeof StreamSendRequestSchema>,
    options: CallOptions,
  ): AsyncGenerator<StreamSendResponse, void, undefined> {
    const next = this.#settings(options);
    for (let tries = 1; ; tries++) {
      let begun = false;
      try {
        for await (const event of freed(this.#client.streamSend(request, next()), options.signal)) {
          if (!begun) this.#retries.succeeded();
          begun = true;
          yield event;
        }
        return;
      } catch (failure) {
        if (begun) throw failure;
        await this.#again(failure, tries, options.signal);
      }
    }
  }

  /** Wait until the next try is due; throws when there is none. */
  async #again(failure: unknown, tries: number, signal: AbortSignal | undefined): Promise<void> {
    const delay = signal?.aborted ? undefined : this.#retries.delay(failure, tries);
    if (delay === undefined) throw GatewayError.from(failure, signal);
    try {
      await sleep(delay, signal);
    } catch (aborted) {
      throw GatewayError.from(aborted, signal);
    }
  }

  /** The settings of each try: the same headers, and what is left of the deadline. */
  #settings({ signal, timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS, metadata }: CallOptions): () => ConnectOptions {
    const headers = { ...metadata, ...this.#options.propagate?.() };
    if (this.#options.apiKey) headers["authorization"] = `Bearer ${this.#options.apiKey}`;
    const end = Date.now() + timeoutMs;
    return () => {
      const settings: ConnectOptions = { headers };
      if (signal) settings.signal = signal;
      if (timeoutMs > 0) {
        settings.timeoutMs = end - Date.now();
        if (settings.timeoutMs <= 0) throw new ConnectError("the deadline was reached", Code.DeadlineExceeded);
      }
      return settings;
    };
  }
}

/** Connect drops the timer of a call's deadline where its iterator ends or fails; one that is left is asked once more, so that it fails. */
async function* freed<T>(events: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
  const iterator = events[Symbol.asyncIterator]();
  try {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  } finally {
    if (signal?.aborted) await iterator.next().catch(() => undefined);
  }
}

function messages(turns: Turn | readonly Turn[], systemPrompt: string | undefined): MessageInitShape<typeof MessageSchema>[] {
  const list = (Array.isArray(turns) ? turns : [turns]) as readonly Turn[];
  return [
    ...(systemPrompt ? [turn(Role.SYSTEM, systemPrompt)] : []),
    ...list.map((one) => (typeof one === "string" ? turn(Role.USER, one) : one)),
  ];
}

function turn(role: Role, text: string): MessageInitShape<typeof MessageSchema> {
  return { role, parts: [{ kind: { case: "text", value: { text } } }] };
}

function isLocal(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
