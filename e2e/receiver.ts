import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Somebody who is told of alerts. */
export interface Receiver {
  readonly url: string;
  /** What it answers from now on. */
  status: number;
  /** Titles of what it was told, whatever it answered. */
  readonly told: string[];
  close(): void;
}

export async function receiver(): Promise<Receiver> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    told.told.push((JSON.parse(Buffer.concat(chunks).toString()) as { title: string }).title);
    response.writeHead(told.status).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const told: Receiver = {
    url: `http://127.0.0.1:${port}/`,
    status: 200,
    told: [],
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return told;
}
