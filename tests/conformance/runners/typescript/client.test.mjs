import assert from "node:assert/strict";
import { createServer } from "node:http2";
import { test } from "node:test";

import { ProviderService } from "../../../../clients/typescript/dist/admin.js";
import { Accumulator, Client, Reply } from "../../../../clients/typescript/dist/index.js";
import { StreamSendResponseSchema } from "../../../../clients/typescript/dist/v1.js";
import { createClient } from "../../../../clients/typescript/node_modules/@connectrpc/connect/dist/esm/index.js";
import { connectNodeAdapter } from "../../../../clients/typescript/node_modules/@connectrpc/connect-node/dist/esm/index.js";
import { create } from "../../../../clients/typescript/node_modules/@bufbuild/protobuf/dist/esm/index.js";

test("a key goes in plaintext to this machine only, unless the program says otherwise", () => {
  const addresses = {
    "127.0.0.1:50051": true,
    "127.9.9.9:1": true,
    "localhost:50051": true,
    "[::1]:50051": true,
    "gateway.example:50051": false,
    "10.0.0.1:50051": false,
    "localhost.example:50051": false,
    "127.0.0.1.example:50051": false,
  };
  for (const [address, allowed] of Object.entries(addresses)) {
    const make = (options) => () => new Client(address, { apiKey: "k1", ...options });
    if (allowed) assert.doesNotThrow(make({}), address);
    else assert.throws(make({}), TypeError, address);
    assert.doesNotThrow(make({ insecure: true }), address);
    assert.doesNotThrow(make({ tls: true }), address);
  }
});

test("a key that headers cannot carry is refused where it is given", () => {
  for (const apiKey of ["a\nb", "schlüssel"]) {
    assert.throws(() => new Client("127.0.0.1:1", { apiKey }), TypeError);
  }
});

test("a fold may be looked at while it grows, and the events are left as they came", () => {
  const part = { kind: { case: "media", value: { mimeType: "audio/pcm", source: { case: "data", value: new Uint8Array([1]) } } } };
  const started = create(StreamSendResponseSchema, { event: { case: "partStarted", value: { part } } });
  const delta = create(StreamSendResponseSchema, {
    event: { case: "partDelta", value: { delta: { case: "data", value: new Uint8Array([2]) } } },
  });
  const accumulator = new Accumulator();
  accumulator.add(started);
  for (const want of [[1, 2], [1, 2, 2]]) {
    accumulator.add(delta);
    const [grown] = new Reply(accumulator.response()).message.parts;
    assert.deepEqual([...grown.kind.value.source.value], want);
    assert.equal(accumulator.finished, false);
  }
  assert.deepEqual([...started.event.value.part.kind.value.source.value], [1]);
});

test("stubs of the administration go over a client's transport, with its key and its deadline", async () => {
  const routes = (router) =>
    router.service(ProviderService, {
      getProvider: ({ name }, context) => ({
        provider: { name, kind: context.requestHeader.get("authorization"), local: context.timeoutMs() > 0 },
      }),
    });
  const server = createServer(connectNodeAdapter({ routes }));
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const client = new Client(`127.0.0.1:${server.address().port}`, { apiKey: "k1" });
  try {
    const { provider } = await createClient(ProviderService, client.transport).getProvider({ name: "providers/edge" });
    assert.deepEqual([provider.name, provider.kind, provider.local], ["providers/edge", "Bearer k1", true]);
  } finally {
    client.close();
    server.close();
  }
});
