import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { clean } from "../metrics/format.ts";
import type { Read } from "../metrics/read.ts";
import { toCsv } from "../views/csv.ts";
import type { Panel, Table } from "../views/panel.ts";
import { toText } from "../views/text.ts";
import { MOMENT } from "../views/window.ts";
import { answer, REVALIDATE, streamed } from "./answers.ts";
import { drawingHeaders } from "./headers.ts";
import { inTurns, type MomentDeps, prepared, type Shown, shownOf } from "./moment.ts";
import { namesHtml, negotiate } from "./negotiate.ts";
import { type Given, given, keepingOrder, type PanelRequest, panelRequest } from "./params.ts";
import type { Ctx, Route } from "./route.ts";
import type { Site } from "./site.ts";
import type { Topic } from "./topics.ts";

/** The forms of a panel's data, in our own order of preference. */
const FORMS = {
  json: "application/json",
  ndjson: "application/x-ndjson",
  csv: "text/csv",
  text: "text/plain",
  svg: "image/svg+xml",
} as const;
type Form = keyof typeof FORMS;

const HTML = "text/html; charset=utf-8";

interface PanelDeps extends MomentDeps {
  readonly site: Site;
  /** The whole page around an embedded panel, and the headers that let others frame it. */
  readonly embed: (c: Ctx, request: PanelRequest, markup: string, values: Given, shown: Shown) => string;
  readonly embed_headers: Readonly<Record<string, string>>;
}

/** The bare fragment, the page to embed and the data of one panel. */
export function panelRoutes(panel: Panel, deps: PanelDeps): Route[] {
  const params = panel.past ? panel.params.extend(MOMENT.shape) : panel.params;
  return [
    {
      method: "GET",
      path: `/panels/${panel.id}`,
      shows: panel.id,
      needs: "read",
      summary: `${panel.title}, as a fragment of HTML.`,
      params,
      ...exampleOf(panel),
      response: { description: panel.description, content: { "text/html": null } },
      handler: async (c) => {
        const values = given(c);
        const request = panelRequest(panel, values);
        const { topic, read } = await shownOf([panel], values, deps);
        await prepared([request], read);
        return answer(c, topic(request).rendered().html, { type: HTML, cache: REVALIDATE });
      },
    },
    {
      method: "GET",
      path: `/embed/${panel.id}`,
      shows: panel.id,
      needs: "read",
      summary: `${panel.title}, as a page to show in a frame.`,
      params,
      ...exampleOf(panel),
      response: { description: panel.description, content: { "text/html": null } },
      handler: async (c) => {
        const values = keepingOrder([panel], given(c), deps.read().now_ms);
        const request = panelRequest(panel, values);
        const shown = await shownOf([panel], values, deps);
        await prepared([request], shown.read);
        const page = deps.embed(c, request, shown.topic(request).rendered().html, values, shown);
        return answer(c, page, { type: HTML, cache: REVALIDATE, headers: deps.embed_headers });
      },
    },
    ...[panel.api, ...(panel.also ?? [])].map((path) => dataRoute(path, panel, params, deps)),
  ];
}

/** @param params those that all forms of the panel take */
function dataRoute(path: string, panel: Panel, params: z.ZodObject, deps: PanelDeps): Route {
  const forms = formsOf(panel);
  return {
    method: "GET",
    path,
    needs: "read",
    summary: `${panel.title}, as data.`,
    panel: panel.id,
    shows: panel.id,
    ...exampleOf(panel),
    params: params.extend({
      format: z
        .enum(forms as [Form, ...Form[]])
        .optional()
        .describe("Instead of Accept"),
    }),
    response: {
      description: panel.description,
      content: Object.fromEntries(
        forms.map((form) => [FORMS[form], form === "json" ? dataSchema(panel) : null]),
      ),
    },
    handler: async (c) => {
      const values = given(c);
      const form = chooseForm(panel, forms, values.get("format"), c.req.header("accept"));
      if (panel.slices && (form === "csv" || form === "ndjson")) {
        const { params, key } = panelRequest(panel, values);
        const { read } = await shownOf([panel], values, deps);
        const lines = form === "csv" ? csvSlices : ndjsonSlices;
        const type = `${FORMS[form]}; charset=utf-8`;
        return streamed(c, lines(panel.slices(read, params)), type, `${versionOf(read)} ${form} ${key}`);
      }
      const request = panelRequest(panel, values);
      const asked = await shownOf([panel], values, deps);
      // Of a large fleet its text is as much work again.
      const { topic, read } = await inTurns([request], asked, (one) => one.data(), deps);
      await deps.turn();
      const type = form === "json" || form === "ndjson" ? FORMS[form] : `${FORMS[form]}; charset=utf-8`;
      const text = dataAs(form, topic(request), deps.site, read);
      return answer(c, text, { type, ...(form === "svg" ? { headers: drawingHeaders(text) } : {}) });
    },
  };
}

