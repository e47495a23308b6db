import { raw } from "hono/html";
import type { z } from "zod";
import type { Read } from "../metrics/read.ts";
import { pathSegment } from "./identity.ts";
import { Menu } from "./menu.tsx";
import type { Markup, Panel } from "./panel.ts";
import { Part, Split } from "./part.tsx";

/** Loads and renders a panel with its frame. The same read and parameters give the same bytes. */
export function renderPanel(panel: Panel, params: z.output<z.ZodObject>, read: Read): Split {
  const data = (panel.glance ?? panel.load)(read, params);
  return new Split(flatten(<Frame panel={panel} data={data} params={params} />));
}

/** A panel's chart as a file of its own; undefined where the panel is no chart. */
export function renderChart(panel: Panel, params: z.output<z.ZodObject>, read: Read): string | undefined {
  if (panel.chart === undefined) return undefined;
  return new Split(flatten(panel.chart(panel.load(read, params), params))).html;
}

/** Control characters (but those that mark parts), and what overrides the direction of the text around it. */
const UNPRINTABLE = /[\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
/** A field's value goes back as it came. Its quotes are the attribute's: in a text they would be escaped. */
const VALUE_OR_UNPRINTABLE = new RegExp(` value="[^"]*"|${UNPRINTABLE.source}`, "g");

/**
 * Markup as one flat string: JSX yields a rope, which the test makes flat. Whatever a name or a message from outside
 * brings, no text of it reorders or hides what stands around it.
 */
export function flatten(markup: Markup | { toString(): unknown }): string {
  const html = String(markup);
  if (!UNPRINTABLE.test(html)) return html;
  return html.replace(VALUE_OR_UNPRINTABLE, (found) => (found.length > 1 ? found : ""));
}

interface FrameProps {
  panel: Panel;
  data: z.output<z.ZodObject>;
  params: z.output<z.ZodObject>;
}

function Frame({ panel, data, params }: FrameProps) {
  const id = `p-${panel.id}`;
  if (panel.bare) {
    return (
      <div id={id} class={panel.id}>
        {panel.view(data, params)}
      </div>
    );
  }
  return (
    <section id={id} class={`panel panel-${panel.id}`} aria-labelledby={`${id}-h`}>
      <h2 id={`${id}-h`}>
        {panel.title}{" "}
        {panel.note === undefined ? null : (
          <Part as="small" id={`${id}-n`}>
            {panel.note(data, params)}
          </Part>
        )}
      </h2>
      <div class="body">{panel.view(data, params)}</div>
      {panel.live === false ? null : raw(formsOf(panel, params))}
    </section>
  );
}

/** Of parameters that are watched, by the panel's id: they are the same each second. */
const forms = new WeakMap<z.output<z.ZodObject>, Map<string, string>>();

function formsOf(panel: Panel, params: z.output<z.ZodObject>): string {
  const kept = forms.get(params) ?? new Map<string, string>();
  forms.set(params, kept);
  const markup = kept.get(panel.id) ?? String(<Forms panel={panel} params={params} />);
  kept.set(panel.id, markup);
  return markup;
}

/** "⋮", as a reference: a letter beyond Latin 1 makes all of a panel's text take twice the memory. */
const DOTS = "&#8942;";

/** Where the panel is as data, as a drawing and as a page of its own; one of history says so below its charts. */
function Forms({ panel, params }: Omit<FrameProps, "data">) {
  const { title } = panel;
  const api = address(panel.api, params);
  return (
    <Menu id={`p-${panel.id}-f`} class="forms" button={raw(DOTS)} label={`${title} as data`}>
      <nav aria-label={`${title} as data`}>
        <a href={api}>JSON</a>
        {panel.table === undefined ? null : <a href={withParam(api, "format", "csv")}>CSV</a>}
        {panel.chart === undefined ? null : <a href={withParam(api, "format", "svg")}>SVG</a>}
        <a href={address(`/embed/${panel.id}`, params)}>Embed</a>
      </nav>
    </Menu>
  );
}

/** A path below the base as a link, with the parameters that were given: in the path those that it names. */
function address(path: string, params: z.output<z.ZodObject>): string {
  const query = new URLSearchParams();
  const inPath = new Set<string>();
  const filled = path.replace(/:(\w+)/g, (_, name: string) => {
    inPath.add(name);
    return pathSegment(String(params[name]));
  });
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && !inPath.has(name)) query.set(name, String(value));
  }
  return query.size === 0 ? filled.slice(1) : `${filled.slice(1)}?${query.toString().replaceAll("%2C", ",")}`;
}

function withParam(href: string, name: string, value: string): string {
  return `${href}${href.includes("?") ? "&" : "?"}${name}=${value}`;
}
