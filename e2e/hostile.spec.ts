import { request } from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { QUIET_S, report } from "./reports.ts";
import { expect, live, openLive, panel, SOON, test } from "./test.ts";

/** One that would do harm in each place where a name may stand. */
const WORKER = `<img src=x onerror=alert(1)>"' onload='x`;
const BACKWARDS = "a\u202egpj.exe";
const FORMULA = '=HYPERLINK("http://evil.example")';
const PATH = "../../etc/passwd";

const FLEET = {
  source: "<b>source</b>",
  interval_s: QUIET_S,
  workers: [WORKER, BACKWARDS, FORMULA, PATH, "..", "~new", "%2e%2e%2f"].map((id) => ({
    id,
    type: "</script><script>alert(2)</script>",
    hostname: "@host",
    tags: ["<i>tag</i>", "-1+1"],
    metrics: { cpu_utilization: 99 },
  })),
  tasks: [
    {
      id: PATH,
      type: BACKWARDS,
      model_family: FORMULA,
      model_id: `"><svg onload=alert(3)>`,
      status: "failed" as const,
      worker_id: WORKER,
      error: "line\r\nSet-Cookie: x=1\u0000<script>alert(4)</script>",
    },
  ],
};

test("names made to do harm are shown as they are, and do none", async ({ page, serve }) => {
  const { url } = await serve();
  await report(url, FLEET);
  await openLive(page, url);
  await expect(panel(page, "Workers")).toBeVisible();
  // The page fixture fails on any dialog, error or refusal of the policy.
  for (const path of ["workers", "tasks?status=failed", "assignments", "alerts", "history", "status"]) {
    await page.goto(url + path);
    await live(page);
    await expect(page.locator("main img, main script, main b:text-is('source'), main i")).toHaveCount(0);
  }
  for (const { id } of FLEET.workers) {
    await page.goto(`${url}workers?q=${encodeURIComponent(id)}`);
    const link = page
      .locator("main a")
      .filter({ hasText: id.replace("\u202e", "") })
      .first();
    await link.click();
    await expect(page.getByRole("heading", { level: 1 })).toContainText(id.replace("\u202e", ""));
    expect(page.url().slice(url.length).split("/")).toHaveLength(2);
  }
  await page.goto(`${url}tasks/${encodeURIComponent(PATH)}`);
  await expect(panel(page, "Task").locator("pre.message")).toContainText("<script>alert(4)</script>");
});

test("a table of them runs nothing in a spreadsheet", async ({ serve }) => {
  const { url } = await serve();
  await report(url, FLEET);
  await expect
    .poll(async () => await (await fetch(`${url}api/workers?format=csv`)).text(), SOON)
    .toContain(`"'=HYPERLINK(""http://evil.example"")"`);
  const response = await fetch(`${url}api/metrics/tasks?format=csv&status=failed`);
  const text = await response.text();
  expect(text).toContain(",\"'=HYPERLINK(");
  expect(text.split("\r\n").slice(1).join("")).not.toMatch(/(^|,)"?[=+@]/);
});

test("bodies that are huge, deep, wide, bombs or never end are refused, and it goes on", async ({
  serve,
}) => {
  const { url, port } = await serve();
  const send = async (body: Buffer, headers: Record<string, string> = {}) => {
    const { status } = await fetch(`${url}api/ingest`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: new Uint8Array(body),
    }).catch(() => ({ status: 0 }));
    return status;
  };
  const gzip = { "Content-Encoding": "gzip" };
  // A body that is refused before all of it came may end its connection.
  expect([413, 0]).toContain(await send(Buffer.alloc(17 * 2 ** 20, " ")));
  expect(await send(gzipSync(Buffer.alloc(200 * 2 ** 20)), gzip)).toBe(413);
  expect(await send(gzipSync(Buffer.alloc(15 * 2 ** 20, "[")), gzip)).toBe(422);
  expect(await send(gzipSync(`{"workers":[${"{},".repeat(4e6)}{}]}`), gzip)).toBe(422);
  expect(await send(gzipSync(`{${'"a":1,'.repeat(1e6)}"b":1}`), gzip)).toBe(422);
  expect(await send(Buffer.from("{").subarray(0, 1), gzip)).toBe(400);
  const lines = { ...gzip, "Content-Type": "application/x-ndjson" };
  expect(await send(gzipSync(Buffer.alloc(15 * 2 ** 20, "\n")), lines)).toBe(400);
  expect(await send(gzipSync("{}\n".repeat(4e6)), lines)).toBe(413);

  const slow = Array.from({ length: 200 }, () => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("POST /api/ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n");
    socket.write("Content-Length: 1000000\r\n\r\n{");
    return socket;
  });
  await report(url, FLEET);
  await expect.poll(async () => (await (await fetch(`${url}api/workers`)).json()).total, SOON).toBe(7);
  for (const socket of slow) socket.destroy();
});

test("requests that no browser sends are answered or ended, and it goes on", async ({ serve }) => {
  const { url, port } = await serve();
  const raw = (text: string) =>
    new Promise<string>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => socket.end(text, "latin1"));
      let answer = "";
      socket.setEncoding("latin1").on("data", (part: string) => {
        answer += part;
      });
      socket.on("error", () => {}).once("close", () => resolve(answer));
    });
  const head = "Host: 127.0.0.1\r\nConnection: close\r\n";
  expect(await raw(`GET / HTTP/1.1\r\n${head}X: a\u0000b\r\n\r\n`)).toMatch(/^HTTP\/1.1 400 /);
  expect(await raw(`GET /?${"a".repeat(70_000)} HTTP/1.1\r\n${head}\r\n`)).toMatch(/^HTTP\/1.1 431 /);
  expect(await raw("\u0016\u0003\u0001\u0002\u0000")).toMatch(/^HTTP\/1.1 400 /);
  expect(await raw(`GET /../../etc/passwd HTTP/1.1\r\n${head}\r\n`)).toMatch(/^HTTP\/1.1 404 /);
  expect(await raw(`GET //evil.example/%2e%2e HTTP/1.1\r\n${head}\r\n`)).toMatch(/^HTTP\/1.1 40[04] /);
  const smuggled = `POST /api/ingest HTTP/1.1\r\n${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
  expect(await raw(smuggled)).toMatch(/^HTTP\/1.1 400 /);
  // Nothing that came in a path or a query comes back in a header.
  const answer = await new Promise<string>((resolve, reject) => {
    request(`${url}workers?q=a%0d%0aX-Evil:%201&tz=%0d%0aX-Evil:%201`, (incoming) => {
      incoming.resume();
      resolve(incoming.rawHeaders.join("\n"));
    })
      .once("error", reject)
      .end();
  });
  expect(answer).not.toMatch(/^X-Evil/m);
  expect((await fetch(`${url}healthz`)).status).toBe(200);
});
