import { request } from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { EvenkeelError } from "../errors.ts";
import { BodyReader } from "./body.ts";
import { listen, type WorldOptions, world } from "./fixture.tsx";
import type { Ingest } from "./ingest.ts";

const JSON_TYPE = { "content-type": "application/json" };

function recording(options: WorldOptions = {}) {
  const bodies: { text: string; mediaType: string }[] = [];
  const ingest: Ingest = async (body, mediaType) => {
    bodies.push({ text: Buffer.from(body).toString(), mediaType });
    return { accepted: 1, rejected: 0, errors: [] };
  };
  return { ...world({ ingest, ...options }), bodies };
}

describe("POST /api/ingest", () => {
  const post = (
    w: ReturnType<typeof world>,
    body: string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = JSON_TYPE,
  ) => w.app.request("/api/ingest", { method: "POST", body, headers });

  it("hands the body on and answers 202", async () => {
    const w = recording();
    const response = await post(w, '{"workers":[]}', {
      "content-type": "application/x-ndjson; charset=utf-8",
    });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ accepted: 1, rejected: 0, errors: [] });
    expect(w.bodies).toEqual([{ text: '{"workers":[]}', mediaType: "application/x-ndjson" }]);
  });

  it("inflates gzip", async () => {
    const w = recording();
    const response = await post(w, gzipSync('{"a":1}') as Uint8Array<ArrayBuffer>, {
      ...JSON_TYPE,
      "content-encoding": "gzip",
    });
    expect(response.status).toBe(202);
    expect(w.bodies[0]!.text).toBe('{"a":1}');
  });

  it("refuses a body beyond the limit by its name, whether it says its length or not", async () => {
    const w = recording({ settings: { max_body_bytes: 1_000 } });
    const long = new Blob([new Uint8Array(1_001)]);
    for (const [body, headers] of [
      [long, { ...JSON_TYPE, "content-length": "1001" }],
      [long.stream(), JSON_TYPE],
    ] as const) {
      const request = new Request("http://x/api/ingest", {
        method: "POST",
        body,
        headers,
        duplex: "half",
      } as RequestInit);
      const response = await w.app.request(request);
      expect(response.status).toBe(413);
      expect(await response.json()).toMatchObject({ limit: "max_body_bytes", value: 1_000 });
    }
    expect((await post(w, "x".repeat(1_000))).status).toBe(202);
    expect(w.bodies).toHaveLength(1);
  });

  it("never inflates a bomb beyond the limit", async () => {
    const w = recording({ settings: { max_body_bytes: 100_000 } });
    const bomb = gzipSync(Buffer.alloc(50_000_000)) as Uint8Array<ArrayBuffer>;
    expect(bomb.length).toBeLessThan(100_000);
    const response = await post(w, bomb, { ...JSON_TYPE, "content-encoding": "gzip" });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ detail: expect.stringContaining("once inflated") });
    expect(w.bodies).toEqual([]);
  });

  it("says what it takes", async () => {
    const w = recording();
    for (const headers of [
      { "content-type": "text/plain" },
      {},
      { ...JSON_TYPE, "content-encoding": "br" },
    ]) {
      const response = await post(w, new TextEncoder().encode("{}"), headers as Record<string, string>);
      expect(response.status).toBe(415);
    }
    const broken = await post(w, "not gzip", { ...JSON_TYPE, "content-encoding": "gzip" });
    expect([broken.status, await broken.text()]).toEqual([400, expect.stringContaining("gzip")]);
  });

  it("answers 422 with the errors where every report was rejected", async () => {
    const errors = [{ line: 1, path: "workers[0].id", message: "must be given" }];
    const w = world({ ingest: async () => ({ accepted: 0, rejected: 1, errors }) });
    const response = await post(w, "{}");
    expect(response.status).toBe(422);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toMatchObject({
      status: 422,
      detail: "Every report was rejected: line 1, workers[0].id must be given",
      accepted: 0,
      rejected: 1,
      errors,
    });
  });

  it("passes the refusals of the collector on", async () => {
    const w = world({
      ingest: async () => {
        throw new EvenkeelError("too_many", "The buffer is full", { retry_after_s: 3 });
      },
    });
    const response = await post(w, "{}");
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "3"]);
  });

  it("wants the token where one is set", async () => {
    const w = recording({ settings: { ingest_token: "s3cret" } });
    const status = async (authorization?: string) =>
      (await post(w, "{}", { ...JSON_TYPE, ...(authorization === undefined ? {} : { authorization }) }))
        .status;
    expect(await status()).toBe(401);
    expect(await status("Bearer wrong")).toBe(401);
    expect(await status("Basic s3cret")).toBe(401);
    expect(await status("Bearer ")).toBe(401);
    expect(await status("Bearer s3cret")).toBe(202);
    expect(await status("bearer s3cret")).toBe(202);
    const refused = await post(w, "{}");
    expect(refused.headers.get("www-authenticate")).toBe("Bearer");
    expect((await w.app.request("/api/board")).status).toBe(200);
  });
});

