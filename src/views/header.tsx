import { raw } from "hono/html";
import { CUTS, type Cut } from "../metrics/catalogue.ts";
import { clean, instant, inUtc, shorten } from "../metrics/format.ts";
import type { Filters, Read } from "../metrics/read.ts";
import { kept, LOOK, liveAddress, ownAddress, relative, splitOnce, without, withQuery } from "./address.ts";
import type { Around } from "./around.ts";
import { Name, Time } from "./components.tsx";
import { FILTER_LABEL, FILTER_NAMES } from "./filters.ts";
import { Menu } from "./menu.tsx";

import { isPast } from "./moment-links.ts";
import type { Page } from "./panel.ts";
import { DENSITIES, THEMES } from "./preferences.ts";

/** Letters of a name that a menu or a chip has room for. */
const NAME_LENGTH = 64;

interface HeaderProps {
  around: Around;
  /** Null for a page that is not one of panels. */
  page: Page | null;
  pages: readonly Page[];
}

export function Header({ around, page, pages }: HeaderProps) {
  return (
    <header>
      <a class="skip" href={`${ownAddress(around.url)}#main`}>
        Skip to the panels
      </a>
      <div class="top">
        <a class="brand" href={kept("/", around.url, [...heldBy(page), ...momentOf(pages[0]!, around)])}>
          Evenkeel
        </a>
        <nav aria-label="Pages">
          {pages
            .filter(({ subject, aside }) => subject === undefined && !aside)
            .map((other) => (
              <a
                href={kept(other.path, around.url, [
                  ...filtersOf(other, page, around),
                  ...momentOf(other, around),
                ])}
                aria-current={currentOf(other, page)}
                data-key={other.key}
              >
                {other.title}
              </a>
            ))}
        </nav>
        <SearchBox around={around} page={page} />
        {around.header === null ? null : raw(around.header.html)}
        {around.read.demo ? <Demo /> : null}
        <div class="menus">
          {around.filters === null || hasOwnForm(page) ? null : (
            <FilterMenu around={around} filters={around.filters} />
          )}
          <ViewMenu around={around} />
        </div>
        <LiveState around={around} reloads={page !== null && page.panels.length > 0} />
        {around.rewind && around.stream !== null ? <Rewind around={around} /> : null}
      </div>
      {around.filters === null ? null : <Chips around={around} filters={around.filters} page={page} />}
      {around.stream === null ? <Past around={around} /> : null}
      <Trouble around={around} />
      <Stale around={around} />
    </header>
  );
}

/** A list has the filters in a form of its own, beside others. */
function hasOwnForm(page: Page | null): boolean {
  return page?.panels.some(({ params }) => "as_of" in params.shape) ?? false;
}

/** The parameter that keeps the moment of the past that is shown, where another page can show it too. */
function momentOf(other: Page, { stream }: Around): readonly string[] {
  return stream === null && isPast(other) ? ["at"] : [];
}

/** A page about one thing is below one of the navigation. */
function currentOf(other: Page, page: Page | null): "page" | "true" | undefined {
  if (other.path === page?.path) return "page";
  return other.path === page?.subject?.below ? "true" : undefined;
}

