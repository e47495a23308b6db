import { raw } from "hono/html";
import type { Child } from "hono/jsx";
import { CUTS, type Cut } from "../metrics/catalogue.ts";
import type { Filters, Read } from "../metrics/read.ts";
import { Name, Time } from "./components.tsx";
import { FILTER_LABEL, FILTER_NAMES } from "./filters.ts";
import { clean, inUtc, shorten } from "./format.ts";
import { flatten } from "./frame.tsx";
import type { Markup, Page, Panel } from "./panel.ts";
import { DENSITIES, type Density, type SavedView, THEMES, type Theme } from "./preferences.ts";
import { PAGES } from "./registry.ts";
import { Settings, type SettingsView } from "./settings.tsx";

/** How any page looks, whatever it shows. */
export interface Look {
  /** Ends with a slash; every link, form and asset is relative to it. */
  readonly base: string;
  readonly theme: Theme;
  readonly density: Density;
  /** The zone that times are shown in; empty: the browser's own. */
  readonly tz: string;
  /** False where it is not loaded again by itself without JavaScript either: somebody fills in a form. */
  readonly reload: boolean;
  /** True for a wall: without what is there to be clicked. */
  readonly kiosk: boolean;
  readonly assets: {
    readonly style: string;
    readonly script: string;
    readonly charts: string;
    readonly icon: string;
  };
  /** The address as it was asked for, below the base path, with its query. */
  readonly url: string;
}

/** What a page of HTML needs beside its panels. */
export interface Around extends Look {
  /** As of the newest tick, or of the moment of the past that is shown. */
  readonly read: Read;
  /** Address of the stream of the page's panels, relative to the base; null for the past, which stands still. */
  readonly stream: string | null;
  /** Whether the page can be shown as it was. */
  readonly rewind: boolean;
  /** The newest tick, Unix milliseconds. */
  readonly newest_ms: number;
  /** What a page about one thing is about; null for any other. */
  readonly subject: string | null;
  /** What the viewer saved; empty for whoever has no session. */
  readonly views: readonly SavedView[];
  /** What narrows the page; null where it takes no filter. */
  readonly filters: Filters | null;
}

export interface ErrorFacts {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
}

const NAME_LENGTH = 64;
const DESCRIPTION = "Live dashboard of a fleet: its workers, its tasks, and their metrics.";

/** A whole page; `panels` is the rendered markup of each of its panels, in order. */
export function renderPage(
  page: Page,
  panels: readonly string[],
  around: Around,
  pages: readonly Page[] = PAGES,
): string {
  const { subject } = around;
  const title = subject === null ? page.title : `${page.title} ${clean(shorten(subject, NAME_LENGTH))}`;
  return document(
    <Document
      around={around}
      title={`${title} · Evenkeel dashboard`}
      json={withQuery(around.url, "format", "json")}
      live
      at_ms={pastOf(around)}
      refresh={around.stream !== null && page.panels.some(isLoadedAgain)}
      charts={page.panels.some((panel) => panel.script)}
    >
      <Header around={around} page={page} pages={pages} />
      <main id="main" class={page.layout} tabindex={-1}>
        {subject === null ? (
          <h1 class="vh">{page.title}</h1>
        ) : (
          <h1 class="subject">
            <small>{page.title}</small> <Name>{shorten(subject, NAME_LENGTH)}</Name>
          </h1>
        )}
        {raw(panels.join("\n"))}
      </main>
      <Live around={around} />
    </Document>,
  );
}

/** One panel as a page of its own, to be put into a frame. */
export function renderEmbed(panel: Panel, markup: string, around: Around): string {
  return document(
    <Document
      around={around}
      title={`${panel.title} · Evenkeel dashboard`}
      // An address of its own for each id is in no list: the panel's data is at the one of what is shown.
      json={panel.api.includes(":") ? undefined : relative(panel.api)}
      live
      at_ms={pastOf(around)}
      refresh={around.stream !== null && isLoadedAgain(panel)}
      charts={panel.script !== undefined}
      embed
    >
      <Trouble around={around} />
      <Stale around={around} />
      <main id="main" class="embed" tabindex={-1}>
        <h1 class="vh">{panel.title}</h1>
        {raw(markup)}
      </main>
      <footer>
        <a href="./" target="_top">
          Evenkeel
        </a>
        {around.read.demo ? <Demo /> : null}
        <LiveState around={around} />
      </footer>
      <Live around={around} />
    </Document>,
  );
}

