import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { findProgram } from "../e2e/programs.ts";
import { loadSettings } from "./config.ts";
import { running, target } from "./metrics/collect/connect/prometheus/prometheus-fixture.ts";
import { type RunningServer, startServer } from "./server.ts";

const node_exporter = findProgram("node_exporter");

const SOON_MS = 30_000;

// Where continuous integration runs it must be there.
test.skipIf(node_exporter === undefined && !process.env.CI)(
  "what a server scrapes of a real exporter by its config file comes out of its own /metrics",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "evenkeel-scrape-"));
    const listen = ["--web.listen-address=127.0.0.1:0"];
    const program = await running(node_exporter!, listen, /msg="Listening on" address=(\S+)/);
    const render = await target('render_busy_ratio{node="r1"} 0.25\nrender_waiting 3\n');
    const config = join(folder, "evenkeel.yaml");
    writeFileSync(
      config,
      `port: 0
db: ${join(folder, "fleet.db")}
connectors:
  - {kind: prometheus, name: machines, preset: node_exporter, targets: ["http://${program.found}/metrics"]}
  - kind: prometheus
    name: renderers
    targets: ["${render.url}", "http://127.0.0.1:1/metrics"]
    workers: {id: "render/{{node}}", type: render}
    metrics: [{metric: cpu_utilization, series: render_busy_ratio, scale: 100}]
    system: [{metric: queue_depth, series: render_waiting}]
`,
    );
    let server: RunningServer | undefined;
    try {
      const { settings, connectors } = loadSettings({
        flags: { config },
        env: {},
        readFile: (path) => readFileSync(path, "utf8"),
      });
      server = await startServer(settings, () => {}, connectors);
      const { url } = server;
      const text = async (path: string) => (await fetch(`${url}${path}`)).text();
      const worker = `worker="${hostname()}",type="node"`;
      await vi.waitFor(async () => {
        const metrics = await text("metrics");
        expect(metrics).toContain(`evenkeel_worker_state{${worker},state="active"} 1\n`);
        expect(metrics).toMatch(new RegExp(`^evenkeel_worker_cpu_utilization_ratio\\{${worker}\\} \\d`, "m"));
        expect(metrics).toContain(
          'evenkeel_worker_cpu_utilization_ratio{worker="render/r1",type="render"} 0.25\n',
        );
        expect(metrics).toContain("evenkeel_queue_depth 3\n");
        expect(metrics).toContain('evenkeel_connector_up{connector="renderers",kind="prometheus"} 1\n');
      }, SOON_MS);
      expect(JSON.parse(await text("api/connectors"))).toMatchObject({
        connectors: [
          { name: "machines", saw: "1 worker at 1 of 1 target" },
          {
            name: "renderers",
            saw: "1 worker at 1 of 2 targets; http://127.0.0.1:1/metrics can't be reached: bad port",
          },
        ],
      });
    } finally {
      await server?.stop();
      await render.close();
      await program.stop();
      rmSync(folder, { recursive: true });
    }
  },
  2 * SOON_MS,
);
