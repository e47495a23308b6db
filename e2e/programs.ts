import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** A program of the system: playwright's own downloads are not needed, and some networks have none. */
interface Program {
  /** Names its executable where it is not on the PATH. */
  readonly variable: string;
  readonly commands: readonly string[];
  readonly debian_package: string;
}

const PROGRAMS = {
  chromium: {
    variable: "CHROMIUM",
    commands: ["chromium", "chromium-browser", "google-chrome"],
    debian_package: "chromium",
  },
  firefox: { variable: "FIREFOX", commands: ["firefox-esr", "firefox"], debian_package: "firefox-esr" },
  // What alerts are told to besides our own receivers.
  alertmanager: {
    variable: "ALERTMANAGER",
    commands: ["prometheus-alertmanager", "alertmanager"],
    debian_package: "prometheus-alertmanager",
  },
  // A proxy that stands in front, as haproxy does too.
  nginx: { variable: "NGINX", commands: ["nginx"], debian_package: "nginx" },
  // Makes the certificates that the tests are served with.
  openssl: { variable: "OPENSSL", commands: ["openssl"], debian_package: "openssl" },
  // What our clients are run with.
  python3: { variable: "PYTHON3", commands: ["python3"], debian_package: "python3" },
  curl: { variable: "CURL", commands: ["curl"], debian_package: "curl" },
  // What we scrape, and who scrapes us.
  node_exporter: {
    variable: "NODE_EXPORTER",
    commands: ["prometheus-node-exporter", "node_exporter"],
    debian_package: "prometheus-node-exporter",
  },
  haproxy: { variable: "HAPROXY", commands: ["haproxy"], debian_package: "haproxy" },
  prometheus: { variable: "PROMETHEUS", commands: ["prometheus"], debian_package: "prometheus" },
  promtool: { variable: "PROMTOOL", commands: ["promtool"], debian_package: "prometheus" },
  // What bench/peers compares with.
  netdata: { variable: "NETDATA", commands: ["netdata"], debian_package: "netdata" },
  "redis-server": { variable: "REDIS_SERVER", commands: ["redis-server"], debian_package: "redis-server" },
  "systemd-analyze": {
    variable: "SYSTEMD_ANALYZE",
    commands: ["systemd-analyze"],
    debian_package: "systemd",
  },
} satisfies Record<string, Program>;

/** Where Debian keeps servers, which is not on everybody's PATH. */
const SERVICES = "/usr/sbin";

export type ProgramName = keyof typeof PROGRAMS;

/** The program's executable, or undefined where there is none. */
export function findProgram(name: ProgramName): string | undefined {
  const { variable, commands } = PROGRAMS[name];
  const given = process.env[variable];
  if (given) {
    if (isExecutable(given)) return given;
    throw new Error(`${variable} must name an executable file; got "${given}"`);
  }
  const folders = [...(process.env.PATH ?? "").split(delimiter), SERVICES];
  return commands.flatMap((command) => folders.map((folder) => join(folder, command))).find(isExecutable);
}

/** Installs by apt what is missing, and says what a person can do where that is impossible. */
export function installPrograms(names: readonly ProgramName[]): void {
  const missing = names.filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((name) => PROGRAMS[name].debian_package))];
  const variables = missing.map((name) => PROGRAMS[name].variable);
  console.log(`No ${missing.join(" and no ")} here: installing ${packages.join(" ")} by apt-get`);
  const installed = asRoot("apt-get", "update") && asRoot("apt-get", "install", "-y", ...packages);
  if (installed && missing.every((name) => findProgram(name) !== undefined)) return;
  console.log(
    `The tests need ${missing.join(" and ")}, and apt-get could not install it ` +
      `(it takes Debian or Ubuntu, a network, and root or sudo without a password). ` +
      `Install ${packages.join(" ")} yourself, or set ${variables.join(" and ")} to the executable.`,
  );
}

function asRoot(...command: string[]): boolean {
  const [program = "", ...args] = process.getuid?.() === 0 ? command : ["sudo", "-n", ...command];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return spawnSync(program, args, { env, stdio: ["ignore", "inherit", "inherit"] }).status === 0;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