/** The page of a viewer's own choices. */
export function renderSettings(
  view: Omit<SettingsView, "read">,
  around: Around,
  pages: readonly Page[] = PAGES,
): string {
  return document(
    <Document around={around} title="Settings · Evenkeel dashboard" live>
      <Header around={around} page={null} pages={pages} />
      <main id="main" class="column settings" tabindex={-1}>
        <h1>Settings</h1>
        <Settings read={around.read} {...view} />
      </main>
      <Live around={around} />
    </Document>,
  );
}

/** A page that says what went wrong and what to do about it. */
export function renderError(error: ErrorFacts, around: Look): string {
  return document(
    <Document around={around} title={`${error.title} · Evenkeel dashboard`}>
      <header>
        <a class="brand" href="./">
          Evenkeel
        </a>
      </header>
      <main id="main" class="error">
        <p class="code">{error.status}</p>
        <h1>{error.title}</h1>
        <p>{error.detail}</p>
        <p>{nextStep(error.status)}</p>
      </main>
    </Document>,
  );
}

function nextStep(status: number): Markup {
  if (status === 404) {
    return (
      <>
        What you look for may have been purged, or the address is mistyped.{" "}
        <a href="./">Go to the overview</a>.
      </>
    );
  }
  if (status >= 500) {
    return (
      <>
        Load the page again in a moment. <a href="status">The status page</a> shows how Evenkeel itself is
        doing.
      </>
    );
  }
  return (
    <>
      Correct the address and load it again, or <a href="./">go to the overview</a>.
    </>
  );
}

function document(markup: Markup): string {
  return `<!doctype html>\n${flatten(markup)}`;
}

/** htmx.org 4: what it must not morph, not swap and not remember. */
const HTMX_CONFIG = JSON.stringify({
  extensions: "sse",
  morphIgnore: ["data-htmx-powered", "open"],
  noSwap: [204, 304, "4xx", "5xx"],
  history: false,
  sse: { reconnectMaxDelay: "5s" },
});

/** Without JavaScript the page is loaded again this often. */
const RELOAD_S = 5;

/** Not a list: its order would change unasked, and its form be emptied. */
function isLoadedAgain({ live, params }: Panel): boolean {
  return live !== false && !("as_of" in params.shape);
}

interface DocumentProps {
  around: Look;
  /** The moment of the past that is shown. */
  at_ms?: number | undefined;
  title: string;
  json?: string | undefined;
  live?: boolean;
  /** Whether it is loaded again and again where there is no JavaScript: never under somebody who fills in a form. */
  refresh?: boolean;
  charts?: boolean;
  embed?: boolean;
  children?: Child;
}

function Document({
  around,
  at_ms,
  title,
  json,
  live = false,
  refresh = false,
  charts = false,
  embed = false,
  children,
}: DocumentProps) {
  const { assets } = around;
  const classes = [embed && "embedded", around.kiosk && "kiosk", around.density === "compact" && "compact"]
    .filter((name) => name !== false)
    .join(" ");
  return (
    <html
      lang="en"
      data-theme={around.theme === "auto" ? undefined : around.theme}
      class={classes === "" ? undefined : classes}
      data-at={at_ms}
      data-tz={around.tz === "" ? undefined : around.tz}
    >
      <head>
        <meta charset="utf-8" />
        <title>{title}</title>
        <base href={around.base} />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="description" content={DESCRIPTION} />
        <meta name="color-scheme" content={around.theme === "auto" ? "light dark" : around.theme} />
        <link rel="stylesheet" href={assets.style} />
        <link rel="icon" href={assets.icon} type="image/svg+xml" />
        {json === undefined ? null : <link rel="alternate" type="application/json" href={json} />}
        {live ? (
          <>
            <meta name="htmx-config" content={HTMX_CONFIG} />
            <script src={assets.script} defer></script>
            {charts ? <script src={assets.charts} defer></script> : null}
            {refresh && around.reload ? (
              <noscript>
                <meta http-equiv="refresh" content={String(RELOAD_S)} />
              </noscript>
            ) : null}
          </>
        ) : null}
      </head>
      <body>{children}</body>
    </html>
  );
}

interface HeaderProps {
  around: Around;
  /** Null for a page that is not one of panels. */
  page: Page | null;
  pages: readonly Page[];
}

