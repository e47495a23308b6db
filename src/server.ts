import { readFileSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { type Alerts, loadAlerts } from "./alerts.ts";
import { demoPath, type Settings } from "./config.ts";
import { EvenkeelError } from "./errors.ts";
import { collectSmallHeap, keepHeapSmall, LiveHeap } from "./heap.ts";
import { isLoopback, type SettingInForce } from "./kinds.ts";
import { type Listener, listen } from "./listen.ts";
import type { Log } from "./log.ts";
import { type Clock, systemClock } from "./metrics/clock.ts";
import type { Connector } from "./metrics/collect/connect/connector.ts";
import { ConnectorRunner } from "./metrics/collect/connect/runner.ts";
import { createDemo } from "./metrics/collect/demo/demo.ts";
import { CYCLE_MS } from "./metrics/collect/demo/faults.ts";
import { runDemo } from "./metrics/collect/demo/runner.ts";
import type { Send } from "./metrics/collect/sender.ts";
import { Pipeline, type PipelineOptions } from "./metrics/pipeline.ts";
import { NO_ALERTS_FILE } from "./metrics/process/alerts-file.ts";
import { Heartbeat } from "./metrics/process/notify/heartbeat.ts";
import { Notify } from "./metrics/process/notify/notify.ts";
import type { Steps } from "./metrics/process/steps.ts";
import { type AccountStore, openAccounts } from "./metrics/store/accounts.ts";
import type { MetricStore } from "./metrics/store/contract.ts";
import { openStore } from "./metrics/store/sqlite.ts";
import { isEarly, nextTick_ms } from "./metrics/tick-timer.ts";
import { isTurnOver, turn } from "./metrics/turn.ts";
import { packageFile } from "./package-files.ts";
import type { AlertActions } from "./routes/alerts.ts";
import { type App, type AppDeps, createApp } from "./routes/app.ts";
import type { Access } from "./routes/auth/access.ts";
import { Hub } from "./routes/hub.ts";
import { ReportFeed } from "./routes/report-feed.ts";
import { renderPanel } from "./views/frame.tsx";

export interface RunningServer {
  /** Where it listens, base path included. */
  readonly url: string;
  /** What it shows and where that is kept, for whoever starts it. */
  describe(): string;
  /** Reads the files of alerts and of the certificate again; the log says what came of it. */
  reload(): void;
  /** Ends the streams, writes what was answered, closes the store. */
  stop(): Promise<void>;
}

/** Ended tasks are packed once nothing more is said of them, and the last hour's never: any SQL may ask for it. */
const PACK_AFTER_MS = 3_600_000;
/** The part of a tick's time after which what is left of the reports waits for the next: the rest takes its time, too. */
const APPLIED_SHARE = 0.3;
/** Kept in the store once a report came that was no demo's. */
const FIRST_REPORT = "first_report_ms";
/** How often the store is asked to seal and to enforce retention. */
const COMPACT_EVERY_MS = 60_000;
/** How often it is looked at how large the heap is. */
const HEAP_EVERY_MS = 100;
/** A start's own work is done by then, and what it needed can go. */
const STARTED_MS = 4000;
/**
 * Ticks of the demo fleet's past, times its workers, that are simulated before it is shown: its charts are
 * not empty then. For a small fleet that is one whole cycle of its faults, so that the next one begins under
 * the viewer's eyes; a large one gets less, so that it is not waited for.
 */
const DEMO_PAST_WORK = (15 * CYCLE_MS) / 1000;
const DEMO_PAST_LEAST_S = 60;

const NO_FILE = "no file of alerts is named that could be read again: start with EVENKEEL_ALERTS or --alerts";

/** What holds without a file of alerts. */
const NO_ALERTS: Alerts = {
  rules: NO_ALERTS_FILE.rules,
  plan: { config: NO_ALERTS_FILE.notify, reachable: { receivers: [], heartbeat: null } },
};

/** A pipeline with its store: the real one, or the demo fleet's. */
interface Instance {
  pipeline: Pipeline;
  store: MetricStore;
  /** The demo fleet's tells nobody, and can be tested. */
  notify: Notify;
  end(): Promise<void>;
}

export const VERSION: string = (
  JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string }
).version;

