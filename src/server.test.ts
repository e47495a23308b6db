import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadSettings } from "./config.ts";
import { startServer } from "./server.ts";

test("without a file of alerts, whoever wants it read again is told that none is named", async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-server-"));
  const flags = { db: join(folder, "fleet.db"), port: "0", host: "127.0.0.1", demo: "off" };
  const { settings } = loadSettings({ flags, env: {}, readFile: () => "" });
  const said: string[] = [];
  const server = await startServer(settings, (level, message) => said.push(`${level} ${message}`));
  const answer = await fetch(`${server.url}alerts/reload`, { method: "POST" });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({
    detail: expect.stringContaining("no file of alerts is named"),
  });
  const page = await fetch(`${server.url}alerts`);
  expect(await page.text()).not.toContain("Read the file of alerts again");
  expect(said).toEqual([]);
  server.reload();
  expect(said).toEqual([expect.stringMatching(/^warn no file of alerts is named/)]);
  await server.stop();
  rmSync(folder, { recursive: true });
});