function Header({ around, page, pages }: HeaderProps) {
  return (
    <header>
      <a class="skip" href={`${ownAddress(around.url)}#main`}>
        Skip to the panels
      </a>
      <div class="top">
        <a class="brand" href={kept("/", around.url, heldBy(page))}>
          Evenkeel
        </a>
        <nav aria-label="Pages">
          {pages
            .filter(({ subject, aside }) => subject === undefined && !aside)
            .map((other) => (
              <a
                href={kept(other.path, around.url, filtersOf(other, page, around))}
                aria-current={currentOf(other, page)}
                data-key={other.key}
              >
                {other.title}
              </a>
            ))}
        </nav>
        <SearchBox around={around} page={page} />
        {around.read.demo ? <Demo /> : null}
        {around.filters === null ? null : <FilterMenu around={around} filters={around.filters} />}
        <ViewMenu around={around} />
        <LiveState around={around} />
        {around.rewind && around.stream !== null ? (
          <a class="rewind" href={withQuery(around.url, "at", "-5m")} title="Show this page as it was">
            Rewind 5 min
          </a>
        ) : null}
      </div>
      {around.filters === null ? null : <Chips around={around} filters={around.filters} page={page} />}
      {around.stream === null ? <Past around={around} /> : null}
      <Trouble around={around} />
      <Stale around={around} />
    </header>
  );
}

/** A page about one thing is below one of the navigation. */
function currentOf(other: Page, page: Page | null): "page" | "true" | undefined {
  if (other.path === page?.path) return "page";
  return other.path === page?.subject?.below ? "true" : undefined;
}

function Demo() {
  return (
    <span class="demo" title="Generated data; it ends with the first real report">
      DEMO FLEET
    </span>
  );
}

/** Finds anything by its name; beside it the way to the keys that every page knows. */
function SearchBox({ around, page }: { around: Around; page: Page | null }) {
  const params = new URLSearchParams(splitOnce(around.url, "?")[1]);
  const q = page?.path === "/search" ? (params.get("q") ?? "") : "";
  return (
    <search>
      <form method="get" action="search">
        <input type="search" name="q" value={clean(q)} placeholder="Search (/)" aria-label="Search" />
        {LOOK.map((name) => {
          const value = params.get(name);
          return value ? <input type="hidden" name={name} value={value} /> : null;
        })}
        <a href={kept("keys", around.url, [])} title="Keys" aria-label="Keys" data-key="?">
          ?
        </a>
      </form>
    </search>
  );
}

