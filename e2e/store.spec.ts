import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { keepReporting, quietFleet, report } from "./reports.ts";
import { runEvenkeel } from "./server.ts";
import { CONNECTION_LOST, expect, figure, live, openLive, SOON, test } from "./test.ts";

test.describe("a full disk", () => {
  test.use({ tolerated: CONNECTION_LOST });

  test("stops writes and not the dashboard, says so on every page, and is over when there is room", async ({
    page,
    serve,
    folder,
  }) => {
    const db = join(folder, "small.db");
    const server = await serve({ db, room_kib: 1024 });
    const { url } = server;
    const stop = keepReporting(url, () => quietFleet(100));
    try {
      await openLive(page, url);
      const banner = page.getByRole("alert").filter({ hasText: "Nothing is written to disk at present" });
      await expect(banner).toBeVisible({ timeout: 40_000 });
      await report(url, { workers: [{ id: "newcomer" }] });
      await expect(figure(page, "Workers active")).toContainText("101 of 101", SOON);
      expect((await fetch(`${url}readyz`)).status).toBe(503);
      for (const path of ["status", "history", "embed/overview"]) {
        await openLive(page, url + path);
        await expect(banner).toBeVisible();
      }
      server.roomAgain();
      await expect(banner).toBeHidden(SOON);
      await live(page);
      expect((await fetch(`${url}readyz`)).status).toBe(200);
    } finally {
      await stop();
    }
    await server.stop();
    const { code, stdout } = await runEvenkeel(["check", "--db", db]);
    expect([code, stdout]).toEqual([0, expect.stringContaining("is sound: ")]);
    expect(stdout).toContain("101 workers");
  });
});

test("a backup is made while the server runs, and a server starts on it", async ({ serve, folder }) => {
  const db = join(folder, "fleet.db");
  let copy = "";
  const { url } = await serve({ db });
  await report(url, quietFleet(3));
  await expect(async () => {
    copy = join(folder, `copy-${Date.now()}.db`);
    const { code, stdout } = await runEvenkeel(["backup", copy, "--db", db]);
    expect([code, stdout]).toEqual([0, expect.stringContaining(`was copied into ${copy}`)]);
    expect((await runEvenkeel(["check", "--db", copy])).stdout).toContain("3 workers");
  }).toPass(SOON);
  const second = await serve({ db: copy });
  const { workers } = await (await fetch(`${second.url}api/metrics/workers`)).json();
  expect(Object.keys(workers)).toHaveLength(3);
});

test("a backup put in the place of a file is what there was then, as README restores it", async ({
  serve,
  folder,
}) => {
  const db = join(folder, "evenkeel.db");
  const copy = join(folder, "before.db");
  const server = await serve({ db });
  await report(server.url, { tasks: [{ id: "before", status: "completed" }] });
  await expect.poll(() => taskIds(server.url), SOON).toEqual(["before"]);
  expect(await runEvenkeel(["backup", copy, "--db", db])).toMatchObject({ code: 0, stderr: "" });
  await report(server.url, { tasks: [{ id: "after", status: "completed" }] });
  await expect.poll(() => taskIds(server.url), SOON).toHaveLength(2);
  // Its log is left behind, which belongs to the former file.
  await server.kill();
  for (const rest of ["-wal", "-shm"]) rmSync(db + rest, { force: true });
  copyFileSync(copy, db);
  expect((await runEvenkeel(["check", "--db", db])).stdout).toContain("is sound");
  const restored = await serve({ db });
  expect(await taskIds(restored.url)).toEqual(["before"]);
});

/** Those that ended and are kept. */
async function taskIds(url: string): Promise<string[]> {
  const { tasks } = (await (await fetch(`${url}api/metrics/tasks?status=completed`)).json()) as {
    tasks: { id: string }[];
  };
  return tasks.map(({ id }) => id);
}
