import { Hono } from "hono";
import { EvenkeelError } from "../errors.ts";
import type { SettingInForce } from "../kinds.ts";
import type { Mark } from "../metrics/model.ts";
import type { Read } from "../metrics/read.ts";
import type { AccountStore } from "../metrics/store/accounts.ts";
import { renderAccount, renderLogin } from "../views/account.tsx";
import { renderAdmin, renderUser } from "../views/admin.tsx";
import type { Around, Look } from "../views/around.ts";
import { renderEmbedBuilder } from "../views/embed-builder.tsx";
import { FILTERS } from "../views/filters.ts";
import { type FrameLink, withFrameLink } from "../views/frame-links.ts";
import type { ErrorFacts } from "../views/layout.tsx";
import type { Page, Panel } from "../views/panel.ts";
import { NO_PREFERENCES, THEMES } from "../views/preferences.ts";
import { renderServerSettings } from "../views/server-settings.tsx";
import { type AlertActions, alertRoutes } from "./alerts.ts";
import { failure } from "./answers.ts";
import { apiRoutes } from "./api.ts";
import { type Assets, assetRoutes, theAssets } from "./assets.ts";
import { Access, mayOperate } from "./auth/access.ts";
import { adminRoutes } from "./auth/admin.ts";
import { Guard } from "./auth/guard.ts";
import { linkOpens } from "./auth/links.ts";
import { loginRoutes } from "./auth/login.ts";
import { serverSettingsRoutes } from "./auth/server-settings.ts";
import { embedRoutes } from "./embeds.ts";
import { Forms } from "./forms.ts";
import { COMMON_HEADERS, embedHeaders, OWN_HEADERS } from "./headers.ts";
import { healthRoutes } from "./health.ts";
import type { Hub } from "./hub.ts";
import { type Ingest, ingestRoutes, type ReportLimits } from "./ingest.ts";
import { markRoutes } from "./marks.ts";
import { metricsRoute } from "./metrics.ts";
import type { Shown } from "./moment.ts";
import { mount } from "./mount.ts";
import { pageRoutes } from "./pages.ts";
import { panelRoutes } from "./panels.ts";
import { type Given, given, LOOK, type PanelRequest, panelRequest, parseParams } from "./params.ts";
import { clientOf, Proxies } from "./proxies.ts";
import { recordRoutes } from "./record.ts";
import type { ReportFeed } from "./report-feed.ts";
import type { App, Ctx, Route, Watch } from "./route.ts";
import { Sessions } from "./sessions.ts";
import { settingsRoutes } from "./settings.ts";
import { SITE, type Site } from "./site.ts";
import { socketRoutes } from "./socket-routes.ts";
import { streamRoutes, streamUrl } from "./stream.ts";

export type { App } from "./route.ts";

export interface AppDeps {
  /** The newest snapshot; it changes only at ticks. */
  read(): Read;
  /** The fleet as it was. @throws EvenkeelError */
  readAt(at_ms: number): Promise<Read>;
  /** @throws EvenkeelError */
  ingest: Ingest;
  /** @throws EvenkeelError */
  mark(mark: Mark): void;
  /** What people do about alerts, of the fleet that is shown. */
  alerts: AlertActions;
  hub: Hub;
  /** What is reported, for whoever records it. */
  feed: ReportFeed;
  /** Null when ready, else the reason. */
  ready(): string | null;
  /** Until the tick that is worked off is done; null while none is, and left out where none ever takes long. */
  ticking?(): Promise<void> | null;
  settings: {
    base_path: string;
    /** Where people reach the dashboard; empty where it is not said. */
    external_url: string;
    /** Whether everybody who reaches it may come in while there are no users. */
    open_to_all: boolean;
    /** IP addresses and networks of proxies that are believed. */
    trusted_proxies: readonly string[];
    frame_ancestors: string[];
    ingest_token: string | null;
    max_body_bytes: number;
    report_limits: ReportLimits;
    version: string;
  };
  /** All of them, as administrators are shown them. */
  settings_in_force: readonly SettingInForce[];
  /** Who may do what, and what they chose. */
  accounts(): AccountStore;
  /** True where whoever calls is trusted: the app is in nobody's reach. */
  trusted?: true;
  /** What is shown; left out, it is all there is. */
  site?: Site;
}