export function Demo() {
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
    <Menu id="filter-menu" class="menu" button="Filter">
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
        <small>
          The types and families of <Time at_ms={around.read.now_ms} />
        </small>
      </form>
    </Menu>
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
      value: chipText(name, params.getAll(name).filter(Boolean).join()),
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

function chipText(name: string, text: string): string {
  // Links give the instant as a number.
  return name === "before" && /^\d+$/.test(text) ? instant(Number(text)) : text.replaceAll(",", ", ");
}

/** Filters that lists have beside those of every page. */
const LIST_FILTERS = [
  { name: "status", label: "State" },
  { name: "tag", label: "Tag" },
  { name: "worker", label: "Worker" },
  { name: "ended", label: "Ended" },
  { name: "before", label: "Ended before" },
] as const;

/** Where in a list the page is: another filter begins it anew. */
const PLACE: readonly string[] = ["page", "as_of"];

/** How the page looks, and what the viewer saved. */
function ViewMenu({ around }: { around: Around }) {
  return (
    <Menu id="view-menu" class="menu" button="View">
      <div>
        <Choice around={around} name="theme" label="Theme" values={THEMES} />
        <Choice around={around} name="density" label="Density" values={DENSITIES} />
        <p>
          <a href={withQuery(around.url, "kiosk", "on")}>Kiosk</a> <small>for a wall: no menus</small>
        </p>
        <SavedViews title="Saved views" views={around.views} />
        <SavedViews title="Views for all" views={around.shared_views} />
        <form method="post" action="settings/views">
          <input type="hidden" name="url" value={around.url} />
          <label>
            Save this view as
            <input type="text" name="name" required maxlength={80} />
          </label>
          <button type="submit">Save</button>
          {around.may_operate ? (
            <button type="submit" class="secondary" formaction="views">
              Save for all
            </button>
          ) : null}
        </form>
        <p>
          <a href={kept("settings", around.url, [])}>Settings</a> · <a href="embeds/new">Embed a panel</a> ·{" "}
          <a href={kept("api", around.url, [])} data-key="p">
            API
          </a>
        </p>
        {around.user === null ? null : <Own user={around.user} />}
      </div>
    </Menu>
  );
}

function SavedViews({ title, views }: { title: string; views: Around["views"] }) {
  if (views.length === 0) return null;
  return (
    <nav aria-label={title}>
      <h2>{title}</h2>
      {views.map(({ name, url }) => (
        <a href={relative(url)}>
          <Name>{shorten(name, NAME_LENGTH)}</Name>
        </a>
      ))}
    </nav>
  );
}

/** Whoever is logged in. */
function Own({ user: { name, role } }: { user: NonNullable<Around["user"]> }) {
  return (
    <>
      <p>
        <a href="account">{name}</a> <small>{role}</small>
        {role === "admin" ? (
          <>
            {" · "}
            <a href="admin">Administration</a>
          </>
        ) : null}
      </p>
      <form method="post" action="logout">
        <button type="submit">Log out</button>
      </form>
    </>
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
export function LiveState({ around, reloads = true }: { around: Around; reloads?: boolean }) {
  if (around.stream === null) return null;
  return (
    <div id="live-state" role="status">
      as of <Time at_ms={around.read.now_ms} />
      {reloads ? (
        <noscript>
          {" "}
          <a
            href={around.reload ? withQuery(around.url, "refresh", "off") : without(around.url, ["refresh"])}
          >
            {around.reload ? "hold still" : "go on"}
          </a>
        </noscript>
      ) : null}
    </div>
  );
}

const REWIND_MS = 300_000;

/** Five minutes back, or to the first moment where there is no such one. */
function Rewind({ around: { url, first_ms, newest_ms } }: { around: Around }) {
  if (first_ms === null || first_ms >= newest_ms) return null;
  const far = newest_ms - REWIND_MS >= first_ms;
  return (
    <a
      class="rewind"
      href={withQuery(url, "at", far ? "-5m" : String(first_ms))}
      title="Show this page as it was"
    >
      {far ? "Rewind 5 min" : "Rewind to the start"}
    </a>
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
          now_ms + step_ms > around.newest_ms || now_ms + step_ms < (around.first_ms ?? 0) ? (
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
      <a class="live" href={liveAddress(around.url)}>
        Back to live
      </a>
    </form>
  );
}

/** What is wrong with Evenkeel itself, on every page; each tick's facts tell the page's script. */
export function Trouble({ around }: { around: Around }) {
  const { store_error } = around.read.self;
  return (
    <div id="trouble" role="alert" hidden={store_error === null}>
      <b>Nothing is written to disk at present.</b> What you see is live; history has a gap unless this ends
      soon. <span>{store_error === null ? "" : clean(store_error)}</span>
    </div>
  );
}

/** Shown by the page's script when ticks stop; it also puts the class `stale` on the root element. */
export function Stale({ around }: { around: Around }) {
  return (
    <div id="stale" role="alert" hidden>
      <b>Updates have stopped.</b> What you see is of <Time at_ms={around.read.now_ms} />. Evenkeel is asked
      again every few seconds; if this stays, check that it runs and that you can reach it.
    </div>
  );
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
