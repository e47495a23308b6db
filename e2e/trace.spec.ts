import { createReadStream, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createGunzip } from "node:zlib";
import { runEvenkeel } from "./server.ts";
import { expect, figure, openLive, panel, test } from "./test.ts";

/** A real trace of 22.8 hours: see README.md beside it. */
const TRACE = fileURLToPath(new URL("../../shared/data/gentd26.ndjson.gz", import.meta.url));

/** 22.8 hours in 91 seconds: enough for those that vanish in the first hours to turn stale, then lost. */
const SPEED = 900;
const LOST_AFTER_MS = 60_000;
/** A tick, and what a busy machine may hold a report back. */
const MARGIN_MS = 3000;

test.skip(!existsSync(TRACE), `${TRACE} is missing`);

interface Facts {
  reports: number;
  last_ms: number;
  /** Worker to its last report. */
  workers: Map<string, number>;
  /** Task to its last status. */
  tasks: Map<string, string>;
}

interface ShownWorker {
  presence: "fresh" | "stale" | "lost";
  last_report_ms: number;
}

test("a day of a real service replays in full: every report taken, every count right, vanished workers lost", async ({
  page,
  serve,
}) => {
  test.setTimeout(240_000);
  const facts = await readTrace();
  const { url } = await serve();
  await openLive(page, url);
  const workers = panel(page, "Workers");

  const replaying = runEvenkeel(["replay", TRACE, "--url", url, "--speed", String(SPEED)]);
  const seen = new Map<string, Set<string>>();
  let done = false;
  replaying.finally(() => {
    done = true;
  });
  // How each worker was shown, all along.
  await expect
    .poll(
      async () => {
        for (const [id, { presence }] of Object.entries(await shownWorkers(url))) {
          const states = seen.get(id) ?? new Set();
          seen.set(id, states.add(presence));
        }
        return done;
      },
      { timeout: 200_000, intervals: [500] },
    )
    .toBe(true);
  const { code, stdout, stderr } = await replaying;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.trim().split("\n").at(-1)).toMatch(
    new RegExp(`^100\\.0 %: ${facts.reports} of ${facts.reports} reports accepted, 0 rejected`),
  );

  const ended = (status: string) => [...facts.tasks.values()].filter((one) => one === status).length;
  const [completed, failed] = [ended("completed"), ended("failed")];
  await expect
    .poll(async () => (await json(url, "api/metrics/system")).metrics)
    .toMatchObject({
      total_workers: facts.workers.size,
      completed_tasks: completed,
      failed_tasks: failed,
      queued_tasks: facts.tasks.size - completed - failed,
      running_tasks: 0,
      orphaned_tasks: 0,
    });
  const { by_state } = await json(url, "api/metrics/tasks/stats");
  expect(by_state).toMatchObject({ completed, failed });
  await expect(figure(page, "Workers active")).toContainText(`of ${facts.workers.size}`);
  await expect(figure(page, "Success ratio")).toContainText(
    `${String(completed).replace(/(?=\d{3}$)/, " ")} completed`,
  );
  await expect(figure(page, "Success ratio")).toContainText(`${failed} failed`);

  const shown = await shownWorkers(url);
  const silence_ms = (id: string) => (facts.last_ms - facts.workers.get(id)!) / SPEED;
  const vanished = [...facts.workers.keys()].filter((id) => silence_ms(id) > LOST_AFTER_MS + MARGIN_MS);
  expect(vanished.length).toBeGreaterThan(0);
  for (const id of vanished) {
    expect(shown[id], id).toMatchObject({ presence: "lost" });
    expect([...seen.get(id)!], id).toContain("stale");
    await expect(workers.locator(`.lost [title^="${id}: lost"], .lost[title^="${id}: lost"]`)).toHaveCount(1);
  }
  for (const id of facts.workers.keys()) {
    if (silence_ms(id) < LOST_AFTER_MS - MARGIN_MS) expect(shown[id]!.presence, id).not.toBe("lost");
  }
});

async function readTrace(): Promise<Facts> {
  const facts: Facts = { reports: 0, last_ms: 0, workers: new Map(), tasks: new Map() };
  for await (const line of createInterface({ input: createReadStream(TRACE).pipe(createGunzip()) })) {
    const { at, workers = [], tasks = [] } = JSON.parse(line);
    facts.reports++;
    facts.last_ms = at;
    for (const { id } of workers) facts.workers.set(id, at);
    for (const { id, status } of tasks) facts.tasks.set(id, status ?? facts.tasks.get(id));
  }
  return facts;
}

async function shownWorkers(url: string): Promise<Record<string, ShownWorker>> {
  return (await json(url, "api/metrics/workers")).workers;
}

async function json(url: string, path: string) {
  return (await fetch(new URL(path, url))).json();
}