/** The whole HTTP interface. `routes` is the registry that it was made from. */
export function createApp(deps: AppDeps): { app: App; routes: readonly Route[]; access: Access } {
  const base_path = deps.settings.base_path.replace(/\/+$/, "");
  const site = deps.site ?? SITE;
  const assets = theAssets();
  const now_ms = () => deps.read().now_ms;
  const external = deps.settings.external_url === "" ? null : new URL(deps.settings.external_url);
  const isSecure = (c: Ctx) => {
    const { scheme, host } = clientOf(c);
    return scheme === "https" || (external?.protocol === "https:" && external.host === host);
  };
  const sessions = new Sessions(() => deps.accounts().sessions, now_ms, `${base_path}/`, isSecure);
  const { ingest_token, open_to_all } = deps.settings;
  const accounts = () => deps.accounts();
  const access = new Access({ accounts, sessions, ingest_token, now_ms, open_to_all });
  const routes = allRoutes(deps, site, assets, base_path, sessions, access);
  const app: App = new Hono();
  const proxies = new Proxies(deps.settings.trusted_proxies, deps.settings.external_url);
  app.use(async (c, next) => {
    c.set("proxies", proxies);
    await next();
    addHeaders(c.res.headers);
  });
  const fail = (c: Ctx, error: unknown) => {
    const response = failure(c, error, (facts) => errorPage(c, facts, site, assets, base_path));
    // Where a panel may be shown, why it is not may be too.
    if (c.req.path.startsWith(`${base_path}/embed/`)) {
      for (const [name, value] of Object.entries(embedHeaders(deps.settings.frame_ancestors)))
        response.headers.set(name, value);
    }
    return response;
  };
  app.onError((error, c) => fail(c, error));
  app.notFound((c) => {
    const path = JSON.stringify(c.req.path.slice(0, 200));
    return fail(
      c,
      new EvenkeelError("not_found", `There is nothing at ${path}; openapi.json lists all there is`),
    );
  });
  const guard = new Guard({
    access: deps.trusted ? null : access,
    note: (entry) => deps.accounts().note(entry),
    now_ms,
    base_path,
  });
  mount(app, routes, base_path, guard, deps.ticking);
  return { app, routes, access };
}

function allRoutes(
  deps: AppDeps,
  site: Site,
  assets: Assets,
  base_path: string,
  sessions: Sessions,
  access: Access,
): Route[] {
  const { hub, read, settings } = deps;
  const readAt = (at_ms: number) => deps.readAt(at_ms);
  const moment = { topics: hub.topics, read, readAt, turn: () => hub.turn() };
  const around = (
    c: Ctx,
    panels: readonly Panel[],
    values: Given,
    shown: Shown,
    preferences = NO_PREFERENCES,
    header: Panel | null = null,
  ): Around => ({
    ...look(c, values, assets, base_path, preferences),
    views: preferences.views,
    shared_views: deps.accounts().sharedViews(),
    may_operate: mayOperate(c.get("caller")),
    user: userOf(c),
    viewer: userOf(c)?.name ?? preferences.name,
    header: header && headerOf(header, shown),
    read: shown.read,
    stream: shown.moment === null ? streamUrl(header ? [...panels, header] : panels, values) : null,
    rewind: panels.length > 0 && panels.every((panel) => panel.past),
    subject: null,
    filters: panels.some((panel) => panel.filters) ? parseParams(FILTERS, values) : null,
    newest_ms: read().now_ms,
    first_ms: read().firstMoment(),
  });
  const forms = new Forms(base_path);
  const watch: Watch = (c, end) => access.watch(c.get("caller") ?? { kind: "nobody" }, end);
  const routes: Route[] = [
    ...healthRoutes(deps.ready),
    metricsRoute(read),
    ...ingestRoutes(deps.ingest, settings.max_body_bytes, settings.report_limits),
    ...recordRoutes(deps.feed, watch),
    ...markRoutes({ mark: deps.mark, now_ms: () => read().now_ms, demo: () => read().demo }),
    ...alertRoutes({ actions: deps.alerts, now_ms: () => read().now_ms, sessions, forms }),
    ...streamRoutes(site.panels, hub, watch),
    ...socketRoutes(site.panels, hub, watch),
    ...assetRoutes(assets),
    ...site.panels.flatMap((panel) =>
      panelRoutes(panel, {
        ...moment,
        site,
        embed: (c, request, markup, values, shown) => {
          const view = around(c, [panel], values, shown);
          // Frames are many, and over HTTP/1.1 a browser opens six connections to a host.
          const poll = view.stream !== null && c.env?.incoming?.httpVersionMajor === 1;
          const stream = poll ? streamUrl([panel], values, poll) : view.stream;
          const link = frameLinkOf(c, panel);
          const shown_by_it = link === null ? markup : withFrameLink(markup, panel, link);
          return site.renderEmbed(request.panel, shown_by_it, { ...view, stream });
        },
        embed_headers: embedHeaders(settings.frame_ancestors),
      }),
    ),
    ...site.pages.flatMap((page) =>
      pageRoutes(page, {
        ...moment,
        base_path,
        preferences: (c) => sessions.preferences(c),
        renderPage: (c, of, markup, values, shown) =>
          site.renderPage(of, markup, {
            ...around(c, of.panels, values, shown, sessions.preferences(c), site.header),
            subject: subjectOf(of, values, shown),
          }),
      }),
    ),
  ];
  const home = site.pages.find((page) => page.path === "/");
  const plain = (c: Ctx, preferences = sessions.preferences(c), values = given(c)) => {
    const shown = { read: read(), topic: (request: PanelRequest) => hub.topics.get(request), moment: null };
    return around(c, [], values, shown, preferences, site.header);
  };
  const accounts = {
    accounts: () => deps.accounts(),
    sessions,
    forms,
    now_ms: () => read().now_ms,
  };
  routes.push(
    ...settingsRoutes({
      sessions,
      accounts: accounts.accounts,
      panels: home?.panels ?? [],
      forms,
      renderSettings: (c, preferences, done) =>
        site.renderSettings(
          {
            preferences,
            panels: home?.panels ?? [],
            shared_views: deps.accounts().sharedViews(),
            done,
          },
          plain(c, preferences),
        ),
    }),
    ...loginRoutes({
      ...accounts,
      renderLogin: (c, view) => renderLogin(view, look(c, new Map(), assets, base_path)),
      renderAccount: (c, view) => renderAccount(view, plain(c)),
    }),
    ...embedRoutes({
      ...accounts,
      access,
      panels: site.panels.filter(({ bare, form }) => !bare && !form),
      frame_ancestors: settings.frame_ancestors,
      url: (c) => settings.external_url || addressAsked(c, base_path) || read().self.url,
      // The look in its address is the frame's.
      renderEmbedBuilder: (c, view) => renderEmbedBuilder(view, plain(c, sessions.preferences(c), new Map())),
    }),
    ...adminRoutes({
      ...accounts,
      renderAdmin: (c, view) => renderAdmin(view, plain(c)),
      renderUser: (c, view) => renderUser(view, plain(c)),
    }),
    ...serverSettingsRoutes(deps.settings_in_force, (c, settings) =>
      renderServerSettings(settings, plain(c)),
    ),
  );
  const api = apiRoutes({
    others: routes,
    version: settings.version,
    base_path,
    url: () => settings.external_url || read().self.url,
    renderApi: (c, view) => site.renderApi(view, plain(c)),
  });
  return [...routes, ...api];
}