/** What the page can be narrowed to: a form of its own, so that it works in any browser. */
function FilterMenu({ around, filters }: { around: Around; filters: Filters }) {
  const [path = "", query = ""] = splitOnce(around.url, "?");
  const others = [...new URLSearchParams(query)].filter(
    ([name]) => !FILTER_NAMES.includes(name as keyof Filters) && !PLACE.includes(name),
  );
  return (
    <details class="menu">
      <summary>Filter</summary>
      <form method="get" action={relative(path)}>
        {CUTS.map((cut) => (
          <label>
            {FILTER_LABEL[cut]}
            <select name={cut}>
              <option value="">every</option>
              {optionsOf(around.read, cut, filters[cut]).map((name) => (
                <option value={name} selected={name === filters[cut]}>
                  {clean(shorten(name, NAME_LENGTH))}
                </option>
              ))}
            </select>
          </label>
        ))}
        <label>
          {FILTER_LABEL.q}
          <input type="text" name="q" value={filters.q} placeholder="id, host, tag or model" />
        </label>
        {others.map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        <button type="submit">Apply</button>
      </form>
    </details>
  );
}

/** The parts that there are, and the one that is asked for even while it is not there. */
function optionsOf(read: Read, cut: Cut, chosen: string | undefined): readonly string[] {
  const names = read.cutNames(cut);
  return chosen === undefined || names.includes(chosen) ? names : [chosen, ...names];
}

/** The filters that hold, each to be taken away. */
function Chips({ around, filters, page }: { around: Around; filters: Filters; page: Page | null }) {
  const params = new URLSearchParams(splitOnce(around.url, "?")[1]);
  const own = LIST_FILTERS.filter(({ name }) => page?.panels.some((panel) => name in panel.params.shape));
  const given = [
    ...FILTER_NAMES.map((name) => ({ name, label: FILTER_LABEL[name], value: filters[name] ?? "" })),
    ...own.map(({ name, label }) => ({
      name,
      label,
      value: params.getAll(name).filter(Boolean).join().replaceAll(",", ", "),
    })),
  ].filter(({ value }) => value !== "");
  if (given.length === 0) return null;
  const all = given.map(({ name }) => name);
  return (
    <nav class="chips" aria-label="Filters that hold">
      {given.map(({ name, label, value }) => (
        <a class="chip" href={without(around.url, [name, ...PLACE])} title={`Take away: ${label}`}>
          {label}: <Name>{shorten(value, NAME_LENGTH)}</Name> <span aria-hidden="true">×</span>
        </a>
      ))}
      {given.length === 1 ? null : <a href={without(around.url, [...all, ...PLACE])}>Clear all</a>}
    </nav>
  );
}

/** Filters that lists have beside those of every page. */
const LIST_FILTERS = [
  { name: "status", label: "State" },
  { name: "tag", label: "Tag" },
  { name: "worker", label: "Worker" },
] as const;

/** Where in a list the page is: another filter begins it anew. */
const PLACE: readonly string[] = ["page", "as_of"];

/** How the page looks, and what the viewer saved. */
function ViewMenu({ around }: { around: Around }) {
  return (
    <details class="menu end">
      <summary>View</summary>
      <div>
        <Choice around={around} name="theme" label="Theme" values={THEMES} />
        <Choice around={around} name="density" label="Density" values={DENSITIES} />
        <p>
          <a href={withQuery(around.url, "kiosk", "on")}>Kiosk</a> <small>for a wall: no menus</small>
        </p>
        {around.views.length === 0 ? null : (
          <nav aria-label="Saved views">
            <h2>Saved views</h2>
            {around.views.map(({ name, url }) => (
              <a href={relative(url)}>
                <Name>{shorten(name, NAME_LENGTH)}</Name>
              </a>
            ))}
          </nav>
        )}
        <form method="post" action="settings/views">
          <input type="hidden" name="url" value={around.url} />
          <label>
            Save this view as
            <input type="text" name="name" required maxlength={80} />
          </label>
          <button type="submit">Save</button>
        </form>
        <p>
          <a href={kept("settings", around.url, [])}>Settings</a>
        </p>
      </div>
    </details>
  );
}

function Choice({
  around,
  name,
  label,
  values,
}: {
  around: Around;
  name: "theme" | "density";
  label: string;
  values: readonly string[];
}) {
  return (
    <nav class="choice" aria-label={label}>
      <span aria-hidden="true">{label}</span>
      {values.map((value) => (
        <a
          href={withQuery(around.url, name, value)}
          aria-current={value === around[name] ? "true" : undefined}
        >
          {value}
        </a>
      ))}
    </nav>
  );
}

/** How fresh the page is. The page's script replaces the words and sets `data-state`. */
function LiveState({ around }: { around: Around }) {
  if (around.stream === null) return null;
  return (
    <div id="live-state" role="status">
      as of <Time at_ms={around.read.now_ms} />
      <noscript>
        {" "}
        <a href={around.reload ? withQuery(around.url, "refresh", "off") : without(around.url, ["refresh"])}>
          {around.reload ? "hold still" : "go on"}
        </a>
      </noscript>
    </div>
  );
}

/** From here to the next moment that may be looked at. */
const STEPS = [
  ["−1 h", -3_600_000],
  ["−5 min", -300_000],
  ["−1 min", -60_000],
  ["−10 s", -10_000],
  ["+10 s", 10_000],
  ["+1 min", 60_000],
  ["+5 min", 300_000],
  ["+1 h", 3_600_000],
] as const;

/** Says that this is the past, and leads to other moments and back. */
function Past({ around }: { around: Around }) {
  const { now_ms } = around.read;
  const [path = "", query = ""] = splitOnce(around.url, "?");
  const others = [...new URLSearchParams(query)].filter(([name]) => name !== "at");
  return (
    <form id="past" method="get" action={relative(path)} aria-label="Moment that is shown">
      <p>
        <b>As it was</b> at <Time at_ms={now_ms} full /> <span class="zone"></span>
      </p>
      <nav aria-label="Other moments">
        {STEPS.map(([label, step_ms]) =>
          now_ms + step_ms > around.newest_ms ? (
            <span>{label}</span>
          ) : (
            <a href={withQuery(around.url, "at", String(now_ms + step_ms))}>{label}</a>
          ),
        )}
      </nav>
      {others.map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
      <label>
        <span class="vh">Another moment</span>
        <input name="at" value={inUtc(now_ms)} size={22} />
      </label>
      <button type="submit">Show</button>
      <a class="live" href={without(around.url, ["at"])}>
        Back to live
      </a>
    </form>
  );
}

/** The moment of the past that is shown. */
function pastOf({ read, stream }: Around): number | undefined {
  return stream === null ? read.now_ms : undefined;
}

/** What is wrong with Evenkeel itself, on every page; each tick's facts tell the page's script. */
function Trouble({ around }: { around: Around }) {
  const { store_error } = around.read.self;
  return (
    <div id="trouble" role="alert" hidden={store_error === null}>
      <b>Nothing is written to disk at present.</b> What you see is live; history has a gap unless this ends
      soon. <span>{store_error === null ? "" : clean(store_error)}</span>
    </div>
  );
}

/** Shown by the page's script when ticks stop; it also puts the class `stale` on the root element. */
function Stale({ around }: { around: Around }) {
  return (
    <div id="stale" role="alert" hidden>
      <b>Updates have stopped.</b> What you see is of <Time at_ms={around.read.now_ms} />. Evenkeel is asked
      again every few seconds; if this stays, check that it runs and that you can reach it.
    </div>
  );
}

/** Holds the one connection of the page. It is never morphed: it stands outside of every panel. */
function Live({ around }: { around: Around }) {
  if (around.stream === null) return null;
  const connection = {
    "hx-sse:connect": around.stream,
    "hx-swap": "none",
    "hx-trigger": "load, every 5s",
    "hx-sync": "this:drop",
  };
  return <div id="live" {...connection}></div>;
}

/** A path below the base as a link relative to it. */
function relative(path: string): string {
  const below = path.replace(/^\/+/, "");
  return below === "" || below.startsWith("?") ? `./${below}` : below;
}

/** Parameters that say how any page looks. */
const LOOK = ["theme", "density", "tz", "kiosk"];

/** A path below the base as a link, looking as the page at `url` does, and with these of its parameters. */
function kept(path: string, url: string, names: readonly string[]): string {
  const params = new URLSearchParams(splitOnce(url, "?")[1]);
  const query = new URLSearchParams(
    [...params].filter(([name, value]) => value !== "" && (LOOK.includes(name) || names.includes(name))),
  );
  return relative(query.size === 0 ? path : `${path}?${query}`);
}

/** The parameters of a page that are filters: a search has a text too, and narrows nothing. */
function heldBy(page: Page | null): readonly string[] {
  return page?.panels.some(({ params }) => "worker_type" in params.shape) ? FILTER_NAMES : [];
}

/** The filters that hold on another page too: history is kept by one cut at a time, and not by text. */
function filtersOf({ panels }: Page, here: Page | null, { filters }: Around): readonly string[] {
  if (panels.some((panel) => panel.filters)) return heldBy(here);
  const given = FILTER_NAMES.filter((name) => filters?.[name] !== undefined);
  const known = given.every((name) => panels.some((panel) => name in panel.params.shape));
  return known && given.length === 1 ? given : [];
}

/** The page's own address. A fragment needs it in full, since links are relative to the base. */
function ownAddress(url: string): string {
  return relative(url.replace(/#.*$/s, ""));
}

/** The page's own address with one parameter set, the others kept. */
function withQuery(url: string, name: string, value: string): string {
  const [path = "", query = ""] = splitOnce(ownAddress(url), "?");
  const params = new URLSearchParams(query);
  params.set(name, value);
  return `${path}?${params}`;
}

/** The page's own address without some parameters. */
function without(url: string, names: readonly string[]): string {
  const [path = "", query = ""] = splitOnce(ownAddress(url), "?");
  const left = new URLSearchParams([...new URLSearchParams(query)].filter(([name]) => !names.includes(name)));
  // Without any parameter the overview would begin with the viewer's own filters again.
  return `${path}?${left.size === 0 ? "all" : left}`;
}

function splitOnce(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return index === -1 ? [text, ""] : [text.slice(0, index), text.slice(index + at.length)];
}
