import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import type { Severity } from "../../model.ts";
import type { ToldAlert, ToldEvent } from "./event.ts";
import type { Message } from "./message.ts";
import { checkNotify, type NotifyConfig, notifyShape } from "./schema.ts";

// What the tests of the notification begin with.

/** What a file with these keys says. */
export function configOf(written: object): NotifyConfig {
  return z.strictObject(notifyShape).superRefine(checkNotify).parse(written);
}

export const T0 = Date.UTC(2026, 0, 1, 12);

export function overload(worker: string, labels: ToldAlert["labels"] = {}, severity: Severity = "critical") {
  const alert: ToldAlert = {
    id: `worker_overload:${worker}`,
    rule: "worker_overload",
    severity,
    title: `Worker ${worker} is overloaded`,
    many: "{{count}} gpu workers are overloaded",
    detail: "95 % CPU, 5 pending tasks",
    since_ms: T0 - 2000,
    subject: { kind: "worker", id: worker },
    labels: { rule: "worker_overload", severity, kind: "worker", worker, worker_type: "gpu", ...labels },
  };
  return alert;
}

export function fires(alert: ToldAlert, at_ms = T0): ToldEvent {
  return { kind: "firing", at_ms, fired_ms: at_ms, ended_ms: null, alert };
}

export function ends(alert: ToldAlert, fired_ms: number, at_ms: number): ToldEvent {
  return { kind: "resolved", at_ms, fired_ms, ended_ms: at_ms, alert };
}

export function messageOf(events: readonly ToldEvent[], fields: Partial<Message> = {}): Message {
  return {
    id: 7,
    created_ms: T0,
    group: '0 {"rule":"worker_overload","worker_type":"gpu"}',
    labels: { rule: "worker_overload", worker_type: "gpu" },
    repeat: false,
    test: false,
    firing: events.filter(({ kind }) => kind === "firing").length,
    holds_until_ms: T0 + 8 * 3_600_000,
    events,
    ...fields,
  };
}

export interface Got {
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}

export interface Receiving {
  readonly url: string;
  readonly got: Got[];
  close(): Promise<void>;
}

/** A real receiver on a port of its own; null leaves the request without any answer. */
export async function receiving(
  answer: (
    got: Got,
    count: number,
  ) => number | [status: number, headers: Record<string, string>, text?: string] | null,
): Promise<Receiving> {
  const got: Got[] = [];
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const one = {
      url: request.url ?? "",
      headers: request.headers,
      body: text === "" ? null : JSON.parse(text),
    };
    got.push(one);
    const given = answer(one, got.length);
    if (given === null) return;
    const [status, headers, body] = typeof given === "number" ? [given, {}, ""] : given;
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    got,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
