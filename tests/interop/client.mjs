// One connection of an official TypeScript client, driven line by line: a call on stdin, its outcome on stdout.
//
//   node client.mjs v1|v2 URL KEY legacy|auto|2026-07-28 [ANSWER]
//
// ANSWER, as JSON, is what the human behind the client says when the server asks; without it the client cannot ask.
import { createInterface } from "node:readline";

const [generation, url, key, mode, answer] = process.argv.slice(2);
const info = { name: `interop-${generation}`, version: "1.0.0" };
const capabilities = answer ? { elicitation: { form: {} } } : {};
const asked = [];

const makers = {
  async v1() {
    const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
    const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
    return [new Client(info, { capabilities }), StreamableHTTPClientTransport];
  },
  async v2() {
    const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
    const versionNegotiation = { mode: ["legacy", "auto"].includes(mode) ? mode : { pin: mode } };
    const client = new Client(info, { capabilities, versionNegotiation });
    if (answer) {
      client.setRequestHandler("elicitation/create", (request) => {
        asked.push(request.params);
        return JSON.parse(answer);
      });
    }
    return [client, StreamableHTTPClientTransport];
  },
};

const say = (outcome) => process.stdout.write(`${JSON.stringify(outcome)}\n`);
const failure = (error) => ({ error: { name: error.name, code: error.code ?? null, message: error.message } });

const [client, Transport] = await makers[generation]();
const transport = new Transport(new URL(url), { requestInit: { headers: { Authorization: `Bearer ${key}` } } });
try {
  await client.connect(transport);
} catch (error) {
  say(failure(error));
  process.exit(1);
}
// What is listed first is what answers are checked against from here on.
const { tools } = await client.listTools();
say({
  protocol: client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion,
  session: transport.sessionId ?? null,
  server: client.getServerVersion(),
  tools: tools.map((tool) => tool.name),
});

for await (const line of createInterface({ input: process.stdin })) {
  const { tool, arguments: given } = JSON.parse(line);
  try {
    say({ result: await client.callTool({ name: tool, arguments: given }), asked: asked.splice(0) });
  } catch (error) {
    say(failure(error));
  }
}
if (transport.sessionId) await transport.terminateSession();
await client.close();
say({ session: transport.sessionId ?? null });
