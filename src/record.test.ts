import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { loadSettings } from "./config.ts";
import { systemClock } from "./metrics/clock.ts";
import { createDemo } from "./metrics/collect/demo/demo.ts";
import { record } from "./metrics/collect/record.ts";
import { replay } from "./metrics/collect/replay.ts";
import { deliver, httpSend } from "./metrics/collect/sender.ts";
import { type RunningServer, startServer } from "./server.ts";

/** Far beyond what it takes: a busy machine is no failure. */
const SOON = { timeout: 15_000 };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-record-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const servers: (RunningServer | Server)[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    if ("stop" in server) await server.stop();
    else server.close().closeAllConnections();
  }
});

async function serve(name: string): Promise<RunningServer> {
  const flags = { db: join(folder, `${name}.db`), port: "0", host: "127.0.0.1", demo: "off", tick_ms: "250" };
  const { settings } = loadSettings({ flags, env: {}, readFile: () => "" });
  const server = await startServer(settings, () => {});
  servers.push(server);
  return server;
}

/** A server that is none of ours; its address. */
async function pretend(handler: RequestListener): Promise<string> {
  const server = createServer(handler).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** An address where nobody listens any more. */
async function nobody(): Promise<string> {
  const url = await pretend(() => {});
  const server = servers.pop() as Server;
  await new Promise((resolve) => server.close(resolve));
  return url;
}

/** Begins to record, and resolves once the server listens for it; `until` waits for so many reports. */
async function recording(url: string, file: string, interrupt = new AbortController()) {
  let reports = 0;
  const waiting = new Set<() => void>();
  let begun = () => {};
  const begins = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const ended = record({
    file,
    url,
    signal: interrupt.signal,
    onProgress: (progress) => {
      reports = progress.reports;
      begun();
      for (const look of waiting) look();
    },
  });
  await Promise.race([begins, ended]);
  return {
    until: (count: number) =>
      new Promise<void>((resolve) => {
        const look = () => reports >= count && resolve();
        waiting.add(look);
        look();
      }),
    end: () => {
      interrupt.abort();
      return ended;
    },
    ended,
  };
}

async function fleetOf({ url }: RunningServer) {
  const rows = async (path: string, list: string, fields: readonly string[]) => {
    const body = (await (await fetch(`${url}${path}`)).json()) as Record<string, Record<string, unknown>[]>;
    return body[list]!.map((row) => fields.map((field) => row[field])).sort((a, b) =>
      String(a[0]).localeCompare(String(b[0])),
    );
  };
  return {
    workers: await rows("api/workers?limit=500", "workers", [
      "id",
      "type",
      "hostname",
      "tags",
      "cpu_utilization",
      "gpu_utilization_max",
      "memory_utilization",
      "running_tasks",
      "queued_tasks",
    ]),
    tasks: await rows("api/metrics/tasks?limit=500&status=queued,assigned,running", "tasks", [
      "id",
      "state",
      "type",
      "worker_id",
      "priority",
      "attempt",
    ]),
  };
}

test("what a server received and was recorded makes the same fleet on another one", async () => {
  const [first, second] = [await serve("first"), await serve("second")];
  for (const [name, text] of [
    ["trace.ndjson", (file: string) => readFileSync(file, "utf8")],
    ["trace.ndjson.gz", (file: string) => gunzipSync(readFileSync(file)).toString()],
  ] as const) {
    const file = join(folder, name);
    const recorder = await recording(first.url, file);
    const now_ms = systemClock.now();
    const demo = createDemo({ workers: 6, tasks: 20, seed: 3, start_ms: now_ms });
    const reports = demo.reportsUntil(now_ms + 40_000).map((report) => JSON.stringify(report));
    await deliver(httpSend(first.url), reports);
    await recorder.until(reports.length);
    expect((await recorder.end()).reports).toBe(reports.length);
    expect(text(file).trim().split("\n")).toEqual(reports);
  }
  const file = join(folder, "trace.ndjson.gz");
  const played = await replay({ file, send: httpSend(second.url), speed: Infinity, clock: systemClock });
  expect(played).toMatchObject({ accepted: 41, rejected: 0, done: true });
  await expect.poll(async () => (await fleetOf(second)).tasks.length, SOON).toBeGreaterThan(0);
  expect(await fleetOf(second)).toEqual(await fleetOf(first));
});

describe("a recording", () => {
  const signal = new AbortController().signal;

  test("never takes the place of a file", async () => {
    const file = join(folder, "kept.ndjson");
    writeFileSync(file, "mine\n");
    await expect(record({ file, url: "http://127.0.0.1:9/", signal })).rejects.toThrow(
      `${file} exists already and is left as it is; name another file`,
    );
    expect(readFileSync(file, "utf8")).toBe("mine\n");
  });

  test("that can't begin leaves no file, and says why", async () => {
    const file = join(folder, "none.ndjson");
    const page = await pretend((_, response) => response.setHeader("Content-Type", "text/html").end("hello"));
    const refusing = await pretend((_, response) =>
      response.writeHead(503).end('{"detail":"At most 8 recordings at once"}'),
    );
    for (const [url, message] of [
      [await nobody(), /does not answer \(ECONNREFUSED\)/],
      [page, /answered with text\/html, which is no trace/],
      [refusing, /answered 503: At most 8 recordings at once/],
    ] as const)
      await expect(record({ file, url, signal })).rejects.toThrow(message);
    expect(existsSync(file)).toBe(false);
    const missing = join(folder, "no-such-folder", "a.ndjson");
    const { url } = await serve("third");
    await expect(record({ file: missing, url, signal })).rejects.toThrow(/can't be written \(ENOENT\)/);
  });

  test("holds whole lines alone, whoever ends it", async () => {
    const file = join(folder, "cut.ndjson");
    const url = await pretend((_, response) => {
      response.setHeader("Content-Type", "application/x-ndjson");
      response.write('\n{"at":1,"source":"é"}\n\n{"at":2,"sou');
    });
    const recorder = await recording(url, file);
    await recorder.until(1);
    await recorder.end();
    expect(readFileSync(file, "utf8")).toBe('{"at":1,"source":"é"}\n');
  });

  test("tells why the server ended it, and keeps what came before", async () => {
    const server = await serve("fourth");
    const file = join(folder, "stopped.ndjson");
    const recorder = await recording(server.url, file);
    await deliver(httpSend(server.url), ['{"workers":[{"id":"w"}]}']);
    const failed = expect(recorder.ended).rejects.toThrow(
      `the server ended the stream; ${file} holds what came before (reports: 1)`,
    );
    await server.stop();
    await failed;
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({
      source: "default",
      workers: [{ id: "w" }],
    });

    const dropped = join(folder, "dropped.ndjson");
    const url = await pretend((_, response) => {
      response.setHeader("Content-Type", "application/x-ndjson");
      response.end('{"at":1,"source":"a"}\n{"end":"this recorder did not keep up"}\n');
    });
    await expect(record({ file: dropped, url, signal })).rejects.toThrow(
      /the server dropped this recording: this recorder did not keep up; .* holds what came before \(reports: 1\)/,
    );
    expect(readFileSync(dropped, "utf8")).toBe('{"at":1,"source":"a"}\n');
  });
});
