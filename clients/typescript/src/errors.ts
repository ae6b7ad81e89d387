import { Code, ConnectError } from "@connectrpc/connect";
import type { Duration } from "@bufbuild/protobuf/wkt";

import { BadRequestSchema, ErrorInfoSchema, RequestInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { type ProviderFailure, ProviderFailureSchema } from "./gen/llmgateway/v1/error_pb.js";
import type { Attempt } from "./gen/llmgateway/v1/gateway_pb.js";

/** A gRPC status code as in google/rpc/code.proto. */
export type StatusCode =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

const CODES: Readonly<Record<Code, StatusCode>> = {
  [Code.Canceled]: "CANCELLED",
  [Code.Unknown]: "UNKNOWN",
  [Code.InvalidArgument]: "INVALID_ARGUMENT",
  [Code.DeadlineExceeded]: "DEADLINE_EXCEEDED",
  [Code.NotFound]: "NOT_FOUND",
  [Code.AlreadyExists]: "ALREADY_EXISTS",
  [Code.PermissionDenied]: "PERMISSION_DENIED",
  [Code.ResourceExhausted]: "RESOURCE_EXHAUSTED",
  [Code.FailedPrecondition]: "FAILED_PRECONDITION",
  [Code.Aborted]: "ABORTED",
  [Code.OutOfRange]: "OUT_OF_RANGE",
  [Code.Unimplemented]: "UNIMPLEMENTED",
  [Code.Internal]: "INTERNAL",
  [Code.Unavailable]: "UNAVAILABLE",
  [Code.DataLoss]: "DATA_LOSS",
  [Code.Unauthenticated]: "UNAUTHENTICATED",
};

// A new call would be billed beside the part of an answer that the caller holds, or would meet the same empty account.
const NOT_RETRYABLE: ReadonlySet<string> = new Set(["STREAM_INTERRUPTED", "PROVIDER_QUOTA_EXHAUSTED"]);
const RATE_LIMITED: ReadonlySet<string> = new Set(["PROVIDER_RATE_LIMITED", "GATEWAY_RATE_LIMITED"]);

/** One thing that is wrong with a request: the field's path, what is wrong for people, and UPPER_SNAKE_CASE for programs. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
  readonly reason: string;
}

/** What a failed call says: its status and what was unpacked of its google.rpc details. */
export interface Failure {
  readonly code: StatusCode;
  readonly reason?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly retryDelayMs?: number | undefined;
  readonly violations?: readonly FieldViolation[];
  readonly providerFailure?: ProviderFailure | undefined;
  readonly requestId?: string;
}

/**
 * A call failed. `message` is code, reason, the status message, and what the details say beyond it: fields at fault, who answered
 * what, what was tried, when to try again.
 */
export class GatewayError extends Error {
  override readonly name: string = "GatewayError";
  /** The status message alone. */
  readonly rawMessage: string;
  /** The gRPC status code. */
  readonly code: StatusCode;
  /** ErrorInfo.reason, such as PROVIDER_RATE_LIMITED; empty where the failure did not come from the gateway. */
  readonly reason: string;
  /** ErrorInfo.metadata, such as provider and model. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Milliseconds to wait before a new call; undefined where the server named no delay. */
  readonly retryDelayMs: number | undefined;
  /** What is wrong with which field of the request. */
  readonly violations: readonly FieldViolation[];
  /** What the last provider answered; undefined where none was asked. */
  readonly providerFailure: ProviderFailure | undefined;
  /** The gateway's id of the call; empty when it gave none. */
  readonly requestId: string;

  constructor(message: string, failure: Failure, options?: ErrorOptions) {
    super(`${failure.code}${failure.reason ? ` (${failure.reason})` : ""}: ${described(message, failure)}`, options);
    this.rawMessage = message;
    this.code = failure.code;
    this.reason = failure.reason ?? "";
    this.metadata = failure.metadata ?? {};
    this.retryDelayMs = failure.retryDelayMs;
    this.violations = failure.violations ?? [];
    this.providerFailure = failure.providerFailure;
    this.requestId = failure.requestId ?? "";
  }

  /** The provider calls that were made and the targets that were skipped, in order. */
  get attempts(): readonly Attempt[] {
    return this.providerFailure?.attempts ?? [];
  }

  /** Whether the same call, made again after `retryDelayMs`, may succeed. */
  get retryable(): boolean {
    if (NOT_RETRYABLE.has(this.reason)) return false;
    if (this.code === "RESOURCE_EXHAUSTED") return this.retryDelayMs !== undefined || RATE_LIMITED.has(this.reason);
    return this.code === "UNAVAILABLE";
  }

  /** The error of a failed call. Details of unknown types are left out. `signal`: the caller's, whose reason tells a deadline from the rest. */
  static from(failure: unknown, signal?: AbortSignal): GatewayError {
    if (failure instanceof GatewayError) return failure;
    const error = ConnectError.from(failure);
    const timedOut = signal?.aborted === true && (signal.reason as { name?: unknown } | undefined)?.name === "TimeoutError";
    const code = timedOut ? "DEADLINE_EXCEEDED" : signal?.aborted === true ? "CANCELLED" : (CODES[error.code] ?? "UNKNOWN");
    const [info] = error.findDetails(ErrorInfoSchema);
    const [retry] = error.findDetails(RetryInfoSchema);
    const [bad] = error.findDetails(BadRequestSchema);
    const [request] = error.findDetails(RequestInfoSchema);
    const [providerFailure] = error.findDetails(ProviderFailureSchema);
    const details = {
      code,
      reason: info?.reason ?? "",
      metadata: info?.metadata ?? {},
      retryDelayMs: retry && milliseconds(retry.retryDelay),
      violations: (bad?.fieldViolations ?? []).map(({ field, description, reason }) => ({ field, description, reason })),
      providerFailure,
      requestId: request?.requestId ?? error.metadata.get("x-request-id") ?? "",
    } as const;
    return new GatewayError(error.rawMessage, details, { cause: error });
  }
}

function described(message: string, failure: Failure): string {
  const clauses = [...fieldsAtFault(message, failure.violations ?? []), ...providersAnswer(message, failure.providerFailure)];
  if (failure.retryDelayMs) clauses.push(`try again in ${Math.ceil(failure.retryDelayMs / 100) / 10} s`);
  if (failure.code === "INTERNAL" && failure.requestId) clauses.push(`request id ${failure.requestId}`);
  return clauses.length ? [message.replace(/\.$/, ""), ...clauses].join("; ") : message;
}

function fieldsAtFault(message: string, violations: readonly FieldViolation[]): string[] {
  return violations
    .map(({ field, description }) => ({ field, wrong: description.replace(/\.$/, "") }))
    .filter(({ wrong }) => !message.includes(wrong))
    .map(({ field, wrong }) => `${field}: ${wrong}`);
}

function providersAnswer(message: string, failure: ProviderFailure | undefined): string[] {
  if (!failure) return [];
  const clauses = [];
  const unsaid = (words: string) => (message.includes(words) ? "" : words);
  const who = unsaid(target(failure));
  const status = failure.providerStatus ? unsaid(`HTTP ${failure.providerStatus}`) : "";
  const words = unsaid(failure.providerMessage);
  const answer = [status, words && `"${words}"`].filter(Boolean);
  if (answer.length) clauses.push([who || "the provider", "answered", ...answer].join(" "));
  else if (who) clauses.push(`at ${who}`);
  const failed = failure.attempts.filter(({ reason, skipReason }) => reason || skipReason);
  const tried = new Set(
    failed.map((one) => `${target(one)} (${one.skipReason ? `skipped: ${one.skipReason}` : one.reason})`),
  );
  if (tried.size > 1 && failed.some((one) => unsaid(target(one)))) clauses.push(`tried ${[...tried].join(", ")}`);
  return clauses;
}

function target({ provider, model }: { provider: string; model: string }): string {
  return model ? `${provider}/${model}` : provider;
}

function milliseconds(duration: Duration | undefined): number {
  return duration ? Number(duration.seconds) * 1000 + duration.nanos / 1e6 : 0;
}

/** A stream ended with status OK but without its `completed` event, so its answer is not whole. */
export class StreamTruncated extends GatewayError {
  override readonly name = "StreamTruncated";

  constructor() {
    super("the stream ended before the answer was whole", { code: "DATA_LOSS", reason: "STREAM_TRUNCATED" });
  }
}
