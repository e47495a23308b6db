import { type Firefox, startFirefox } from "./bidi.ts";
import { findProgram } from "./programs.ts";
import { QUIET_S, quietFleet, report } from "./reports.ts";
import { expect, test } from "./test.ts";

const executable = findProgram("firefox");
const SLOW = { timeout: 30_000 };

test.skip(executable === undefined, "no Firefox here: install firefox-esr, or set FIREFOX to its executable");

let firefox: Firefox;

test.beforeAll(async () => {
  test.setTimeout(90_000);
  firefox = await startFirefox(executable!);
});

test.afterAll(() => firefox?.close());

test("Firefox shows the dashboard live, and it recovers when the server comes back", async ({
  serve,
  folder,
}) => {
  test.setTimeout(120_000);
  const db = `${folder}/evenkeel.db`;
  const { url, port, kill } = await serve({ db });
  await report(url, quietFleet(3));
  await firefox.goto(url);
  const state = () => firefox.evaluate(`document.querySelector("#live-state").dataset.state`);
  const words = () => firefox.evaluate(`document.querySelector("#live-state").textContent`);
  const active = () => firefox.evaluate(`document.querySelector("#ov-workers .v").textContent`);
  await expect.poll(state, SLOW).toBe("live");
  await expect.poll(active, SLOW).toBe("3 of 3");
  expect(await words()).toMatch(/^live( · \d s ago)? · UTC/);

  await firefox.evaluate(`void (window.marker = "the same document")`);
  await report(url, { workers: [{ id: "worker-004", interval_s: QUIET_S }] });
  await expect.poll(active, SLOW).toBe("4 of 4");
  const cards = await firefox.evaluate(`document.querySelectorAll("#p-worker-grid li").length`);
  expect(cards).toBe(4);
  expect(firefox.errors).toEqual([]);

  await kill();
  await expect.poll(state, SLOW).toBe("stale");
  expect(await firefox.evaluate(`document.querySelector("#stale").hidden`)).toBe(false);
  await serve({ db, port });
  await expect.poll(state, SLOW).toBe("live");
  expect(await active()).toBe("4 of 4");
  expect(await firefox.evaluate("window.marker")).toBe("the same document");
});
