import { clone, create } from "@bufbuild/protobuf";

import {
  type MediaPart,
  MediaPartSchema,
  type Part,
  PartSchema,
  ReasoningPartSchema,
  Role,
  type TextPart,
  TextPartSchema,
  ToolCallSchema,
} from "./gen/llmgateway/v1/content_pb.js";
import {
  type Candidate,
  type CandidateCompleted,
  CandidateSchema,
  type PartCompleted,
  type PartDelta,
  RouteInfoSchema,
  type SendResponse,
  SendResponseSchema,
  type StreamCompleted,
  type StreamSendResponse,
  WarningSchema,
} from "./gen/llmgateway/v1/gateway_pb.js";
import { UsageSchema } from "./gen/llmgateway/v1/usage_pb.js";

/**
 * Folds the events of a stream, in order, into the response that `send` would have returned.
 *
 * Events of unknown kind, and deltas for parts that never started, are ignored: a newer gateway may send more than this client knows.
 */
export class Accumulator {
  readonly #response = create(SendResponseSchema);
  readonly #candidates = new Map<number, Candidate>();
  // Chunks of media, joined once: appending to bytes copies all of them each time. Strings are ropes.
  readonly #chunks = new Map<Part, Uint8Array[]>();
  #finished = false;

  /** Whether the `completed` event was seen. A stream that ends without it was cut. */
  get finished(): boolean {
    return this.#finished;
  }

  /** The answer so far; whole when `finished`. Later events may change it. */
  response(): SendResponse {
    for (const [part, chunks] of this.#chunks) {
      const media = mediaOf(part);
      const held = media.source.case === "data" ? [media.source.value, ...chunks] : chunks;
      media.source = { case: "data", value: joined(held) };
    }
    this.#chunks.clear();
    this.#response.candidates = [...this.#candidates.values()].sort((one, other) => one.index - other.index);
    return this.#response;
  }

  /** Fold one event. */
  add({ event }: StreamSendResponse): void {
    const response = this.#response;
    switch (event.case) {
      case "started":
        response.responseId = event.value.responseId;
        response.route = event.value.route && clone(RouteInfoSchema, event.value.route);
        if (event.value.createTime) response.createTime = event.value.createTime;
        break;
      case "partStarted": {
        const { parts } = messageOf(this.#candidate(event.value.candidateIndex));
        if (event.value.partIndex === parts.length) {
          parts.push(event.value.part ? clone(PartSchema, event.value.part) : create(PartSchema));
        }
        break;
      }
      case "partDelta":
        this.#delta(event.value);
        break;
      case "partCompleted":
        this.#partCompleted(event.value);
        break;
      case "candidateCompleted":
        this.#candidateCompleted(event.value);
        break;
      case "usage":
        response.usage = clone(UsageSchema, event.value);
        break;
      case "warning":
        response.warnings.push(clone(WarningSchema, event.value));
        break;
      case "completed":
        this.#completed(event.value);
        break;
    }
  }

  #candidate(index: number): Candidate {
    let candidate = this.#candidates.get(index);
    if (!candidate) {
      candidate = create(CandidateSchema, { index, message: { role: Role.ASSISTANT } });
      this.#candidates.set(index, candidate);
    }
    return candidate;
  }

  #part(candidate: number, index: number): Part | undefined {
    return messageOf(this.#candidate(candidate)).parts[index];
  }

  #delta({ candidateIndex, partIndex, delta, logprobs }: PartDelta): void {
    const part = this.#part(candidateIndex, partIndex);
    if (!part) return;
    switch (delta.case) {
      case "text": {
        const holder = part.kind.case === "reasoning" || part.kind.case === "refusal" ? part.kind.value : textOf(part);
        holder.text += delta.value;
        break;
      }
      case "argumentsJson": {
        if (part.kind.case !== "toolCall") part.kind = { case: "toolCall", value: create(ToolCallSchema) };
        part.kind.value.argumentsJson += delta.value;
        break;
      }
      case "data":
        this.#chunks.set(part, this.#chunks.get(part) ?? []);
        this.#chunks.get(part)?.push(delta.value);
        break;
      case "transcript":
        mediaOf(part).transcript += delta.value;
        break;
      case "citation":
        textOf(part).citations.push(delta.value);
        break;
    }
    const candidate = this.#candidate(candidateIndex);
    (part.kind.case === "refusal" ? candidate.refusalLogprobs : candidate.logprobs).push(...logprobs);
  }

  #partCompleted({ candidateIndex, partIndex, signature, signatureProvider, encrypted }: PartCompleted): void {
    const part = this.#part(candidateIndex, partIndex);
    if (!part) return;
    if (signature.length) part.signature = signature;
    if (signatureProvider) part.signatureProvider = signatureProvider;
    if (encrypted.length) {
      if (part.kind.case !== "reasoning") part.kind = { case: "reasoning", value: create(ReasoningPartSchema) };
      part.kind.value.encrypted = encrypted;
    }
  }

  #candidateCompleted(completed: CandidateCompleted): void {
    const candidate = this.#candidate(completed.candidateIndex);
    candidate.finishReason = completed.finishReason;
    candidate.providerFinishReason = completed.providerFinishReason;
    candidate.finishMessage = completed.finishMessage;
    candidate.stopSequence = completed.stopSequence;
    candidate.safetyRatings.push(...completed.safetyRatings);
    candidate.logprobs.push(...completed.logprobs);
    candidate.providerMetadataJson = completed.providerMetadataJson;
  }

  #completed({ usage, route, serviceTier, systemFingerprint, providerMetadataJson }: StreamCompleted): void {
    this.#finished = true;
    if (usage) this.#response.usage = clone(UsageSchema, usage);
    if (route) this.#response.route = clone(RouteInfoSchema, route);
    Object.assign(this.#response, { serviceTier, systemFingerprint, providerMetadataJson });
  }
}

function messageOf(candidate: Candidate): NonNullable<Candidate["message"]> {
  return candidate.message!; // every candidate is made with one
}

function textOf(part: Part): TextPart {
  if (part.kind.case !== "text") part.kind = { case: "text", value: create(TextPartSchema) };
  return part.kind.value;
}

function mediaOf(part: Part): MediaPart {
  if (part.kind.case !== "media") part.kind = { case: "media", value: create(MediaPartSchema) };
  return part.kind.value;
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
