import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { QUIET_S, quietFleet, report } from "./reports.ts";
import { finished, runEvenkeel, spawnEvenkeel } from "./server.ts";
import { CONNECTION_LOST, expect, openLive, panel, SOON, test } from "./test.ts";

test.describe("with streams open", () => {
  test.use({ tolerated: CONNECTION_LOST });

  test("SIGTERM ends it in order", async ({ page, serve }) => {
    const server = await serve();
    await report(server.url, quietFleet(3));
    const stream = `${server.url}stream?panels=overview,worker-grid`;
    const streams = [
      curl("-sN", stream),
      curl("-sN", "--compressed", stream),
      curl("-sN", `${stream}&format=json`),
    ];
    await Promise.all(streams.map((one) => once(one.stdout, "data")));
    await openLive(page, server.url);
    const ends = streams.map(finished);

    // The helper kills it, and throws, where it takes more than ten seconds.
    expect(await server.stop("SIGTERM")).toBe(0);
    // A chunked answer that ends in order is complete to curl.
    for (const { code } of await Promise.all(ends)) expect([0, 18]).toContain(code);
  });
});

test("SIGINT ends it in order too, and what was answered before is kept", async ({ serve, folder }) => {
  const db = join(folder, "evenkeel.db");
  const server = await serve({ db });
  await report(server.url, quietFleet(3));
  expect(await server.stop("SIGINT")).toBe(0);
  const { url } = await serve({ db });
  expect(await workerIds(url)).toEqual(["worker-001", "worker-002", "worker-003"]);
});