const versions = new WeakMap<Read, number>();
let newest_version = 0;

/** Tells one read from all others, also of those before a restart: what is streamed can't be told by its text. */
function versionOf(read: Read): string {
  const version = versions.get(read) ?? ++newest_version;
  versions.set(read, version);
  return `${read.self.started_at_ms} ${version}`;
}

function exampleOf({ example }: Panel): Pick<Route, "example"> {
  return example === undefined ? {} : { example: { params: example } };
}

/** A panel's data as its API answers it. */
function dataSchema(panel: Panel): z.ZodObject {
  return z.object({ success: z.literal(true), ...panel.data.shape });
}

function formsOf(panel: Panel): Form[] {
  return [
    "json",
    "ndjson",
    ...(panel.table ? (["csv", "text"] as const) : []),
    ...(panel.chart ? (["svg"] as const) : []),
  ];
}

/** @throws EvenkeelError not_acceptable, which names the forms that there are. */
function chooseForm(
  panel: Panel,
  forms: readonly Form[],
  word: string | readonly string[] | undefined,
  accept: string | undefined,
): Form {
  if (word !== undefined) {
    const form = forms.find((one) => one === word);
    if (form) return form;
    throw notAcceptable(panel, forms, `format=${clean(String(word))}`);
  }
  // A browser that opens the address by hand also takes images; it is to see the data.
  if (namesHtml(accept)) return "json";
  const type = negotiate(
    accept,
    forms.map((form) => FORMS[form]),
  );
  const form = forms.find((one) => FORMS[one] === type);
  if (form) return form;
  throw notAcceptable(panel, forms, `Accept: ${accept}`);
}

function notAcceptable(panel: Panel, forms: readonly Form[], got: string): EvenkeelError {
  const there = forms.map((form) => `${form} (${FORMS[form]})`).join(", ");
  return new EvenkeelError(
    "not_acceptable",
    `Panel ${panel.id} comes as ${there}; got ${got.slice(0, 120)}`,
    {
      details: { formats: forms },
    },
  );
}

function dataAs(form: Form, topic: Topic, site: Site, read: Read): string {
  const { panel, params } = topic.request;
  if (form === "json") return `${withSuccess(topic.json())}\n`;
  if (form === "svg") {
    const data = topic.data();
    const svg = site.renderChart({ ...panel, load: () => data }, params, read) ?? "";
    return svg.includes("xmlns=") ? svg : svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
  }
  const table = panel.table?.(topic.data(), params);
  if (form === "ndjson") return table ? tableLines(table) : `${topic.json()}\n`;
  return form === "csv" ? toCsv(table!) : toText(table!);
}

/** `{"success":true` and then the members of a JSON object. */
function withSuccess(object: string): string {
  return object === "{}" ? '{"success":true}' : `{"success":true,${object.slice(1)}`;
}

function* csvSlices(slices: Iterable<Table>): Generator<string> {
  let columns: Table["columns"] | undefined;
  for (const slice of slices) {
    const text = toCsv(slice);
    // The first line names the columns: it stands once.
    yield columns === undefined ? text : text.slice(toCsv({ columns, rows: [] }).length);
    columns ??= slice.columns;
  }
}

function* ndjsonSlices(slices: Iterable<Table>): Generator<string> {
  for (const slice of slices) yield tableLines(slice);
}

function tableLines({ columns, rows }: Table): string {
  return rows
    .map((row) => `${JSON.stringify(Object.fromEntries(columns.map((name, i) => [name, row[i] ?? null])))}\n`)
    .join("");
}
