import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answer, deliver, httpSend, NDJSON, routeUrl, type Send } from "./sender.ts";

const lines = ['{"n":1}', '{"n":2}', '{"n":3}'];

/** A sender that gives these answers one after the other, and keeps what it was sent. */
function answering(...answers: Answer[]): { send: Send; bodies: string[]; types: string[] } {
  const bodies: string[] = [];
  const types: string[] = [];
  const send: Send = async (body, type) => {
    bodies.push(body);
    types.push(type);
    return answers[bodies.length - 1]!;
  };
  return { send, bodies, types };
}

describe("a delivery", () => {
  it("is one body of NDJSON, and says what was taken of it", async () => {
    const { send, bodies, types } = answering({
      status: 202,
      body: { accepted: 3, rejected: 0, errors: [] },
    });
    expect(await deliver(send, lines)).toEqual({ accepted: 3, rejected: 0, errors: [] });
    expect(bodies).toEqual(['{"n":1}\n{"n":2}\n{"n":3}\n']);
    expect(types).toEqual([NDJSON]);
  });

  it("counts what was rejected, and says which and why", async () => {
    const errors = [{ line: 3, path: "at", message: "must not be older than the grace period" }];
    const { send } = answering({ status: 202, body: { accepted: 2, rejected: 1, errors } });
    expect(await deliver(send, lines)).toEqual({
      accepted: 2,
      rejected: 1,
      errors: [{ index: 2, message: "at must not be older than the grace period" }],
    });
  });

  it("of which every report was rejected is no reason to stop", async () => {
    const { send } = answering({
      status: 422,
      body: { title: "Unprocessable", detail: "every report was rejected" },
    });
    const delivery = await deliver(send, lines);
    expect(delivery).toMatchObject({
      accepted: 0,
      rejected: 3,
      errors: [{ message: "every report was rejected" }],
    });
  });

  it("waits as long as the server asks for, and tries again", async () => {
    const pauses: number[] = [];
    const { send, bodies } = answering(
      { status: 429, body: {}, retry_after_s: 3 },
      { status: 503, body: {} },
      { status: 202, body: { accepted: 3, rejected: 0 } },
    );
    const sleep = async (ms: number) => void pauses.push(ms);
    expect(await deliver(send, lines, { sleep })).toMatchObject({ accepted: 3 });
    expect(pauses).toEqual([3000, 1000]);
    expect(new Set(bodies).size).toBe(1);
  });

  it("gives up a server that is always busy", async () => {
    const send: Send = async () => ({ status: 429, body: { detail: "the buffer is full" } });
    const delivery = deliver(send, lines, { sleep: async () => {} });
    await expect(delivery).rejects.toThrow("still too busy after 120 tries (429): the buffer is full");
  });

  it("ends its wait when it is told to", async () => {
    const abort = new AbortController();
    const { send } = answering({ status: 429, body: {} });
    const sleep = async () => abort.abort();
    expect(await deliver(send, lines, { sleep, signal: abort.signal })).toMatchObject({
      accepted: 0,
      rejected: 0,
    });
  });

  it("that is too large goes in halves", async () => {
    const send: Send = async (body) => {
      const reports = body.trim().split("\n");
      if (reports.length > 1) return { status: 413, body: { detail: "too large" } };
      if (body.includes("3")) return { status: 413, body: { detail: "over max_workers" } };
      return { status: 202, body: { accepted: 1, rejected: 0, errors: [] } };
    };
    expect(await deliver(send, lines)).toEqual({
      accepted: 2,
      rejected: 1,
      errors: [{ index: 2, message: "over max_workers" }],
    });
  });

  it.each([
    [401, "the server wants an ingest token that it knows (401): no such token"],
    [400, "the server refused the reports with status 400: no such token"],
    [302, "the server refused the reports with status 302: no such token"],
  ])("stops at status %i", async (status, message) => {
    const { send } = answering({ status, body: { detail: "no such token" } });
    await expect(deliver(send, lines)).rejects.toThrow(message);
  });
});

describe("the ingest URL", () => {
  it.each([
    ["http://localhost:8080", "http://localhost:8080/api/ingest"],
    ["https://lab.example/evenkeel/", "https://lab.example/evenkeel/api/ingest"],
    ["http://localhost:8080/a/b?x=1#y", "http://localhost:8080/a/b/api/ingest"],
  ])("of %s is %s", (url, expected) => expect(routeUrl(url, "api/ingest")).toBe(expected));

  it("needs an http URL without a password", () => {
    expect(() => routeUrl("localhost:8080", "api/ingest")).toThrow(
      'must begin with http:// or https://; got "localhost:8080"',
    );
    expect(() => routeUrl("http://me:secret@lab", "api/ingest")).toThrow("pass an ingest token instead");
  });
});

describe("sending over HTTP", () => {
  let server: Server;
  let url: string;
  const seen: { path: string; headers: IncomingMessage["headers"]; body: string }[] = [];

  beforeAll(async () => {
    server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      seen.push({ path: request.url!, headers: request.headers, body });
      const busy = request.url!.startsWith("/busy");
      response.writeHead(busy ? 429 : 202, { "content-type": "application/json", "retry-after": "7" });
      response.end(busy ? "not JSON" : '{"accepted":1,"rejected":0,"errors":[]}');
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());

  it("posts to the base path with the token", async () => {
    const answer = await httpSend(`${url}/lab/`, "secret")("{}\n", NDJSON);
    expect(answer).toMatchObject({ status: 202, body: { accepted: 1 } });
    expect(seen.at(-1)).toMatchObject({
      path: "/lab/api/ingest",
      body: "{}\n",
      headers: { authorization: "Bearer secret", "content-type": "application/x-ndjson" },
    });
  });

  it("hands on what is no JSON as text, and how long to wait", async () => {
    expect(await httpSend(`${url}/busy`)("{}\n", NDJSON)).toEqual({
      status: 429,
      body: "not JSON",
      retry_after_s: 7,
    });
    expect(seen.at(-1)!.headers.authorization).toBeUndefined();
  });

  it("says where nobody answers, and why", async () => {
    const refused = () =>
      Promise.reject(Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNREFUSED" } }));
    await expect(httpSend("http://lab:1", undefined, "api/ingest", refused)("{}", NDJSON)).rejects.toThrow(
      "http://lab:1/api/ingest does not answer (ECONNREFUSED); is Evenkeel running there, and is the URL right?",
    );
  });
});
