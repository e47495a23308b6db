import { raw } from "hono/html";
import type { Child } from "hono/jsx";
import { clean, shorten } from "../metrics/format.ts";
import { liveAddress, relative, withQuery } from "./address.ts";
import { Api, type ApiView } from "./api.tsx";
import type { Around, Look } from "./around.ts";
import { Name, Time } from "./components.tsx";
import { flatten } from "./frame.tsx";
import { Demo, Header, LiveState, Stale, Trouble } from "./header.tsx";
import { linksAt } from "./moment-links.ts";
import type { Markup, Page, Panel } from "./panel.ts";
import { withoutMarkers } from "./part.tsx";
import { API_PAGE, PAGES } from "./registry.ts";
import { Settings, type SettingsView } from "./settings.tsx";
import { withViewer } from "./viewer.tsx";

export interface ErrorFacts {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** More of it, as data: of a moment that can't be shown, which ones can. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
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
      header={around.header}
      refresh={
        around.stream !== null && page.panels.some(isLoadedAgain) && !page.panels.some(({ form }) => form)
      }
      charts={page.panels.some((panel) => panel.script)}
      restricted={!around.may_operate}
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
        {raw(withViewer(ofMoment(panels.join("\n"), around, pages), around.viewer))}
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
      restricted={!around.may_operate}
      embed
    >
      <Trouble around={around} />
      <Stale around={around} />
      <main id="main" class="embed" tabindex={-1}>
        <h1 class="vh">{panel.title}</h1>
        {raw(ofMoment(markup, around, PAGES))}
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
  view: Omit<SettingsView, "read" | "may_operate">,
  around: Around,
  pages: readonly Page[] = PAGES,
): string {
  return renderPlain(
    "Settings",
    around,
    <Settings read={around.read} may_operate={around.may_operate} {...view} />,
    pages,
  );
}

/** A page of forms, which is not one of panels. */
export function renderPlain(
  title: string,
  around: Around,
  content: Markup,
  pages: readonly Page[] = PAGES,
): string {
  return document(
    <Document around={around} title={`${title} · Evenkeel dashboard`} header={around.header} live>
      <Header around={around} page={null} pages={pages} />
      <main id="main" class="column settings" tabindex={-1}>
        <h1>{title}</h1>
        {content}
      </main>
      <Live around={around} />
    </Document>,
  );
}

/** The page of the interface itself. */
export function renderApi(view: ApiView, around: Around, pages: readonly Page[] = PAGES): string {
  return document(
    <Document
      around={around}
      title="API · Evenkeel dashboard"
      header={around.header}
      live
      json="openapi.json"
    >
      <Header around={around} page={API_PAGE} pages={pages} />
      <main id="main" class="column" tabindex={-1}>
        <h1 class="vh">API</h1>
        <Api {...view} />
      </main>
      <Live around={around} />
    </Document>,
  );
}

/** A page that says what went wrong and what to do about it. */
export function renderError(error: ErrorFacts, around: Look): string {
  return renderAlone(
    error.title,
    around,
    <>
      <p class="code">{error.status}</p>
      <h1>{error.title}</h1>
      <p>{error.detail}</p>
      <p>{error.details?.["parameter"] === "at" ? otherMoments(error, around) : nextStep(error.status)}</p>
    </>,
  );
}

/** A page that shows nothing of the fleet. */
export function renderAlone(title: string, look: Look, content: Markup): string {
  return document(
    <Document around={look} title={`${title} · Evenkeel dashboard`}>
      <header>
        <a class="brand" href="./">
          Evenkeel
        </a>
      </header>
      <main id="main" class="error">
        {content}
      </main>
    </Document>,
  );
}

function ofMoment(html: string, { stream, read }: Around, pages: readonly Page[]): string {
  return stream === null ? linksAt(html, read.now_ms, pages) : html;
}

/** Of a page that can't be shown as it was at some moment: when it can. */
function otherMoments({ details = {} }: ErrorFacts, { url }: Look): Markup {
  const { first_ms, before_ms } = details;
  const at = (at_ms: number) => withQuery(url, "at", String(at_ms));
  return (
    <>
      {typeof first_ms !== "number" ? null : (
        <>
          There is data from{" "}
          <a href={at(first_ms)}>
            <Time at_ms={first_ms} full />
          </a>{" "}
          on.{" "}
        </>
      )}
      {typeof before_ms !== "number" ? null : (
        <>
          The last moment before it is{" "}
          <a href={at(before_ms)}>
            <Time at_ms={before_ms} full />
          </a>
          .{" "}
        </>
      )}
      <a href={liveAddress(url)}>Show the page live</a>.
    </>
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
  if (status === 401 || status === 403) {
    return (
      <>
        Whoever runs this Evenkeel can let you in. <a href="./">Go to the overview</a>.
      </>
    );
  }
  return (
    <>
      Correct what is wrong and try again, or <a href="./">go to the overview</a>.
    </>
  );
}

function document(markup: Markup): string {
  return `<!doctype html>\n${withoutMarkers(flatten(markup))}`;
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
  header?: Around["header"];
  json?: string | undefined;
  live?: boolean;
  /** Whether it is loaded again and again where there is no JavaScript: never under somebody who fills in a form. */
  refresh?: boolean;
  charts?: boolean;
  embed?: boolean;
  /** True for who may only read: the forms that deal with alerts are not shown. */
  restricted?: boolean;
  children?: Child;
}

function Document({
  around,
  at_ms,
  title,
  header = null,
  json,
  live = false,
  refresh = false,
  charts = false,
  embed = false,
  restricted = false,
  children,
}: DocumentProps) {
  const { assets } = around;
  const counted = header === null ? 0 : header.critical + header.warning;
  const classes = [
    embed && "embedded",
    restricted && "restricted",
    around.kiosk && "kiosk",
    around.density === "compact" && "compact",
  ]
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
        <title>{counted > 0 ? `(${counted}) ${title}` : title}</title>
        {/* What is in another site's frame stands alone: all else is refused there, and opens beside it. */}
        <base href={around.base} target={embed ? "_blank" : undefined} />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="description" content={DESCRIPTION} />
        <meta name="color-scheme" content={around.theme === "auto" ? "light dark" : around.theme} />
        <link rel="stylesheet" href={assets.style} />
        <link
          rel="icon"
          href={header?.critical ? assets.alarm : assets.icon}
          type="image/svg+xml"
          data-icon={header === null ? undefined : assets.icon}
          data-alarm={header === null ? undefined : assets.alarm}
        />
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

/** The moment of the past that is shown. */
function pastOf({ read, stream }: Around): number | undefined {
  return stream === null ? read.now_ms : undefined;
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
