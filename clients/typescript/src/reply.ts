import { create } from "@bufbuild/protobuf";

import { type Message, MessageSchema, Role, type ToolCall } from "./gen/llmgateway/v1/content_pb.js";
import type { SendResponse } from "./gen/llmgateway/v1/gateway_pb.js";

/** An answer with every candidate, part, warning and attempt, and a view of its first candidate. */
export class Reply {
  constructor(readonly response: SendResponse) {}

  /** The model's turn; put it into the next conversation as it is, signatures included. */
  get message(): Message {
    return this.response.candidates[0]?.message ?? create(MessageSchema, { role: Role.ASSISTANT });
  }

  /** The text of the first candidate; empty when it is a refusal or only calls tools. */
  get text(): string {
    return this.message.parts.map(({ kind }) => (kind.case === "text" ? kind.value.text : "")).join("");
  }

  /** What the model said when it declined to answer; else empty. */
  get refusal(): string {
    return this.message.parts.map(({ kind }) => (kind.case === "refusal" ? kind.value.text : "")).join("");
  }

  /** The tools that the model wants the caller to run. */
  get toolCalls(): ToolCall[] {
    return this.message.parts.flatMap(({ kind }) =>
      kind.case === "toolCall" && !kind.value.providerExecuted ? [kind.value] : [],
    );
  }
}
