/** What the tests of this folder share: a fleet that stands still until told, panels, and a real server. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer, type ServerType } from "@hono/node-server";
import { z } from "zod";
import { NO_LINKS } from "../metrics/links-out.ts";
import { Orders } from "../metrics/orders.ts";
import type { Read, RecentSeries } from "../metrics/read.ts";
import type { AccountStore } from "../metrics/store/accounts.ts";
import type { Page, Panel } from "../views/panel.ts";
import { definePanel } from "../views/panel.ts";
import { Part } from "../views/part.tsx";
import { type AppDeps, createApp } from "./app.ts";
import type { Access } from "./auth/access.ts";
import { Hub, type HubLimits } from "./hub.ts";
import { ReportFeed } from "./report-feed.ts";
import type { App, Route } from "./route.ts";
import { SITE, type Site } from "./site.ts";
import { takeUpgrades } from "./upgrade.ts";

export const START_MS = Date.UTC(2026, 10, 23, 18, 24, 16);

/** Nothing is known yet; each field can be given. */
export function read(given: Partial<Read> = {}): Read {
  const whole: Read = {
    now_ms: START_MS,
    tick: 1,
    demo: false,
    status: { level: "healthy", reasons: [] },
    system: new Map(),
    tasks_by_state: {
      queued: 0,
      assigned: 0,
      running: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
      orphaned: 0,
    },
    queue: [],
    ended_by_type: new Map(),
    endedByModel: () => null,
    alerts: [],
    alert_news: [],
    allAlerts: () => [],
    anomalies: () => [],
    alertsOf: () => [],
    alertsBetween: () => [],
    silences: () => [],
    rules: () => [],
    rules_error: null,
    telling: () => ({ receivers: [], waiting: [], ended: [] }),
    sources: [],
    self: SELF,
    workers: () => [],
    worker: () => undefined,
    gone: () => undefined,
    life: () => [],
    tasksOf: () => [],
    usual: () => null,
    task: () => undefined,
    scores: () => undefined,
    matches: () => undefined,
    waiting: () => null,
    runs: (from_ms) => ({ complete_from_ms: from_ms, of: () => [] }),
    oldestQueued: () => undefined,
    range: ({ step_ms, series }) => ({
      step_ms,
      tier_s: 1,
      at_ms: [],
      columns: series.map(() => ({ mean: [], min: [], max: [], count: [] })),
    }),
    marks: () => [],
    durations: () => [],
    durationsTier_s: () => 60,
    recent: (metric): RecentSeries => ({ metric, at_ms: [], mean: [], min: [], max: [] }),
    filters: {},
    orders: new Orders(),
    recent_cut: null,
    tasks: () => [],
    liveTask: () => undefined,
    ended: () => [],
    firstMoment: () => null,
    cut: () => undefined,
    cutNames: () => [],
    totals: () => [],
    filtered: (filters) => ({ ...whole, filters }),
    ...given,
  };
  return whole;
}

const SELF: Read["self"] = {
  version: "1.2.3",
  url: "http://127.0.0.1:8080/",
  token_needed: false,
  alerts_file: true,
  links: NO_LINKS,
  started_at_ms: START_MS,
  connectors: [],
  ticks: 1,
  tick_ms: 1_000,
  tick_p50_ms: 1,
  tick_p99_ms: 2,
  ticks_late: 0,
  reports_accepted: 0,
  reports_rejected: 0,
  last_rejection: null,
  unknown_fields: 0,
  unknown_field_names: [],
  buffered_reports: 0,
  buffer_limit: 100,
  viewers: 0,
  viewers_dropped: 0,
  ticks_skipped: 0,
  store_bytes: 0,
  store_limit_bytes: null,
  store_oldest_ms: null,
  store_full_from_ms: null,
  store_error: null,
  series: 0,
  memory_bytes: 0,
  disk_free_bytes: null,
  limits_reached: {},
};

const NO_ACTIONS: AppDeps["alerts"] = {
  acknowledge: () => {},
  unacknowledge: () => {},
  silence: () => {},
  endSilence: () => {},
  testReceiver: async () => ({ at_ms: START_MS, ok: true, detail: "" }),
  reload: () => null,
};

/** What the test panels show. A row is a part of its own; the title is the skeleton. */
export interface Board {
  title: string;
  rows: Map<string, string>;
  /** Thrown by the panel instead of loading. */
  error: Error | null;
  loads: number;
}

const params = z.object({
  only: z.string().max(20).optional().describe("Row to show"),
  limit: z.coerce.number().int().min(1).max(100).default(50).describe("Most rows"),
});
const data = z.object({
  title: z.string().describe("What it is called"),
  rows: z.array(z.object({ id: z.string(), text: z.string() })).describe("What it shows"),
});

