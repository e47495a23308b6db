import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Receiving, receiving } from "./metrics/process/notify/notify-fixture.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));

let folder: string;
let pager: Receiving;
let broken: Receiving;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-test-notify-"));
  pager = await receiving(() => [200, {}, "thanks"]);
  broken = await receiving(() => [404, {}, "no such hook"]);
  writeFileSync(
    join(folder, "alerts.yaml"),
    `receivers:
  - {name: pager, kind: webhook, url: "${pager.url}\${KEY}"}
  - {name: broken, kind: slack, url: "${broken.url}"}`,
  );
});
afterEach(async () => {
  await pager.close();
  await broken.close();
  rmSync(folder, { recursive: true });
});

function testNotify(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const command = ["--import", import.meta.resolve("tsx"), MAIN, "test-notify", ...args];
  const env = { ...process.env, KEY: "k1", EVENKEEL_ALERTS: join(folder, "alerts.yaml") };
  return new Promise((resolve) => {
    execFile(process.execPath, command, { env }, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });
}

test("test-notify shows what each receiver answered, and fails where one of them did not take it", async () => {
  expect(await testNotify()).toEqual({
    code: 1,
    out: "pager (webhook): answered 200: thanks\n",
    err: "broken (slack): refused: answered 404: no such hook\n",
  });
  expect([pager.got[0]!.url, pager.got[0]!.body]).toMatchObject(["/k1", { test: true }]);
  expect(broken.got[0]!.body).toMatchObject({ text: expect.stringContaining("Test of Evenkeel") });
});

test("test-notify of one receiver tells no other, and a name that there is not is named", async () => {
  expect(await testNotify("pager")).toMatchObject({ code: 0, err: "" });
  expect(broken.got).toEqual([]);
  expect(await testNotify("pagr")).toMatchObject({
    code: 1,
    err: expect.stringMatching(/alerts\.yaml does not name a receiver "pagr"; did you mean pager\?\n$/),
  });
});