describe("a body over a real connection", () => {
  it("is read, and refused as soon as it is too long", async () => {
    const w = recording({ settings: { max_body_bytes: 1_000 } });
    const { origin, close } = await listen(w.app);
    const good = await fetch(`${origin}/api/ingest`, { method: "POST", body: "{}", headers: JSON_TYPE });
    expect(good.status).toBe(202);
    const status = await new Promise((resolve, reject) => {
      const outgoing = request(`${origin}/api/ingest`, { method: "POST", headers: JSON_TYPE }, (incoming) =>
        resolve(incoming.statusCode),
      );
      outgoing.on("error", reject);
      // It never ends: the answer must not wait for that.
      outgoing.write(Buffer.alloc(2_000));
    });
    expect(status).toBe(413);
    await close();
  });

  it("whose sender leaves is forgotten", async () => {
    const w = recording();
    const { server, origin, close } = await listen(w.app);
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const closed = new Promise((resolve) => server.on("connection", (socket) => socket.on("close", resolve)));
    const socket = connect(Number(new URL(origin).port), "127.0.0.1");
    socket.write(
      "POST /api/ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
    );
    await new Promise((resolve) => server.on("request", resolve));
    socket.destroy();
    await closed;
    expect(w.bodies).toEqual([]);
    expect((await fetch(`${origin}/healthz`)).status).toBe(200);
    await close();
    expect(log).not.toHaveBeenCalled();
    log.mockRestore();
  });
});

describe("a body's bounds", () => {
  afterEach(() => void vi.useRealTimers());

  const limits = { max_bytes: 100, max_pending_bytes: 150, timeout_ms: 30_000 };

  /** Gives what it is told to and then nothing more, until it is ended. */
  function source(...chunks: string[]) {
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    async function* stream(): AsyncGenerator<Uint8Array> {
      for (const chunk of chunks) yield Buffer.from(chunk);
      await ended;
    }
    return { stream: Readable.from(stream(), { objectMode: false }), end: () => end() };
  }

  it("end a body that takes too long", async () => {
    vi.useFakeTimers();
    const reading = new BodyReader(limits).read(source("{").stream, undefined);
    const failed = expect(reading).rejects.toMatchObject({
      details: { limit: "body_timeout_ms", value: 30_000 },
    });
    await vi.advanceTimersByTimeAsync(30_000);
    await failed;
  });

  it("hold for all bodies together, and free what was read", async () => {
    const reader = new BodyReader(limits);
    const first = source("x".repeat(90));
    const reading = reader.read(first.stream, undefined);
    await new Promise((resolve) => setImmediate(resolve));
    await expect(reader.read(source("y".repeat(80)).stream, undefined)).rejects.toMatchObject({
      kind: "too_many",
      retry_after_s: 1,
      details: { limit: "max_pending_bytes" },
    });
    first.end();
    expect((await reading).length).toBe(90);
    const second = source("y".repeat(80));
    second.end();
    expect((await reader.read(second.stream, undefined)).length).toBe(80);
  });
});