/** A panel with every form: a table, a chart, parts. */
function boardPanel(board: Board, id = "board"): Panel {
  return definePanel({
    id,
    title: `Board ${id}`,
    description: "Rows for a test.",
    api: `/api/${id}`,
    params,
    data,
    past: true,
    load({ now_ms }, { only, limit }) {
      board.loads++;
      if (board.error) throw board.error;
      const rows = [...board.rows].map(([row, text]) => ({ id: row, text }));
      const title = now_ms < START_MS ? `${board.title} as of ${now_ms}` : board.title;
      return { title, rows: rows.filter((row) => !only || row.id === only).slice(0, limit) };
    },
    view: ({ title, rows }) => (
      <div>
        <h3>{title}</h3>
        {rows.map((row) => (
          <Part as="p" id={`${id}-${row.id}`}>
            {row.text}
          </Part>
        ))}
      </div>
    ),
    table: ({ rows }) => ({ columns: ["id", "text"], rows: rows.map((row) => [row.id, row.text]) }),
    chart: ({ rows }) => (
      <svg viewBox="0 0 10 10" role="img" aria-label="Rows">
        <text>{rows.length}</text>
      </svg>
    ),
  });
}

/** A panel about one thing, named in its path. */
function thingPanel(): Panel {
  return definePanel({
    id: "thing",
    title: "Thing",
    description: "One thing.",
    api: "/api/things/:id",
    params: z.object({ id: z.string().describe("Its id") }),
    data: z.object({ id: z.string().describe("Its id") }),
    load: (_, { id }) => ({ id }),
    view: ({ id }) => <p>{id}</p>,
  });
}

function board(rows: Record<string, string> = { a: "one", b: "two" }): Board {
  return { title: "First", rows: new Map(Object.entries(rows)), error: null, loads: 0 };
}

export interface World {
  app: App;
  routes: readonly Route[];
  access: Access;
  hub: Hub;
  feed: ReportFeed;
  site: Site;
  board: Board;
  now: { read: Read };
  /** The next tick: the panels may show something else from here on. */
  tick(given?: Partial<Read>): Promise<void>;
}

export interface WorldOptions {
  /** Left out, one that stands still until told. */
  read?: AppDeps["read"];
  readAt?: AppDeps["readAt"];
  accounts?: AccountStore;
  settings?: Partial<AppDeps["settings"]>;
  settings_in_force?: AppDeps["settings_in_force"];
  limits?: Partial<HubLimits>;
  ingest?: AppDeps["ingest"];
  mark?: AppDeps["mark"];
  alerts?: Partial<AppDeps["alerts"]>;
  ready?: AppDeps["ready"];
  /** Left out: a page "/" of two boards and a page "/things/:id". */
  site?: Site;
}

/** Nobody has to log in, and nothing is chosen. */
const NO_ACCOUNTS = {
  hasUsers: () => false,
  hasIngestTokens: () => false,
  tokenByHash: () => undefined,
  accessVersion: () => 0,
  note: () => {},
  sharedViews: () => [],
  get sessions(): never {
    throw new Error("this world has no sessions");
  },
} as Partial<AccountStore> as AccountStore;

export function world({
  settings,
  settings_in_force = [],
  limits,
  read: ofFleet,
  readAt,
  accounts = NO_ACCOUNTS,
  ingest,
  mark,
  alerts,
  ready,
  site,
}: WorldOptions = {}): World {
  const shown = board();
  const [one, other, thing] = [boardPanel(shown), boardPanel(shown, "other"), thingPanel()];
  const pages: Page[] = [
    { path: "/", title: "Boards", layout: "dashboard", panels: [one, other] },
    { path: "/things/:id", title: "Thing", layout: "column", panels: [thing] },
    { path: "/status", title: "Status", layout: "column", panels: [one] },
  ];
  const everything = site ?? { ...SITE, panels: [one, other, thing], pages, header: null };
  const now = { read: read() };
  const newest = ofFleet ?? (() => now.read);
  const hub = new Hub({ read: newest, ...(limits ? { limits } : {}) });
  const feed = new ReportFeed(newest, () => {});
  const { app, routes, access } = createApp({
    read: newest,
    readAt: readAt ?? (async (at_ms) => ({ ...now.read, now_ms: at_ms })),
    hub,
    feed,
    ingest: ingest ?? (async () => ({ accepted: 1, rejected: 0, errors: [] })),
    mark: mark ?? (() => {}),
    alerts: { ...NO_ACTIONS, ...alerts },
    accounts: () => accounts,
    ready: ready ?? (() => null),
    settings: {
      base_path: "/",
      external_url: "",
      open_to_all: true,
      trusted_proxies: [],
      frame_ancestors: ["'self'", "https://team.example"],
      ingest_token: null,
      max_body_bytes: 10_000,
      report_limits: {
        max_workers: 1_000,
        max_live_tasks: 1_000,
        max_metric_names_per_source: 64,
        max_tags: 64,
        max_string_length: 1_024,
      },
      version: "1.2.3",
      ...settings,
    },
    settings_in_force,
    site: everything,
  });
  return {
    app,
    routes,
    access,
    hub,
    feed,
    site: everything,
    board: shown,
    now,
    tick(given = {}) {
      const { tick, now_ms } = now.read;
      now.read = { ...now.read, tick: tick + 1, now_ms: now_ms + 1_000, ...given };
      return hub.publish();
    },
  };
}

/** A server on a port of its own; `origin` is where. */
export async function listen(
  app: App,
): Promise<{ server: ServerType; origin: string; close(): Promise<void> }> {
  const server = createAdaptorServer({ fetch: app.fetch });
  takeUpgrades(server as Server, app.fetch);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    server,
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}