/**
 * Opens, wires and starts everything; resolves once it listens.
 *
 * @param in_force the settings as administrators are shown them
 */
export async function startServer(
  settings: Settings,
  log: Log,
  connectors: readonly Connector[] = [],
  in_force: readonly SettingInForce[] = [],
): Promise<RunningServer> {
  const evenkeel = new Evenkeel(settings, log, connectors, in_force);
  await evenkeel.start();
  return evenkeel;
}

class Evenkeel implements RunningServer {
  readonly #settings: Settings;
  readonly #in_force: readonly SettingInForce[];
  readonly #log: Log;
  readonly #clock: Clock = systemClock;
  readonly #started_at_ms = systemClock.now();
  readonly #hub: Hub;
  readonly #feed: ReportFeed;
  readonly #app: App;
  readonly #access: Access;
  #real: Instance | null = null;
  #demo: Instance | null = null;
  readonly #connectors: readonly Connector[];
  #runners: readonly ConnectorRunner[] = [];
  /** Whether a report ever came that was no demo's. */
  #reported = false;
  #accounts: AccountStore | null = null;
  #alerts: Alerts = NO_ALERTS;
  #heartbeat: Heartbeat | null = null;
  #listener: Listener | null = null;
  #timer: NodeJS.Timeout | null = null;
  #heap: LiveHeap | undefined;
  #heap_timer: NodeJS.Timeout | undefined;
  #started_timer: NodeJS.Timeout | undefined;
  /** Until the tick that is worked off is done. */
  #ticking: Promise<void> | null = null;
  /** Until what is shown is of one tick again; null while it is. */
  #settling: Promise<void> | null = null;
  #compacting: Promise<void> = Promise.resolve();
  #compacted_ms = 0;
  #stopped: Promise<void> | null = null;

  constructor(
    settings: Settings,
    log: Log,
    connectors: readonly Connector[],
    in_force: readonly SettingInForce[],
  ) {
    this.#settings = settings;
    this.#in_force = in_force;
    this.#log = log;
    this.#connectors = connectors;
    const read = () => this.#shown.pipeline.read();
    const { max_viewers, max_topics } = settings;
    const ticking = () => this.#settling;
    this.#hub = new Hub({ read, ticking, renderPanel, limits: { max_viewers, max_topics } });
    this.#feed = new ReportFeed(read, (listening) => this.#listenToReports(listening));
    const { app, access } = this.#createApp((body, type, sources) => this.#ingest(body, type, sources));
    this.#app = app;
    this.#access = access;
  }

  /** Empty until it listens. */
  get url(): string {
    return this.#listener?.url ?? "";
  }