test.describe("settings", () => {
  for (const { args = [], env = {}, says } of [
    {
      args: ["--tick-ms", "1s"],
      says: '--tick-ms must be a whole number from 250 to 60000; got "1s"',
    },
    {
      env: { EVENKEEL_TICK_MS: "1s" },
      says: 'EVENKEEL_TICK_MS must be a whole number from 250 to 60000; got "1s"',
    },
    { env: { EVENKEEL_DEMO: "maybe" }, says: 'EVENKEEL_DEMO must be one of on, off, auto; got "maybe"' },
    { env: { EVENKEEL_PROT: "80" }, says: "EVENKEEL_PROT is not a setting; did you mean EVENKEEL_PORT?" },
    { env: { EVENKEEL_INGEST_TOKEN: "short" }, says: /EVENKEEL_INGEST_TOKEN must be .*; got 5 characters/ },
    {
      args: ["--host", "0.0.0.0"],
      says: /host must be a loopback address .* while nobody has to log in; got "0\.0\.0\.0".*EVENKEEL_ALLOW_UNPROTECTED=on/,
    },
  ]) {
    test(`${[...args, ...Object.entries(env).flat()].join(" ")} is refused by name, rule and value`, async () => {
      const { code, stderr, stdout } = await runEvenkeel(["serve", ...args], env);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(says);
    });
  }

  test("all that is wrong is said at once, with the line of the file", async ({ folder }) => {
    const file = join(folder, "evenkeel.yaml");
    writeFileSync(file, "port: 80800\ndemo: off\nretention: 2 weeks\n");
    const { code, stderr } = await runEvenkeel(["serve", "--config", file], { EVENKEEL_TICK_MS: "0" });
    expect(code).toBe(1);
    expect(stderr).toContain(`port must be a whole number from 0 to 65535; got "80800", line 1`);
    expect(stderr).toMatch(/retention must be a duration .*; got "2 weeks", line 3/);
    expect(stderr).toContain("EVENKEEL_TICK_MS must be");
  });

  test("listening on every address works where it is asked for by name", async ({ serve }) => {
    const { url } = await serve({ args: ["--host", "0.0.0.0", "--allow-unprotected"] });
    expect((await fetch(url.replace("0.0.0.0", "127.0.0.1"))).status).toBe(200);
  });

  test("check-config shows what is in force and where it came from, secrets masked", async ({ folder }) => {
    const file = join(folder, "evenkeel.yaml");
    writeFileSync(file, "tick_ms: 500\nretention: 3d\n");
    const { code, stdout, stderr } = await runEvenkeel(
      ["check-config", "--config", file, "--retention", "2d"],
      {
        EVENKEEL_INGEST_TOKEN: "a-token-of-26-characters-xy",
      },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(`tick_ms: 500  # ${file}: tick_ms\n`);
    expect(stdout).toContain("retention: 2d  # --retention\n");
    expect(stdout).toContain("ingest_token: ********  # EVENKEEL_INGEST_TOKEN\n");
    expect(stdout).toContain("port: 8080  # default\n");
    expect(stdout).not.toContain("a-token");
  });
});

test("while the demo fleet is shown, mark, check and backup do not pass over it in silence", async ({
  serve,
  folder,
}) => {
  const db = join(folder, "fleet.db");
  const demo_db = join(folder, "fleet-demo.db");
  const missing = await runEvenkeel(["check"], { EVENKEEL_DB: db });
  expect(missing.code).toBe(1);
  expect(missing.stderr).toContain(`${db} does not exist; name another file with --db (EVENKEEL_DB)`);

  // The smallest fleet, whose past is soon simulated.
  const small = { EVENKEEL_DEMO_WORKERS: "1", EVENKEEL_DEMO_TASKS: "3" };
  const { url, port } = await serve({
    db,
    env: { EVENKEEL_DEMO: "auto", EVENKEEL_BASE_PATH: "/fleet/", ...small },
  });
  const env = { EVENKEEL_DB: db, EVENKEEL_PORT: String(port), EVENKEEL_BASE_PATH: "/fleet/" };
  const marked = await runEvenkeel(["mark", "model server 2.4", "--kind", "deploy"], env);
  expect(marked).toMatchObject({ code: 0, stderr: "" });
  expect(marked.stdout).toBe(
    `Set at ${url} on the demo fleet, which is shown there: deploy, model server 2.4\n`,
  );
  await expect(async () => {
    const history = await fetch(`${url}api/metrics/system/history?metrics=running_tasks&duration=5m`);
    expect(await history.text()).toContain("model server 2.4");
  }).toPass(SOON);

  const hint = `${db} holds nothing: no report has come yet; the demo fleet is kept in ${demo_db}: --db ${demo_db} (EVENKEEL_DB) names it`;
  for (const command of [["check"], ["backup", join(folder, "copy.db")]])
    expect((await runEvenkeel(command, env)).stderr).toContain(hint);
  const checked = await runEvenkeel(["check"], { ...env, EVENKEEL_DB: demo_db });
  expect(checked).toMatchObject({ code: 0, stderr: "" });
  expect(checked.stdout).toContain("1 workers");
});

test("an agent reports its machine, and what a server receives is recorded until that is interrupted", async ({
  serve,
  folder,
}) => {
  const [first, second] = [await serve(), await serve()];
  const file = join(folder, "day.ndjson");
  const recorder = spawnEvenkeel(["record", file, "--url", first.url]);
  await new Promise<void>((resolve) => {
    recorder.stdout.on("data", (text: Buffer) => text.includes("reports recorded: 0") && resolve());
  });
  const agent = spawnEvenkeel(["agent", "--server", first.url, "--id", "machine-1", "--tags", "cuda"]);
  await expect(async () => {
    const { cpu_utilization, memory_utilization, disk_utilization, tags } = await workerOf(first.url);
    for (const share of [cpu_utilization, memory_utilization, disk_utilization])
      expect(share).toEqual(expect.any(Number));
    expect(tags).toEqual(["cuda"]);
    expect(readFileSync(file, "utf8")).toContain("machine-1");
  }).toPass(SOON);
  const [agent_ended, recorder_ended] = [finished(agent), finished(recorder)];
  agent.kill("SIGINT");
  expect(await agent_ended).toMatchObject({ code: 0, stderr: "" });
  recorder.kill("SIGINT");
  expect(await recorder_ended).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/(^|\n)reports recorded: [1-9]\d*, \d+\.\d MiB\n$/),
    stderr: "",
  });

  const text = readFileSync(file, "utf8");
  const reports = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  for (const { at, source } of reports) expect([typeof at, source]).toEqual(["number", "agent-machine-1"]);
  const short = join(folder, "short.ndjson.gz");
  expect(await runEvenkeel(["record", short, "--url", first.url, "--duration", "1s"])).toMatchObject({
    code: 0,
  });
  expect(await runEvenkeel(["record", file, "--url", first.url])).toMatchObject({
    code: 1,
    stderr: `evenkeel: ${file} exists already and is left as it is; name another file\n`,
  });
  expect(readFileSync(file, "utf8")).toBe(text);
  const played = await runEvenkeel(["replay", file, "--url", second.url, "--speed", "max"]);
  expect(played).toMatchObject({ code: 0, stderr: "" });
  await expect(async () => {
    expect(await workerOf(second.url)).toMatchObject({ source: "agent-machine-1" });
  }).toPass(SOON);
});

async function workerOf(url: string) {
  return (await fetch(new URL("api/metrics/workers/machine-1", url))).json();
}

