import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { loadAlerts } from "./alerts.ts";
import { type Command, helpText, parseCommand, UsageError } from "./cli.ts";
import {
  ConfigError,
  demoPath,
  describeSettings,
  type LoadedSettings,
  loadSettings,
  type SettingTexts,
  serverUrl,
  settingsInForce,
} from "./config.ts";
import { EvenkeelError } from "./errors.ts";
import { didYouMean } from "./kinds.ts";
import { createLog } from "./log.ts";
import { systemClock } from "./metrics/clock.ts";
import { runAgent } from "./metrics/collect/agent/agent.ts";
import { NvidiaSmi } from "./metrics/collect/agent/gpus.ts";
import { machineOf } from "./metrics/collect/agent/machine.ts";
import { Collector } from "./metrics/collect/collector.ts";
import type { Connector } from "./metrics/collect/connect/connector.ts";
import { askOnce, inWords } from "./metrics/collect/connect/runner.ts";
import { createDemo } from "./metrics/collect/demo/demo.ts";
import { runDemo } from "./metrics/collect/demo/runner.ts";
import { type RecordProgress, record } from "./metrics/collect/record.ts";
import { type ReplayProgress, replay } from "./metrics/collect/replay.ts";
import { httpSend, realSleep } from "./metrics/collect/sender.ts";
import { loadAlertsFile, NO_ALERTS_FILE } from "./metrics/process/alerts-file.ts";
import { createDeliver } from "./metrics/process/notify/deliver.ts";
import type { Receiver } from "./metrics/process/notify/secrets.ts";
import { sendTest } from "./metrics/process/notify/test-message.ts";
import { openAccounts } from "./metrics/store/accounts.ts";
import { backupDatabase } from "./metrics/store/backup.ts";
import { type CheckReport, checkDatabase, isEmptyDatabase } from "./metrics/store/check.ts";
import { askPassword, People } from "./people.ts";
import { rehearse } from "./rehearse.ts";
import { startServer, VERSION } from "./server.ts";

/** A second signal does not wait for the clean end of the first. */
const EXIT_INTERRUPTED = 130;

async function main(command: Command): Promise<void> {
  switch (command.name) {
    case "help":
      process.stdout.write(helpText(command.command));
      return;
    case "version":
      process.stdout.write(`evenkeel ${VERSION}\n`);
      return;
    case "check-config":
      return checkConfig(command);
    case "mark":
      return mark(command);
    case "backup":
      return backup(command);
    case "test-rules":
      return testRules(command);
    case "test-notify":
      return testNotify(command);
    case "user add":
    case "user role":
    case "user password":
    case "user remove":
    case "user list":
    case "token add":
    case "token list":
    case "token revoke":
      return people(command);
    case "check":
      return check(command.flags);
    case "serve":
      return serve(command.flags);
    case "demo":
      return demo(command);
    case "replay":
      return play(command);
    case "record":
      return recordReports(command);
    case "agent":
      return agent(command);
  }
}

function load(flags: SettingTexts): LoadedSettings {
  return loadSettings({ flags, env: process.env, readFile: (path) => readFileSync(path, "utf8") });
}

async function checkConfig({ flags, connect }: Extract<Command, { name: "check-config" }>): Promise<void> {
  const loaded = load(flags);
  const { connectors, settings } = loaded;
  if (!connect) {
    process.stdout.write(describeSettings(loaded));
    return;
  }
  if (connectors.length === 0)
    throw new EvenkeelError(
      "invalid",
      "no connector is configured: the config file names them under connectors",
    );
  const { signal } = new AbortController();
  const nobody = { workers: 0, live_tasks: 0, hasWorker: () => false, hasTask: () => false };
  const ask = async (connector: Connector) => {
    const { name, kind, address } = connector;
    const collector = new Collector(settings, systemClock, nobody);
    try {
      const take = (reports: readonly object[]) => collector.take(reports);
      const { saw, latency_ms } = await askOnce(connector, { clock: systemClock, take, signal });
      process.stdout.write(`${name} (${kind}): ok after ${latency_ms} ms, ${address}: ${saw}\n`);
    } catch (error) {
      process.exitCode = 1;
      process.stderr.write(`${name} (${kind}): ${inWords(error)}\n`);
    }
  };
  await Promise.all(connectors.map(ask));
}

async function mark(command: Extract<Command, { name: "mark" }>): Promise<void> {
  const { kind, text, flags } = command;
  // An address that is given needs no settings, which may be another server's.
  const loaded = command.url === "" ? load(flags) : null;
  const url = loaded === null ? command.url : serverUrl(loaded);
  const token = command.token || loaded?.settings.ingest_token || undefined;
  const { status, body } = await httpSend(
    url,
    token,
    "api/marks",
  )(JSON.stringify({ text, kind }), "application/json");
  if (status !== 201)
    fail(new EvenkeelError("invalid", `the mark was not taken (${status}): ${detailOf(body)}`));
  const on = (body as { demo?: boolean }).demo ? " on the demo fleet, which is shown there" : "";
  process.stdout.write(`Set at ${url}${on}: ${kind}, ${text}\n`);
}