  /** What viewers see. */
  get #shown(): Instance {
    const shown = this.#demo ?? this.#real;
    if (!shown) throw new EvenkeelError("unavailable", "Evenkeel is starting or stopping");
    return shown;
  }

  #createApp(ingest: AppDeps["ingest"], more: Pick<AppDeps, "trusted"> = {}) {
    const { base_path, external_url, trusted_proxies, frame_ancestors, ingest_token, max_body_bytes } =
      this.#settings;
    return createApp({
      read: () => this.#shown.pipeline.read(),
      readAt: (at_ms) => this.#shown.pipeline.readAt(at_ms),
      ingest,
      // On what is looked at: whoever sets a mark while the demo fleet is shown wants to see it.
      mark: (set) => this.#shown.pipeline.mark(set),
      alerts: this.#alertActions(),
      hub: this.#hub,
      accounts: () => this.#accountStore(),
      ...more,
      feed: this.#feed,
      ready: () => this.#notReady(),
      ticking: () => this.#settling,
      settings: {
        base_path,
        external_url,
        open_to_all: this.#settings.allow_unprotected,
        trusted_proxies,
        frame_ancestors: [...frame_ancestors],
        ingest_token: ingest_token === "" ? null : ingest_token,
        max_body_bytes,
        report_limits: this.#settings,
        version: VERSION,
      },
      settings_in_force: this.#in_force,
    });
  }

  /** What somebody did shows to all who watch at once. */
  #alertActions(): AlertActions {
    const on = (act: (pipeline: Pipeline, now_ms: number) => void) => {
      const { pipeline } = this.#shown;
      // Of the tick that is shown: what ends now is over in all that is seen of it.
      act(pipeline, pipeline.read().now_ms);
      this.#publish();
    };
    return {
      acknowledge: (id, by, note) => on((pipeline, now_ms) => pipeline.acknowledge(id, by, note, now_ms)),
      unacknowledge: (id, by) => on((pipeline, now_ms) => pipeline.unacknowledge(id, by, now_ms)),
      silence: (silence) => on((pipeline, now_ms) => pipeline.silence(silence, now_ms)),
      endSilence: (id) => on((pipeline, now_ms) => pipeline.endSilence(id, now_ms)),
      testReceiver: async (name) => {
        const { notify, pipeline } = this.#shown;
        const test = await notify.test(name);
        pipeline.lookAgain();
        this.#publish();
        return test;
      },
      reload: () => this.#readAlertsAgain(),
    };
  }

  #publish(): void {
    this.#hub.publish().catch((error: unknown) => this.#log("error", `publishing failed: ${String(error)}`));
  }

  /** Not in the demo fleet's database, which begins anew at each start. */
  #accountStore(): AccountStore {
    this.#accounts ??= openAccounts(this.#settings.db);
    return this.#accounts;
  }

  /** @throws EvenkeelError where others could reach it and nobody has to log in */
  #mustBeProtected(): void {
    const { host, allow_unprotected } = this.#settings;
    if (isLoopback(host) || allow_unprotected || this.#access.protected) return;
    throw new EvenkeelError(
      "invalid",
      `host must be a loopback address such as 127.0.0.1 while nobody has to log in; got "${host}". Make the first ` +
        "user with evenkeel user add NAME --role admin; or, to let every machine that reaches it read everything, " +
        "set EVENKEEL_ALLOW_UNPROTECTED=on",
    );
  }

  #warnOfPlainHttp(): void {
    const { host, tls_cert, trusted_proxies } = this.#settings;
    if (isLoopback(host) || tls_cert !== "" || trusted_proxies.length > 0) return;
    this.#log(
      "warn",
      "plain HTTP: whoever is on the way reads passwords and tokens; name a certificate (tls_cert, tls_key), " +
        "or listen on 127.0.0.1 behind a proxy with TLS",
    );
  }

  #notReady(): string | null {
    if (!this.#timer) return "starting or stopping";
    const { store_error } = this.#shown.pipeline.read().self;
    return store_error === null ? null : `the store can't write: ${store_error}`;
  }

  async start(): Promise<void> {
    const { db, demo, alerts } = this.#settings;
    if (alerts !== "") this.#alerts = loadAlerts(alerts, process.env);
    this.#heartbeat = this.#createHeartbeat();
    if (demo !== "on") this.#real = this.#open(db, this.#clock, false);
    this.#mustBeProtected();
    this.#reported = this.#real?.store.fact(FIRST_REPORT) !== undefined;
    const nobody = !this.#reported && this.#connectors.length === 0;
    if (demo === "on" || (demo === "auto" && nobody)) this.#demo = await this.#openDemo();
    this.#scheduleTick();
    this.#watchHeap();
    this.#listener = await listen(this.#app.fetch, this.#settings, this.#log);
    this.#warnOfPlainHttp();
    // Only now is the address known that the first page shows and messages link to.
    for (const instance of [this.#real, this.#demo]) {
      instance?.notify.start();
      instance?.pipeline.lookAgain();
    }
    this.#startConnectors();
  }

  /** Each asks on its own: nobody waits for one that is slow. */
  #startConnectors(): void {
    const { demo } = this.#settings;
    const real = this.#real;
    if (!real) {
      if (this.#connectors.length > 0)
        this.#log("warn", `no connector is asked while the demo fleet is shown (demo ${demo})`);
      return;
    }
    this.#runners = this.#connectors.map((connector) => {
      const before = real.pipeline.fleet.knownOf(connector.name);
      if (before) connector.resume?.(before);
      return new ConnectorRunner(connector, {
        clock: this.#clock,
        random: Math.random,
        log: (message) => this.#log("error", message),
        take: async (reports) => {
          const answer = await real.pipeline.collector.take(reports);
          if (answer.accepted > 0) await this.#noteReport(real);
          return answer;
        },
      });
    });
    for (const runner of this.#runners) runner.start();
  }

  #open(path: string, clock: Clock, demo: boolean): Instance {
    const settings = this.#settings;
    const { retention_ms, summary_retention_ms, task_retention_ms, max_db_bytes } = settings;
    const store = openStore(path, {
      retention_ms,
      summary_retention_ms,
      task_retention_ms,
      pack_after_ms: Math.max(PACK_AFTER_MS, settings.grace_ms),
      max_bytes: max_db_bytes === 0 ? null : max_db_bytes,
      fresh: demo,
    });
    const notify = this.#createNotify(store);
    const links = { worker: settings.worker_links, task: settings.task_links, alert: settings.alert_links };
    const options: PipelineOptions = {
      clock,
      store,
      demo,
      tick_ms: settings.tick_ms,
      limits: settings,
      fleet: settings,
      rules: this.#alerts.rules,
      notify,
      self: () => {
        const { viewers, viewers_dropped, ticks_skipped, limits_reached } = this.#hub.health();
        const refused = this.#listener?.refused ?? 0;
        return {
          version: VERSION,
          url: this.url,
          store_limit_bytes: settings.max_db_bytes === 0 ? null : settings.max_db_bytes,
          token_needed: this.#access.token_needed,
          alerts_file: settings.alerts !== "",
          links,
          started_at_ms: this.#started_at_ms,
          connectors: this.#runners.map(({ health }) => health),
          memory_bytes: process.memoryUsage.rss(),
          disk_free_bytes: freeBytes(path),
          viewers,
          viewers_dropped,
          ticks_skipped,
          limits_reached: {
            ...limits_reached,
            ...this.#feed.limits_reached,
            ...(refused > 0 && { max_connections: refused }),
          },
        };
      },
    };
    const end = async () => {
      await notify.close();
      await store.close();
    };
    return { pipeline: new Pipeline(options), store, notify, end };
  }

  #createNotify(store: MetricStore): Notify {
    const { external_url } = this.#settings;
    const options = {
      base_url: () => external_url || this.url,
      clock: this.#clock,
      random: Math.random,
      log: (message: string) => this.#log("error", message),
    };
    return new Notify(this.#alerts.plan, options, store);
  }

  #createHeartbeat(): Heartbeat | null {
    const { config, reachable } = this.#alerts.plan;
    const { heartbeat } = reachable;
    return heartbeat && new Heartbeat(heartbeat.url, heartbeat.interval_ms, config.network);
  }

  /** The demo fleet reports through the same route as anybody, into a database file of its own. */
  async #openDemo(): Promise<Instance> {
    const { db, demo_workers: workers, demo_tasks: tasks, demo_seed: seed } = this.#settings;
    const now_ms = Math.floor(this.#clock.now() / 1000) * 1000;
    const past_s = Math.max(DEMO_PAST_LEAST_S, Math.round(DEMO_PAST_WORK / Math.max(15, workers)));
    const start_ms = now_ms - past_s * 1000;
    const past = { now_ms: start_ms as number | null };
    const clock: Clock = { now: () => past.now_ms ?? this.#clock.now() };
    const instance = this.#open(demoPath(db), clock, true);
    const demo = createDemo({ workers, tasks, seed, start_ms });
    const { app } = this.#createApp((body, type) => accept(instance, body, type), { trusted: true });
    const send = sendTo(app, this.#settings.base_path);
    // Up to the present, which goes on meanwhile.
    for (past.now_ms = start_ms; past.now_ms <= this.#clock.now(); past.now_ms += 1000) {
      const reports = demo.reportsUntil(past.now_ms);
      await accept(
        instance,
        new TextEncoder().encode(reports.map((r) => JSON.stringify(r)).join("\n")),
        NDJSON,
      );
      instance.pipeline.tick(past.now_ms);
    }
    past.now_ms = null;
    instance.pipeline.countFromHere();
    const abort = new AbortController();
    const onError = (error: unknown) =>
      this.#log("error", `the demo fleet's report failed: ${String(error)}`);
    const running = runDemo({ demo, send, clock: this.#clock, signal: abort.signal, onError });
    const end = async () => {
      abort.abort();
      await running;
      await instance.end();
    };
    return { ...instance, end };
  }

  /** One line for whoever starts it: what is shown, and where it is kept. */
  describe(): string {
    const { db, demo, demo_workers } = this.#settings;
    if (!this.#demo) return `Fleet kept in ${db}`;
    const until =
      demo === "auto" ? " until the first real report comes (EVENKEEL_DEMO=off does without it)" : "";
    return `A simulated demo fleet of ${demo_workers} workers is shown${until}`;
  }

  /** Not to what the demo fleet reports until real reports come: nobody sent that. */
  #listenToReports(listening: boolean): void {
    const collector = (this.#real ?? this.#demo)?.pipeline.collector;
    if (collector) collector.onTaken = listening ? (taken) => this.#feed.take(taken) : null;
  }

  async #ingest(body: Uint8Array, type: string, sources: readonly string[] | null) {
    const instance = this.#real ?? this.#shown;
    const answer = await accept(instance, body, type, sources);
    if (this.#real) await this.#noteReport(this.#real);
    return answer;
  }

  /** Somebody has reported that is no demo. */
  async #noteReport({ pipeline }: Instance): Promise<void> {
    if (this.#reported) return;
    this.#reported = true;
    pipeline.remember({ [FIRST_REPORT]: String(this.#clock.now()) });
    await this.#endDemo();
  }

  /** Somebody reports for real: from here on only that is shown. */
  async #endDemo(): Promise<void> {
    const demo = this.#demo;
    if (!demo || !this.#real) return;
    this.#demo = null;
    this.#log("info", "a real report came: the demo fleet ends");
    await this.#ticking;
    await this.#tick();
    await demo.end();
  }

  reload(): void {
    const { alerts, tls_cert } = this.#settings;
    if (alerts !== "") this.#readAlertsAgain();
    if (tls_cert !== "") this.#listener?.renewCertificate();
    if (alerts === "" && tls_cert === "") this.#log("warn", NO_FILE);
  }

  /** @returns what is wrong with the file, where the former rules hold on */
  #readAlertsAgain(): string | null {
    const { alerts } = this.#settings;
    if (alerts === "") throw new EvenkeelError("invalid", NO_FILE);
    let error: string | null = null;
    try {
      this.#alerts = loadAlerts(alerts, process.env);
      this.#log("info", `${alerts} is read again`);
      this.#replaceNotify();
    } catch (caught) {
      error = (caught as Error).message;
      this.#log("error", `the former rules hold: ${error}`);
    }
    for (const instance of [this.#real, this.#demo]) {
      instance?.pipeline.setRules(error === null ? this.#alerts.rules : null, error);
    }
    return error;
  }

  #replaceNotify(): void {
    const { plan } = this.#alerts;
    const replaced = [
      this.#heartbeat?.close(),
      this.#real?.notify.replace(plan),
      this.#demo?.notify.replace(plan),
    ];
    this.#heartbeat = this.#createHeartbeat();
    Promise.all(replaced).catch((error: unknown) => this.#log("error", `receivers: ${String(error)}`));
  }

  /** A thread that starts takes V8's flags back: until they are set again much may grow. */
  #watchHeap(): void {
    const heap = new LiveHeap();
    this.#heap = heap;
    const keep = () => keepHeapSmall(heap, this.#hub.streams);
    keep();
    this.#heap_timer = setInterval(keep, HEAP_EVERY_MS).unref();
    this.#started_timer = setTimeout(() => collectSmallHeap(heap), STARTED_MS).unref();
  }

  #scheduleTick(due_ms = nextTick_ms(this.#clock.now(), this.#settings.tick_ms)): void {
    this.#timer = setTimeout(() => {
      if (isEarly(this.#clock.now(), due_ms, this.#settings.tick_ms)) {
        this.#scheduleTick(due_ms);
        return;
      }
      this.#scheduleTick();
      void this.#tick();
    }, due_ms - this.#clock.now());
  }

  /** One at a time: what is not done when the next is due takes its turn. */
  #tick(): Promise<void> {
    this.#ticking ??= this.#workOff().finally(() => {
      this.#ticking = null;
    });
    return this.#ticking;
  }

  async #workOff(): Promise<void> {
    const now_ms = this.#clock.now();
    const { pipeline, store } = this.#shown;
    const applied_by_ms = performance.now() + APPLIED_SHARE * this.#settings.tick_ms;
    const steps = pipeline.ticking(now_ms, () => performance.now() < applied_by_ms);
    try {
      const settling = inTurns(steps, () => pipeline.settled);
      this.#settling = settling.catch(() => {});
      await settling;
      this.#settling = null;
      await turn();
      await inTurns(steps, () => false);
      if (pipeline.read().self.store_error === null) this.#heartbeat?.tick(now_ms);
    } catch (error) {
      this.#log("error", `a tick failed: ${(error as Error).stack ?? String(error)}`);
    }
    this.#settling = null;
    // Who watches is told of nothing that a crash would take back.
    this.#feed.publish();
    this.#publish();
    this.#endWhatIsRevoked();
    if (now_ms - this.#compacted_ms < COMPACT_EVERY_MS) return;
    this.#compacted_ms = now_ms;
    this.#compacting = this.#compacting
      .then(() => store.compact(now_ms))
      .catch((error: unknown) => this.#log("error", `compacting failed: ${String(error)}`));
  }

  #endWhatIsRevoked(): void {
    try {
      this.#access.tick();
    } catch (error) {
      this.#log("error", `what is open could not be checked: ${String(error)}`);
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    clearInterval(this.#heap_timer);
    clearTimeout(this.#started_timer);
    this.#heap?.close();
    await this.#hub.close();
    this.#feed.close();
    await this.#listener?.close();
    await Promise.all(this.#runners.map((runner) => runner.stop()));
    await this.#ticking;
    // What was answered since the last tick is written before the end.
    if (this.#real || this.#demo) {
      this.#shown.pipeline.keepAll();
      this.#shown.pipeline.tick(this.#clock.now());
    }
    await this.#compacting;
    await this.#heartbeat?.close();
    this.#accounts?.close();
    await this.#demo?.end();
    await this.#real?.end();
    this.#demo = null;
    this.#real = null;
  }
}

/** Works steps off until it is enough, and lets others take their turn whenever they have waited for so long. */
async function inTurns(steps: Steps, isEnough: () => boolean): Promise<void> {
  while (!steps.next().done && !isEnough()) if (isTurnOver()) await turn();
}

const NDJSON = "application/x-ndjson";

function accept(
  { pipeline }: Instance,
  body: Uint8Array,
  type: string,
  sources: readonly string[] | null = null,
) {
  return pipeline.collector.accept(body, type === NDJSON ? "ndjson" : "json", sources);
}

/** Sends to the ingest route of an app in this process. */
function sendTo(app: App, base_path: string): Send {
  return async (body, type) => {
    const headers = { "Content-Type": type };
    const response = await app.request(`${base_path}api/ingest`, { method: "POST", body, headers });
    const retry_after_s = Number(response.headers.get("Retry-After") ?? Number.NaN);
    return {
      status: response.status,
      body: await response.json(),
      ...(Number.isFinite(retry_after_s) && { retry_after_s }),
    };
  };
}

/** Room on the disk that a file is on; null where the system does not tell. */
function freeBytes(path: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    return null;
  }
}