function userOf(c: Ctx): Around["user"] {
  const caller = c.get("caller");
  return caller?.kind === "user" ? caller : null;
}

/** Where whoever asks reached the server; empty where that can't be told. */
function addressAsked(c: Ctx, base_path: string): string {
  const { scheme, host } = clientOf(c);
  const url = `${scheme ?? "http"}://${host}${base_path}/`;
  return URL.canParse(url) ? new URL(url).href : "";
}

/** Null for who sees every page. */
function frameLinkOf(c: Ctx, { id }: Panel): FrameLink | null {
  const caller = c.get("caller");
  if (caller?.kind !== "link") return null;
  return {
    text: c.req.query("link")!,
    opens: (params) => linkOpens(caller.link, { path: "", shows: id }, new Map(params)),
  };
}

/** What a page about one thing is about, as it is called. */
function subjectOf({ subject }: Page, values: Given, { read }: Shown): string | null {
  if (subject === undefined) return null;
  return subject.title?.(read, Object.fromEntries(values)) ?? String(values.get(subject.param));
}

/** The header's panel as it is shown now, and what it counts. */
function headerOf(panel: Panel, { topic }: Shown): Around["header"] {
  const found = topic(panelRequest(panel, new Map()));
  const { critical, warning } = found.data() as { critical: number; warning: number };
  return { html: found.rendered().html, critical, warning };
}

function look(c: Ctx, values: Given, assets: Assets, base_path: string, preferences = NO_PREFERENCES): Look {
  const { pathname, search, searchParams } = new URL(c.req.url);
  const base = `${base_path}/`;
  const asked = parseParams(LOOK, values);
  return {
    base,
    theme: asked.theme ?? preferences.theme,
    density: asked.density ?? preferences.density,
    tz: asked.tz ?? preferences.tz,
    reload: asked.refresh !== "off",
    kiosk: searchParams.has("kiosk"),
    assets: {
      style: base + assets.href("app.css"),
      script: base + assets.href("live.js"),
      charts: base + assets.href("charts.js"),
      icon: base + assets.href("icon.svg"),
      alarm: base + assets.href("alarm.svg"),
    },
    url: pathname.slice(base.length) + search,
  };
}

function errorPage(c: Ctx, view: ErrorFacts, site: Site, assets: Assets, base_path: string): string {
  const theme = c.req.query("theme");
  const values: Given = new Map(THEMES.some((one) => one === theme) ? [["theme", theme!]] : []);
  return site.renderError(view, look(c, values, assets, base_path));
}

function addHeaders(headers: Headers): void {
  // A stream has written its head itself.
  if (headers.has("x-hono-already-sent")) return;
  for (const [name, value] of Object.entries(COMMON_HEADERS)) headers.set(name, value);
  if (headers.has("Content-Security-Policy")) return;
  for (const [name, value] of Object.entries(OWN_HEADERS)) headers.set(name, value);
}
