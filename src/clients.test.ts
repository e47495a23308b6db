import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadSettings } from "./config.ts";
import { type RunningServer, startServer } from "./server.ts";

/** Far beyond what it takes: a busy machine is no failure. */
const SOON = { timeout: 15_000 };

const CLIENTS = fileURLToPath(new URL("../clients/", import.meta.url));
const TOKEN = "a-token-of-23-characters";
const PATIENCE_MS = 120_000;

let folder: string;
let server: RunningServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-clients-"));
  const flags = {
    db: join(folder, "fleet.db"),
    port: "0",
    host: "127.0.0.1",
    demo: "off",
    ingest_token: TOKEN,
    base_path: "/fleet/",
  };
  const { settings } = loadSettings({ flags, env: {}, readFile: () => "" });
  server = await startServer(settings, () => {});
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

interface Ended {
  code: number;
  output: string;
}

/** Runs a program to its end, in the folder of the clients. */
function run(program: string, args: string[], { input = "", env = {}, cwd = CLIENTS } = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const own = { EVENKEEL_URL: server.url, EVENKEEL_INGEST_TOKEN: TOKEN, PYTHONDONTWRITEBYTECODE: "1" };
    const options = { env: { ...process.env, ...own, ...env }, cwd, timeout: PATIENCE_MS };
    const child = execFile(program, args, options, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr }),
    );
    child.stdin?.end(input);
  });
}

async function worker(id: string): Promise<Record<string, unknown>> {
  let found: Record<string, unknown> = {};
  await expect
    .poll(async () => {
      const response = await fetch(`${server.url}api/metrics/workers/${id}`);
      found = (await response.json()) as Record<string, unknown>;
      return response.status;
    }, SOON)
    .toBe(200);
  return found;
}

test(
  "the Python client does what its own tests say, against this server",
  async () => {
    const { code, output } = await run("python3", ["-m", "unittest", "test_evenkeel"], {
      cwd: join(CLIENTS, "python"),
    });
    expect(output).toMatch(/\nOK\s*$/);
    expect(code).toBe(0);
  },
  PATIENCE_MS,
);

describe("the example for curl", () => {
  const script = join(CLIENTS, "curl", "report.sh");

  test("sends what it is given", async () => {
    const input = '{"source":"curl","workers":[{"id":"curl-1","metrics":{"cpu_utilization":42}}]}\n';
    const { code, output } = await run(script, [], { input });
    expect(output).toContain('"accepted":1');
    expect(code).toBe(0);
    expect(await worker("curl-1")).toMatchObject({ source: "curl", cpu_utilization: 42 });
  });

  test("fails where nothing was taken, with what the server says", async () => {
    const input = '{"workers":[{"id":"curl-2","metrics":{"cpu_utilization":420}}]}\n';
    const rejected = await run(script, [], { input });
    expect(rejected.code).toBe(22);
    expect(rejected.output).toContain("must be a number from 0 to 100; got 420");
    const { code, output } = await run(script, [], { input, env: { EVENKEEL_INGEST_TOKEN: "" } });
    expect(code).toBe(22);
    expect(output).toContain("send a token as Authorization: Bearer");
  });
});

describe("the example for Node", () => {
  const program = (url: string, then: string) => `
    import { Evenkeel } from ${JSON.stringify(join(CLIENTS, "node", "evenkeel.mjs"))};
    const evenkeel = new Evenkeel(${JSON.stringify(url)}, { source: "node" });
    ${then}
    console.log(JSON.stringify(evenkeel.stats));`;
  const node = async (url: string, then: string) => {
    const { code, output } = await run(process.execPath, ["--input-type=module", "-e", program(url, then)]);
    if (code !== 0) throw new Error(output);
    return JSON.parse(output) as Record<string, unknown>;
  };

  test("sends what it is given, counts what is rejected and throws nothing", async () => {
    const stats = await node(
      server.url,
      `evenkeel.push({ workers: [{ id: "node-1", metrics: { cpu_utilization: 43 } }] });
       evenkeel.push({ workers: [{ id: "node-2", metrics: { cpu_utilization: 430 } }] });
       evenkeel.push({ big: 1n });
       await evenkeel.flush(20_000);`,
    );
    expect(stats).toMatchObject({ accepted: 1, rejected: 1, dropped: 1 });
    expect(await worker("node-1")).toMatchObject({ source: "node", cpu_utilization: 43 });
  });

  test("sends again what a busy server did not take, after as long as it says", async () => {
    const bodies: string[] = [];
    const busy = createServer(async (request, response) => {
      const chunks = await request.toArray();
      bodies.push(Buffer.concat(chunks).toString());
      if (bodies.length === 1) response.writeHead(429, { "Retry-After": "1" }).end('{"detail":"full"}');
      else response.writeHead(202).end('{"accepted":1,"rejected":0}');
    }).listen(0, "127.0.0.1");
    await once(busy, "listening");
    const url = `http://127.0.0.1:${(busy.address() as AddressInfo).port}/`;
    // Nothing else keeps it alive while it waits.
    const stats = await node(url, "evenkeel.push({ tasks: [] }); await evenkeel.flush(20_000);");
    busy.close();
    expect(stats).toMatchObject({ accepted: 1, last_error: "full" });
    expect(bodies[1]).toBe(bodies[0]);
  });

  test("ends with its program where nobody answers", async () => {
    const stats = await node("http://127.0.0.1:1/", "evenkeel.push({ tasks: [] });");
    expect(stats).toMatchObject({ accepted: 0 });
  });
});

test("README's lines of Python report to a server", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const lines = /```python\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const program = lines.replace("http://127.0.0.1:8080/", server.url);
  const { code, output } = await run("python3", ["-c", program], { cwd: join(CLIENTS, "python") });
  expect({ code, output }).toEqual({ code: 0, output: "" });
  expect(await worker("worker-gpu-01")).toMatchObject({ source: "balancer-1" });
});