test("help and version are printed, and a command that is none is refused with the nearest", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  expect(await runEvenkeel(["--version"])).toEqual({ code: 0, stdout: `evenkeel ${version}\n`, stderr: "" });
  const help = await runEvenkeel(["--help"]);
  expect(help).toMatchObject({ code: 0, stderr: "" });
  for (const command of ["serve", "demo", "replay", "record", "agent", "check-config"]) {
    expect(help.stdout).toContain(`  ${command}`);
    const own = await runEvenkeel([command, "--help"]);
    expect(own).toMatchObject({ code: 0, stderr: "" });
    expect(own.stdout).toContain(`Usage: evenkeel ${command}`);
  }
  const wrong = await runEvenkeel(["serv"]);
  expect(wrong).toMatchObject({ code: 2, stdout: "" });
  expect(wrong.stderr).toContain("did you mean serve?");
});

test("whoever reads what is printed may stop reading, as head does", async () => {
  for (const args of [["help"], ["check-config"]]) {
    const child = spawnEvenkeel(args);
    child.stdout.destroy();
    expect(await finished(child)).toEqual({ code: 0, stdout: "", stderr: "" });
  }
});

test("kill -9 under load loses nothing that was answered before the last tick", async ({
  page,
  serve,
  folder,
}) => {
  const db = join(folder, "evenkeel.db");
  const server = await serve({ db });
  const answered: { id: string; at_ms: number }[] = [];
  const load = (async () => {
    try {
      for (let turn = 0; ; turn++) {
        const id = `worker-${turn}`;
        const task = { id: `task-${turn}`, type: "vision", status: "completed" as const, worker_id: id };
        await report(server.url, {
          interval_s: QUIET_S,
          workers: [{ id, interval_s: QUIET_S, metrics: { cpu_utilization: turn % 90 } }],
          tasks: [task],
        });
        answered.push({ id, at_ms: Date.now() });
      }
    } catch {
      // The server was killed in the middle of an answer: that is the test.
    }
  })();

  let last_tick_ms = 0;
  let lines = 0;
  const stream = curl("-sN", `${server.url}stream?panels=overview&format=json`);
  let rest = "";
  await new Promise<void>((resolve) => {
    stream.stdout.on("data", (chunk: Buffer) => {
      const [...whole] = (rest + chunk).split("\n");
      rest = whole.pop() ?? "";
      for (const line of whole) {
        last_tick_ms = JSON.parse(line).at_ms;
        lines++;
      }
      if (lines >= 4) resolve();
    });
  });
  await server.kill();
  await load;
  stream.kill();

  const owed = answered.filter(({ at_ms }) => at_ms < last_tick_ms).map(({ id }) => id);
  expect(owed.length).toBeGreaterThan(20);
  const { url } = await serve({ db });
  const kept = new Set(await workerIds(url));
  expect(owed.filter((id) => !kept.has(id))).toEqual([]);
  const { by_state } = await (await fetch(new URL("api/metrics/tasks/stats", url))).json();
  expect(by_state.completed).toBeGreaterThanOrEqual(owed.length);
  await openLive(page, url);
  const shown = panel(page, "Workers");
  // A fast machine reports more workers than the heat map draws squares.
  for (const id of [owed[0], owed[Math.min(owed.length, 1000) - 1]])
    await expect(shown.getByTitle(`${id}: active`)).toBeVisible();
});

test.describe("below a base path", () => {
  test("page, stream, assets and links all work", async ({ page, serve }) => {
    const { url } = await serve({ args: ["--base-path", "/lb"] });
    expect(url).toMatch(/\/lb\/$/);
    await report(url, quietFleet(3));
    const requests: string[] = [];
    page.on("request", (request) => requests.push(request.url()));
    await openLive(page, url.replace(/\/$/, ""));
    expect(page.url()).toBe(url);
    await report(url, { workers: [{ id: "worker-004", interval_s: QUIET_S }] });
    await expect(panel(page, "Workers").getByRole("listitem")).toHaveCount(4, SOON);
    const sheets = await page.evaluate(() => document.styleSheets.length);
    expect(sheets).toBe(1);

    for (const name of ["Status", "Overview"]) {
      await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).click();
      await expect(page.getByRole("heading", { level: 1 })).toHaveText(name);
      await expect(page.locator("#live-state")).toHaveAttribute("data-state", "live", SOON);
    }
    await page.getByText("View", { exact: true }).click();
    await page.getByRole("link", { name: "light" }).click();
    await expect(page.locator("html")).toHaveAttribute("data-theme", "light");
    await page.getByRole("link", { name: "Evenkeel", exact: true }).click();
    await expect(page).toHaveURL(`${url}?theme=light`);
    await openLive(page, `${url}embed/worker-grid`);
    expect(requests.slice(1).filter((address) => !address.startsWith(url))).toEqual([]);

    const alternate = await page.request.get(url, { headers: { Accept: "application/json" } });
    expect((await alternate.json()).success).toBe(true);
    expect((await page.request.get(new URL("/", url).href)).status()).toBe(404);
  });
});

