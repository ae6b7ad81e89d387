// The runner of the TypeScript client; README.md of the suite has the protocol.
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { Client, GatewayError, Reply, StreamTruncated } from "../../../../clients/typescript/dist/index.js";
import {
  AttemptSchema,
  SendRequestSchema,
  SendResponseSchema,
  StreamOptionsSchema,
} from "../../../../clients/typescript/dist/v1.js";
import { fromBinary, toBinary } from "../../../../clients/typescript/node_modules/@bufbuild/protobuf/dist/esm/index.js";

const decoded = (schema, text) => fromBinary(schema, Buffer.from(text, "base64"));
const encoded = (schema, message) => Buffer.from(toBinary(schema, message)).toString("base64");
const now = () => (performance.timeOrigin + performance.now()) / 1000;

function unpacked(error) {
  return {
    code: error.code,
    reason: error.reason,
    message: error.rawMessage,
    told: error.message,
    metadata: error.metadata,
    retry_delay_ms: error.retryDelayMs === undefined ? null : Math.floor(error.retryDelayMs),
    retryable: error.retryable,
    attempts: error.attempts.map((attempt) => encoded(AttemptSchema, attempt)),
    violations: error.violations,
  };
}

function fail(result, error) {
  if (!(error instanceof GatewayError)) throw error;
  if (result.cancelled_at !== null && error.code === "CANCELLED") {
    result.cancelled = true;
    return;
  }
  result.error = unpacked(error);
  result.truncated = error instanceof StreamTruncated;
}

function answer(result, reply) {
  result.response = encoded(SendResponseSchema, reply.response);
  result.text = reply.text;
}

async function send(client, given, options, result) {
  if (given.idle_ms) {
    await client.send(decoded(SendRequestSchema, given.request), options);
    await sleep(given.idle_ms);
  }
  const controller = new AbortController();
  if (given.cancel_after) {
    setTimeout(() => {
      result.cancelled_at = now();
      controller.abort();
    }, given.cancel_after);
  }
  try {
    const response = await client.send(decoded(SendRequestSchema, given.request), { ...options, signal: controller.signal });
    result.ok = true;
    answer(result, new Reply(response));
  } catch (error) {
    fail(result, error);
  }
}

async function stream(client, given, options, result) {
  const request = { request: decoded(SendRequestSchema, given.request) };
  if (given.options) request.options = decoded(StreamOptionsSchema, given.options);
  const streamed = client.stream(request, options);
  let read = 0;
  try {
    for await (const { event } of streamed.events()) {
      const name = (event.case ?? "unknown").replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
      if (name !== "heartbeat" && result.events.at(-1) !== name) result.events.push(name);
      if (++read === given.cancel_after) {
        result.cancelled_at = now();
        streamed.cancel();
      }
    }
    result.ok = true;
  } catch (error) {
    fail(result, error);
  }
  answer(result, streamed.reply);
}

for await (const line of createInterface({ input: process.stdin })) {
  const given = JSON.parse(line);
  const result = {
    id: given.id,
    ok: false,
    response: null,
    text: "",
    events: [],
    error: null,
    truncated: false,
    cancelled: false,
    cancelled_at: null,
  };
  const hook = Object.keys(given.trace).length ? { propagate: () => given.trace } : {};
  const client = new Client(given.address, { apiKey: given.api_key || undefined, ...hook });
  const options = { metadata: given.metadata, timeoutMs: given.deadline_ms || undefined };
  await (given.mode === "send" ? send : stream)(client, given, options, result);
  client.close();
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
