import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findProgram } from "../../../../e2e/programs.ts";
import { createDeliver } from "./deliver.ts";
import { ends, fires, messageOf, overload, receiving } from "./notify-fixture.ts";
import type { HttpReceiver } from "./secrets.ts";

const program = findProgram("alertmanager");
const BASE = "https://fleet.example/";
const deliver = createDeliver({
  network: { allow_private: false, follow_redirects: false },
  base_url: () => BASE,
});

// Where continuous integration runs it must be there.
describe.skipIf(program === undefined && !process.env.CI)("a real Prometheus Alertmanager", () => {
  let folder: string;
  let child: ChildProcess;
  let url: string;
  let hook: Awaited<ReturnType<typeof receiving>>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "evenkeel-alertmanager-"));
    hook = await receiving(() => 200);
    const file = join(folder, "alertmanager.yml");
    writeFileSync(
      file,
      `route: {receiver: hook, group_wait: 0s, group_interval: 1s, group_by: [alertname]}
receivers: [{name: hook, webhook_configs: [{url: "${hook.url}"}]}]`,
    );
    const flags = [`--config.file=${file}`, `--storage.path=${join(folder, "data")}`];
    const listen = ["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="];
    child = spawn(program!, [...flags, ...listen], { stdio: ["ignore", "ignore", "pipe"] });
    for await (const line of createInterface({ input: child.stderr! })) {
      const [, address] = /msg="Listening on" address=(\S+)/.exec(line) ?? [];
      if (address === undefined) continue;
      url = `http://${address}`;
      break;
    }
  });
  afterAll(async () => {
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
    await hook.close();
    rmSync(folder, { recursive: true });
  });

  async function listed(filter: string): Promise<Record<string, unknown>[]> {
    const response = await fetch(`${url}/api/v2/alerts?filter=${encodeURIComponent(filter)}`);
    return (await response.json()) as Record<string, unknown>[];
  }

  const receiver = (): HttpReceiver => ({ name: "am", kind: "alertmanager", url, headers: {} });
  const tell = (...events: Parameters<typeof messageOf>[0]) =>
    deliver(
      receiver(),
      messageOf(events, { holds_until_ms: Date.now() + 3_600_000 }),
      new AbortController().signal,
    );

  test("takes what fires, shows it with its labels and its page, and forgets what ended", async () => {
    const fired_ms = Date.now() - 5000;
    const odd = 'W "3"\n\ud800 é<&>';
    const alert = overload(odd);
    expect(await tell(fires(alert, fired_ms), fires(overload("W4"), fired_ms))).toMatchObject({
      outcome: "delivered",
    });
    const shown = await listed('alertname="worker_overload"');
    expect(shown).toHaveLength(2);
    const one = shown.find((shownAlert) => JSON.stringify(shownAlert).includes("é"));
    expect(one).toMatchObject({
      labels: {
        alertname: "worker_overload",
        severity: "critical",
        worker: 'W "3"  é<&>',
        worker_type: "gpu",
      },
      annotations: { description: "95 % CPU, 5 pending tasks" },
      startsAt: new Date(fired_ms).toISOString(),
      generatorURL: expect.stringMatching(/^https:\/\/fleet\.example\/alerts\//),
      status: { state: "active" },
    });
    expect(await tell(ends(alert, fired_ms, Date.now() - 1))).toMatchObject({ outcome: "delivered" });
    const left = await listed('alertname="worker_overload"');
    expect(left.map(({ labels }) => (labels as Record<string, string>).worker)).toEqual(["W4"]);
  });

  test("tells its own webhook in the very form in which we tell ours", async () => {
    const own = await receiving(() => 200);
    const fired_ms = Date.now();
    await tell(fires(overload("W9"), fired_ms));
    const kind = "alertmanager_webhook" as const;
    const message = messageOf([fires(overload("W9"), fired_ms)]);
    await deliver({ name: "hook", kind, url: own.url, headers: {} }, message, new AbortController().signal);
    while (hook.got.length === 0) await new Promise(setImmediate);
    const [theirs, ours] = [hook.got[0]!.body, own.got[0]!.body] as Record<string, unknown>[];
    expect(Object.keys(ours!).sort()).toEqual(Object.keys(theirs!).sort());
    const [their, our] = [theirs!.alerts, ours!.alerts] as Record<string, unknown>[][];
    expect(Object.keys(our![0]!).sort()).toEqual(Object.keys(their![0]!).sort());
    for (const [field, value] of Object.entries(theirs!)) expect(typeof ours![field]).toBe(typeof value);
    for (const [field, value] of Object.entries(their![0]!))
      expect(typeof our![0]![field]).toBe(typeof value);
    await own.close();
  });

  test("says why it refuses", async () => {
    const labels = { ...receiver(), url: `${url}/nowhere` };
    expect(
      await deliver(labels, messageOf([fires(overload("W1"))]), new AbortController().signal),
    ).toMatchObject({
      outcome: "refused",
      error: expect.stringContaining("404"),
    });
  });
});