test.describe("curl -N on the stream", () => {
  test("reads as a line of JSON a tick", async ({ serve }) => {
    const { url } = await serve();
    await report(url, quietFleet(3));
    for (const ask of [["-H", "Accept: application/json"], ["-H", "Accept: application/x-ndjson"], []]) {
      const query = ask.length === 0 ? "&format=json" : "";
      const text = await listen(3, ...ask, `${url}stream?panels=overview,worker-grid${query}`);
      const ticks = text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(ticks.length).toBeGreaterThanOrEqual(3);
      const [first] = ticks;
      expect(ticks.map(({ tick }) => tick)).toEqual(ticks.map((_, index) => first.tick + index));
      const { panels } = ticks.at(-1);
      expect(Object.keys(panels)).toEqual(["overview", "worker-grid"]);
      expect(Object.keys(panels["worker-grid"].workers)).toHaveLength(3);
      expect(panels.overview.metrics.total_workers).toBe(3);
    }
  });

  test("reads as text that a person can follow", async ({ serve }) => {
    const { url } = await serve();
    await report(url, quietFleet(3));
    const text = await listen(12, "-H", "Accept: text/plain", `${url}stream?panels=worker-grid`);
    expect(text).toMatch(/^\d{4}-\d\d-\d\dT\S+Z {2}tick \d+\n\nWorkers\n/);
    expect(text).toMatch(/worker_id +status +state/);
    expect(text).toMatch(/worker-001 +active +active/);
    expect(text).not.toContain("<");
  });

  test("reads as Server-Sent Events with markup, plain or gzipped", async ({ serve }) => {
    const { url } = await serve();
    await report(url, quietFleet(3));
    for (const ask of [[], ["--compressed"]]) {
      const text = await listen(12, ...ask, `${url}stream?panels=worker-grid`);
      expect(text).toMatch(/^retry: \d+\nevent: tick\nid: \d+\ndata: \{"tick":\d+,/);
      expect(text).toContain('<hx-partial hx-target="#p-worker-grid" hx-swap="outerMorph">');
      expect(text).toContain("worker-001: active");
      expect(text.match(/^event: tick$/gm)!.length).toBeGreaterThanOrEqual(2);
    }
  });

  test("gets the whole once, and then only the parts that changed", async ({ serve }) => {
    const { url } = await serve();
    await report(url, quietFleet(20));
    const stream = curl(
      "-sN",
      "--max-time",
      "40",
      `${url}stream?panels=worker-grid,alerts,task-distribution`,
    );
    let text = "";
    stream.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    const targets = () => [...text.matchAll(/<hx-partial hx-target="#([^"]+)"/g)].map(([, id]) => id);
    const ticks = () => text.match(/^event: tick$/gm)?.length ?? 0;
    await expect.poll(ticks, SOON).toBeGreaterThanOrEqual(3);
    // The fleet may have come in a tick after the first.
    const before = targets();
    expect(before.slice(0, 3)).toEqual(["p-worker-grid", "p-alerts", "p-task-distribution"]);
    const at = ticks();
    await report(url, {
      interval_s: QUIET_S,
      workers: [{ id: "worker-007", metrics: { cpu_utilization: 77 } }],
    });
    await expect.poll(() => text, SOON).toMatch(/worker-007[^"]*CPU 77/);
    await expect.poll(ticks, SOON).toBeGreaterThanOrEqual(at + 3);
    stream.kill();
    const [changed, ...more] = targets().slice(before.length);
    expect(changed).toMatch(/^wg-/);
    expect(more).toEqual([]);
  });

  test("is told what is wrong with its question", async ({ serve }) => {
    const { url } = await serve();
    const { code, stdout } = await finished(
      curl("-sN", "-w", "%{http_code}", `${url}stream?panels=nonsense`),
    );
    expect(code).toBe(0);
    expect(stdout).toContain("nonsense");
    expect(stdout).toMatch(/4\d\d$/);
  });
});

function curl(...args: string[]) {
  return spawn("curl", args, { stdio: ["ignore", "pipe", "pipe"] });
}

/** Lets curl follow a stream until it has printed so many lines and three ticks have passed; returns all of it. */
async function listen(lines: number, ...args: string[]): Promise<string> {
  const child = curl("-sN", "--max-time", "25", ...args);
  let text = "";
  await new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (text.endsWith("\n") && text.split("\n").length > lines) resolve();
    });
    child.once("close", () => resolve());
  });
  child.kill();
  return text;
}

async function workerIds(url: string): Promise<string[]> {
  const { workers } = await (await fetch(new URL("api/metrics/workers", url))).json();
  return Object.keys(workers).sort();
}
