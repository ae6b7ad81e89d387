// What a browser does through Envoy: node web.mjs URL MODEL [cancel]. Prints what it got as JSON.
import { GatewayError, WebClient } from "../../../../clients/typescript/dist/web.js";

const [, , url, model, cancel] = process.argv;
const gateway = new WebClient(url);
const seen = { text: "", pieces: [], error: null };
try {
  if (!cancel) seen.text = (await gateway.chat("one two three", { model })).text;
  const stream = gateway.streamChat("one two three", { model });
  for await (const text of stream.text()) {
    seen.pieces.push(text);
    if (cancel) break;
  }
  seen.finish = stream.reply.response.candidates[0]?.finishReason;
} catch (error) {
  if (!(error instanceof GatewayError)) throw error;
  const { code, reason, retryDelayMs, attempts } = error;
  seen.error = { code, reason, retryDelayMs, attempts: attempts.length };
}
console.log(JSON.stringify(seen));
