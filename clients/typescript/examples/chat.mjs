// Lists the models, asks one, streams an answer, and shows a typed error.
//
//   llm-gateway serve &
//   node examples/chat.mjs [MODEL]
import { Client, DEFAULT_ADDRESS, GatewayError } from "@llmgateway/client";

const gateway = new Client(process.env.LLM_GATEWAY_ADDRESS ?? DEFAULT_ADDRESS, { apiKey: process.env.LLM_GATEWAY_API_KEY });
try {
  const { models } = await gateway.listModels();
  const first = `${models[0].provider}/${models[0].modelId}`;
  console.log(`${models.length} models, such as ${first}`);
  const model = process.argv[2] ?? first;

  const reply = await gateway.chat("Say hello.", { model, systemPrompt: "Be brief." });
  console.log(`${reply.response.route.provider}: ${reply.text}`);

  const turns = ["Say hello.", reply.message, "And goodbye?"];
  const stream = gateway.streamChat(turns, { model });
  for await (const text of stream.text()) process.stdout.write(text);
  console.log(`\n${stream.reply.response.usage.outputTokens} tokens`);

  await gateway.chat("Say hello.", { model: "no-such-model" });
} catch (error) {
  if (!(error instanceof GatewayError)) throw error;
  console.log(`${error.name}: ${error.reason}, retryable: ${error.retryable}`);
} finally {
  gateway.close();
}