function detailOf(body: unknown): string {
  return (body as { detail?: string } | null)?.detail ?? String(body);
}

function backup({ file, flags }: Extract<Command, { name: "backup" }>): void {
  const { db } = load(flags).settings;
  const bytes = ofDatabase(
    db,
    () => backupDatabase(db, file),
    () => isEmptyDatabase(db),
  );
  process.stdout.write(`${db} was copied into ${file}, ${(bytes / 2 ** 20).toFixed(1)} MiB\n`);
}

async function testRules({ file, flags }: Extract<Command, { name: "test-rules" }>): Promise<void> {
  const { settings } = load(flags);
  const { alerts, tick_ms } = settings;
  const { rules } = alerts === "" ? NO_ALERTS_FILE : loadAlertsFile(alerts);
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const unmet = await rehearse(file, { rules, limits: settings, tick_ms, print });
  if (unmet > 0) process.exitCode = 1;
}

/** Reads a database, and says where it holds nothing; what is meant may be the demo fleet's, which is beside it. */
function ofDatabase<T>(db: string, read: () => T, isEmpty: (read: T) => boolean): T {
  const demo = demoPath(db);
  const beside = existsSync(demo)
    ? `; the demo fleet is kept in ${demo}: --db ${demo} (EVENKEEL_DB) names it`
    : "";
  if (!existsSync(db)) {
    throw new EvenkeelError(
      "unavailable",
      `The database ${db} does not exist${beside || "; name another file with --db (EVENKEEL_DB)"}`,
    );
  }
  const result = read();
  if (isEmpty(result)) process.stderr.write(`${db} holds nothing: no report has come yet${beside}\n`);
  return result;
}

function check(flags: SettingTexts): void {
  const { db } = load(flags).settings;
  const { counts, problems } = ofDatabase(db, () => checkDatabase(db), holdsNothing);
  const read = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  for (const problem of problems) process.stderr.write(`${db}: ${problem}\n`);
  if (problems.length > 0) process.exitCode = 1;
  else process.stdout.write(`${db} is sound: ${read.join(", ")}\n`);
}

function holdsNothing({ counts, problems }: CheckReport): boolean {
  return problems.length === 0 && Object.values(counts).every((found) => found === 0);
}

async function testNotify({ receiver, flags }: Extract<Command, { name: "test-notify" }>): Promise<void> {
  const loaded = load(flags);
  const { alerts, external_url } = loaded.settings;
  if (alerts === "")
    throw new EvenkeelError("invalid", "no alerts file is named: set EVENKEEL_ALERTS or --alerts");
  const { config, reachable } = loadAlerts(alerts, process.env).plan;
  const names = reachable.receivers.map(({ name }) => name);
  const chosen = reachable.receivers.filter(({ name }) => receiver === undefined || name === receiver);
  if (chosen.length === 0) {
    const wanted = receiver === undefined ? "a receiver" : `a receiver ${JSON.stringify(receiver)}`;
    throw new EvenkeelError(
      "not_found",
      `${alerts} does not name ${wanted}${didYouMean(receiver ?? "", names)}`,
    );
  }
  const base_url = external_url || serverUrl(loaded);
  const deliver = createDeliver({ network: config.network, base_url: () => base_url });
  const test = async (to: Receiver) => {
    const delivery = await sendTest(deliver, to, systemClock.now());
    const delivered = delivery.outcome === "delivered";
    if (!delivered) process.exitCode = 1;
    const answer = delivered ? delivery.answer : `${delivery.outcome}: ${delivery.error}`;
    (delivered ? process.stdout : process.stderr).write(`${to.name} (${to.kind}): ${answer}\n`);
  };
  await Promise.all(chosen.map(test));
}

async function serve(flags: SettingTexts): Promise<void> {
  const loaded = load(flags);
  const { settings, connectors } = loaded;
  const log = createLog(settings.log_level, (line) => process.stderr.write(line));
  const server = await startServer(settings, log, connectors, settingsInForce(loaded));
  process.stdout.write(`Evenkeel is listening on ${server.url}\n${server.describe()}\n`);
  process.on("SIGHUP", () => server.reload());
  onInterrupt(() => {
    server.stop().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  });
}

async function people(
  command: Extract<Command, { name: `user ${string}` | `token ${string}` }>,
): Promise<void> {
  const { argument, role, flags } = command;
  const accounts = openAccounts(load(flags).settings.db);
  try {
    const all = new People({
      accounts,
      now_ms: systemClock.now(),
      print: (line) => process.stdout.write(`${line}\n`),
      password: (of) => askPassword(of, process.stdin, process.stderr),
    });
    switch (command.name) {
      case "user add":
        return await all.addUser(argument, role);
      case "user role":
        return all.changeRole(argument, role);
      case "user password":
        return await all.changePassword(argument);
      case "user remove":
        return all.removeUser(argument);
      case "user list":
        return all.listUsers();
      case "token add":
        return all.addToken(argument, role, command.sources);
      case "token list":
        return all.listTokens();
      case "token revoke":
        return all.revokeToken(argument);
    }
  } finally {
    accounts.close();
  }
}

