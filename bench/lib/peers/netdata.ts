import { createSocket } from "node:dgram";
import { mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { findProgram } from "../../../e2e/programs.ts";
import { freePort } from "../http.ts";
import { type Fleet, FleetGauges } from "./gauges.ts";
import { Daemon, missingProgram, type Peer, temporaryFolder, versionOf } from "./peer.ts";

/** A chart each, of all workers. */
const CHARTS = [
  "cpu_utilization",
  "memory_utilization",
  "gpu_utilization",
  "gpu_memory_utilization",
  "network_utilization",
  "io_utilization",
  "memory_bytes",
  "active_tasks",
  "queued_tasks",
  "completed_tasks",
] as const;
/** What fits into a packet of any network. */
const DATAGRAM_BYTES = 1400;

/** The fleet by statsd, as charts of an application of its own. */
export const netdata: Peer = {
  name: "netdata",
  missing: () => missingProgram("netdata", "netdata"),
  async start(atEnd) {
    const program = findProgram("netdata")!;
    const folder = temporaryFolder("netdata");
    const [port, statsd_port] = [await freePort(), await freePort()];
    const config = writeConfig(folder, port, statsd_port);
    const daemon = new Daemon(program, ["-D", "-c", config, "-P", join(folder, "pid")], folder);
    atEnd(() => daemon.stop());
    const url = `http://127.0.0.1:${port}/`;
    await daemon.answersAt(`${url}api/v1/info`);
    const socket = createSocket("udp4");
    atEnd(() => {
      socket.close();
    });
    const fleet = new FleetGauges((workers) => {
      for (const datagram of datagramsOf(workers)) socket.send(datagram, statsd_port, "127.0.0.1");
    });
    atEnd(() => fleet.stop());
    return {
      title: `netdata ${versionOf(program, "-v", /v?(\d[\d.]*)/)}`,
      url: `${url}#menu_fleet;after=-60;before=0`,
      data: "#chart_fleet_active_tasks canvas",
      shows: `the last minute of ${CHARTS.length} metrics of 100 workers, a chart each, no tasks; asks each second for the charts in sight`,
      pids: [daemon.pid],
    };
  },
};

/** Debian's defaults but for folders, ports and what would tell others: no cloud, no registry, no mail of alarms. */
function writeConfig(folder: string, port: number, statsd_port: number): string {
  const [config, apps] = [join(folder, "config"), join(folder, "config", "statsd.d")];
  mkdirSync(apps, { recursive: true });
  for (const name of ["cache", "lib", "log"]) mkdirSync(join(folder, name));
  // Its own sign that nobody wants to send it statistics.
  writeFileSync(join(config, ".opt-out-from-anonymous-statistics"), "");
  const charts = CHARTS.map(
    (metric) => `
[${metric}]
  name = ${metric}
  title = ${metric} of each worker
  family = fleet
  context = fleet.${metric}
  units = ${metric.endsWith("utilization") ? "percent" : "value"}
  type = line
  dimension = pattern 'fleet.*.${metric}' '' last 1 1
`,
  );
  writeFileSync(
    join(apps, "fleet.conf"),
    `[app]\n  name = fleet\n  metrics = fleet.*\n  private charts = no\n${charts.join("")}`,
  );
  const file = join(config, "netdata.conf");
  writeFileSync(
    file,
    `[global]
  run as user = ${userInfo().username}
[directories]
  config = ${config}
  cache = ${join(folder, "cache")}
  lib = ${join(folder, "lib")}
  log = ${join(folder, "log")}
  home = ${folder}
[web]
  bind to = 127.0.0.1:${port}
[statsd]
  bind to = udp:127.0.0.1:${statsd_port}
[cloud]
  enabled = no
[registry]
  enabled = no
[health]
  enabled = no
`,
  );
  return file;
}

function* datagramsOf(workers: Fleet): Generator<string> {
  let datagram = "";
  for (const [worker, gauges] of workers)
    for (const metric of CHARTS) {
      const line = `fleet.${worker}.${metric}:${gauges[metric] ?? 0}|g\n`;
      if (datagram.length + line.length > DATAGRAM_BYTES) {
        yield datagram;
        datagram = "";
      }
      datagram += line;
    }
  yield datagram;
}
