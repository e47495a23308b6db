import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import { wall_ms } from "./bench.ts";

// What the hub is compared with: the usual loop over all clients, each with a stream and a string of its own.
// It takes the frames of an Evenkeel server (the address is its argument) and passes them on as they come.

const clients = new Set<SSEStreamingApi>();
const app = new Hono();
/** A client that joins gets the last frame, as it would get a picture. */
let last = "";

app.get("/stream", (c) =>
  streamSSE(c, async (stream) => {
    await stream.write(last);
    clients.add(stream);
    await new Promise<void>((resolve) => stream.onAbort(resolve));
    clients.delete(stream);
  }),
);

const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }: AddressInfo) => {
  process.send?.({ port });
});

async function passOn(source: string): Promise<void> {
  const answer = await fetch(source, { headers: { "Accept-Encoding": "identity" } });
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of answer.body!) {
    text += decoder.decode(bytes, { stream: true });
    // A tick is a small message and, where something changed, one of markup right behind it in the same write.
    if (!text.endsWith("\n\n")) continue;
    // Its own work counts from here on.
    const frame = text.replace(/"at_ms":\d+/, `"at_ms":${wall_ms()}`);
    text = "";
    last = frame;
    await Promise.all([...clients].map((stream) => stream.write(frame)));
  }
}

process.on("disconnect", () => process.exit());
await passOn(process.argv[2]!);
server.close();