async function demo({ url, token, workers, tasks, seed }: Extract<Command, { name: "demo" }>): Promise<void> {
  const abort = interruptible();
  const fleet = createDemo({ workers, tasks, seed, start_ms: systemClock.now() });
  process.stdout.write(`Sending a demo fleet of ${workers} workers to ${url}; Ctrl+C ends it\n`);
  let delivered = false;
  let trouble = "";
  await runDemo({
    demo: fleet,
    send: httpSend(url, token || undefined),
    clock: systemClock,
    signal: abort,
    onDelivery() {
      if (trouble !== "") process.stderr.write("Reports are taken again\n");
      delivered = true;
      trouble = "";
    },
    onError(error) {
      // What never worked is a mistake; what worked before may work again.
      if (!delivered) fail(error);
      const { message } = error as Error;
      if (message !== trouble) process.stderr.write(`${message}; trying again\n`);
      trouble = message;
    },
  });
}

async function play({ file, url, token, speed, loop }: Extract<Command, { name: "replay" }>): Promise<void> {
  const signal = interruptible();
  const send = httpSend(url, token || undefined);
  const show = progressLine(playedSoFar);
  const end = await replay({ file, send, speed, loop, clock: systemClock, signal, onProgress: show });
  show(end, true);
  if (end.rejected > 0) process.exitCode = 1;
}

function playedSoFar({ percent, accepted, sent, rejected, left_s }: ReplayProgress): string {
  const left = left_s === null ? "" : `, ${Math.ceil(left_s)} s left`;
  return `${percent.toFixed(1)} %: ${accepted} of ${sent} reports accepted, ${rejected} rejected${left}`;
}

async function recordReports(command: Extract<Command, { name: "record" }>): Promise<void> {
  const { file, url, token, duration } = command;
  const abort = new AbortController();
  onInterrupt(() => abort.abort());
  // Not AbortSignal.timeout: nobody but our own signal would hold it, and it would be collected.
  const timer = duration === 0 ? undefined : setTimeout(() => abort.abort(), duration);
  const { signal } = abort;
  process.stdout.write(`Recording what ${url} receives; Ctrl+C ends it\n`);
  const show = progressLine(recordedSoFar);
  const end = await record({ file, url, token: token || undefined, signal, onProgress: show });
  clearTimeout(timer);
  show(end, true);
}

async function agent(command: Extract<Command, { name: "agent" }>): Promise<void> {
  const { server, token, type, tags, interval: interval_ms } = command;
  const host = hostname();
  const worker = { id: command.id || host, hostname: host, type, tags, version: VERSION };
  const signal = interruptible();
  const elapsed_ms = () => performance.now();
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const machine = machineOf(process.platform, { elapsed_ms });
  const own = { interval_ms, elapsed_ms, random: Math.random, sleep: realSleep, signal, say };
  const smi = new NvidiaSmi(own);
  process.stdout.write(`Reporting this machine as ${worker.id} to ${server}; Ctrl+C ends it\n`);
  if (machine.unread !== null) say(machine.unread);
  await Promise.all([
    smi.run(),
    runAgent({
      ...own,
      machine,
      gpus: () => smi.latest(),
      worker,
      send: httpSend(server, token || undefined),
      clock: systemClock,
    }),
  ]);
  // An answer that is still awaited does not hold the end up.
  process.exit(0);
}

function recordedSoFar({ reports, bytes }: RecordProgress): string {
  return `reports recorded: ${reports}, ${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** Rewrites one line on a terminal; elsewhere prints a line now and then. */
function progressLine<T>(inWords: (progress: T) => string): (progress: T, last?: boolean) => void {
  const { isTTY } = process.stdout;
  let printed_ms = 0;
  return (progress, last = false) => {
    const now_ms = systemClock.now();
    if (!last && now_ms - printed_ms < (isTTY ? 200 : 5000)) return;
    printed_ms = now_ms;
    const line = inWords(progress);
    process.stdout.write(isTTY ? `\r\u001b[K${line}${last ? "\n" : ""}` : `${line}\n`);
  };
}

function interruptible(): AbortSignal {
  const abort = new AbortController();
  onInterrupt(() => abort.abort());
  return abort.signal;
}

function onInterrupt(end: () => void): void {
  let asked = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (asked) process.exit(EXIT_INTERRUPTED);
      asked = true;
      end();
    });
  }
}

function fail(error: unknown): never {
  const known = error instanceof UsageError || error instanceof ConfigError || error instanceof EvenkeelError;
  process.stderr.write(`evenkeel: ${known ? error.message : ((error as Error)?.stack ?? String(error))}\n`);
  process.exit(error instanceof UsageError ? error.exit_code : 1);
}

// Whoever reads what is printed may have had enough, as head has.
for (const output of [process.stdout, process.stderr]) {
  output.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

// What it keeps is for whoever runs it alone.
process.umask(0o077);

run().catch(fail);

async function run(): Promise<void> {
  await main(parseCommand(process.argv.slice(2), process.env));
}
