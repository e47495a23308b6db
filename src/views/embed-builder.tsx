import type { z } from "zod";
import { isLoopback } from "../kinds.ts";
import { clean } from "../metrics/format.ts";
import { relative } from "./address.ts";
import type { Around } from "./around.ts";
import { FILTER_LABEL } from "./filters.ts";
import { Form, type FormProblem, fieldsOf } from "./form.tsx";
import { renderPlain } from "./layout.tsx";
import type { Panel } from "./panel.ts";
import { DENSITIES, RANGES, THEMES } from "./preferences.ts";

/** Parameters of a panel that nobody sets for a frame, and those that every frame takes. */
const ASIDE = new Set([
  ...["as_of", "page", "panels", "kiosk", "interval", "fired"],
  ...["theme", "density", "tz", "refresh"],
]);

/** What a frame's parameters are called. */
const LABEL: Readonly<Record<string, string>> = {
  ...FILTER_LABEL,
  alert_id: "Alert (id)",
  before: "Ended before",
  compare: "Beside it, the same so long before",
  duration: "Stretch of time",
  ended: "Also what ended in the last",
  from: "From",
  limit: "Rows",
  metrics: "Metrics",
  minutes: "Minutes back",
  order: "Order",
  points: "Points of a line, at most",
  sort: "Sorted by",
  status: "States",
  step: "Time between two points",
  tag: "Tag",
  task_id: "Task (id)",
  to: "Until",
  worker: "Worker (id)",
  worker_id: "Worker (id)",
  worker_metrics: "Metrics of those workers",
  workers: "Workers (ids)",
};

/** What a panel is of, by the parameter that it needs. */
const OF: Readonly<Record<string, string>> = {
  worker_id: "Of one worker",
  task_id: "Of one task",
  task_type: "Of one task type",
  model_family: "Of one model family",
  alert_id: "Of one alert",
};
const OF_ALL = "Of the fleet";

/** Of the frame that is shown, and of its markup. */
const SIZE = { width: 640, height: 500 };
const BUILD = "embeds/new";
const LINK = "embeds";

export interface EmbedBuilderView {
  readonly panels: readonly Panel[];
  readonly panel: Panel;
  /** What was filled in, by name. */
  readonly given: Readonly<Record<string, string>>;
  /** The panel's address, below the base; null while a parameter that it needs is missing or wrong. */
  readonly address: string | null;
  /** Where the server is reached; ends with a slash. */
  readonly url: string;
  /** Which other sites can show it, and by which setting others could. */
  readonly framed: string;
  /** Whether this page itself may show it. */
  readonly preview: boolean;
  /** Whether only those who log in, or have a link, see it; and whether who asks may make one. */
  readonly links: "not needed" | "may make" | "ask an operator";
  /** The link that was just made: the panel's address with it. */
  readonly made: string | null;
  readonly problem: FormProblem | null;
}

/** Builds the address of an embedded panel and the markup around it, with a preview. */
export function renderEmbedBuilder(view: EmbedBuilderView, around: Around): string {
  return renderPlain(
    "Embed a panel",
    around,
    <>
      <section class="panel" aria-labelledby="em-what">
        <h2 id="em-what">What to show</h2>
        <div class="body">
          <Choose {...view} />
          <Fill {...view} />
          {view.address === null && view.problem === null ? (
            <p class="hint">
              {view.panel.title} is {subjectOf(view.panel).toLowerCase()}: say of which, and the markup comes
              here.
            </p>
          ) : null}
        </div>
      </section>
      {view.address === null ? null : <Code {...view} address={view.address} />}
    </>,
  );
}

function Choose({ panels, panel }: EmbedBuilderView) {
  return (
    <form class="fields" method="get" action={BUILD}>
      <label>
        Panel
        <select name="panel">
          {[OF_ALL, ...Object.values(OF)].map((of) => (
            <optgroup label={of}>
              {panels
                .filter((one) => subjectOf(one) === of)
                .map(({ id, title }) => (
                  <option value={id} selected={id === panel.id}>
                    {title}
                  </option>
                ))}
            </optgroup>
          ))}
        </select>
      </label>
      <button type="submit" class="secondary">
        Choose
      </button>
    </form>
  );
}

function subjectOf({ params }: Panel): string {
  const needed = Object.entries(params.shape as Shape).find(([name, kind]) => name in OF && isNeeded(kind));
  return needed === undefined ? OF_ALL : OF[needed[0]]!;
}

type Shape = Readonly<Record<string, z.ZodType>>;

function Fill({ panel, given, problem }: EmbedBuilderView) {
  const { field } = fieldsOf(problem, BUILD);
  const fields = [
    ...Object.entries(panel.params.shape as Shape)
      .filter(([name]) => !ASIDE.has(name))
      .map(([name, kind]) => fieldFor(name, kind, given[name])),
    ...LOOK,
  ];
  return (
    <Form method="get" action={BUILD} problem={problem} class="fields">
      <input type="hidden" name="panel" value={panel.id} />
      {fields.map((one) => (
        <Field {...one} attributes={field(one.name)} value={given[one.name] ?? ""} />
      ))}
      <button type="submit">Show</button>
    </Form>
  );
}

type Words = readonly (readonly [value: string, words: string])[];

interface FrameField {
  readonly name: string;
  readonly label: string;
  readonly title?: string | undefined;
  /** What it is chosen from, in words; null where it is written. */
  readonly offered: Words | null;
  readonly needed?: boolean;
  readonly placeholder?: string | undefined;
}

/** How any frame looks. */
const LOOK: readonly FrameField[] = [
  {
    name: "theme",
    label: "Theme",
    offered: [["", "as the viewer's system"], ...THEMES.slice(1).map(same)],
  },
  { name: "density", label: "Density", offered: [["", DENSITIES[0]], ...DENSITIES.slice(1).map(same)] },
  {
    name: "tz",
    label: "Time zone",
    offered: null,
    placeholder: "the viewer's, or such as Europe/Berlin",
  },
  {
    name: "refresh",
    label: "Without JavaScript",
    title: "Where there is JavaScript it is live",
    offered: [
      ["", "loaded again every few seconds"],
      ["off", "stands still"],
    ],
  },
];

function fieldFor(name: string, kind: z.ZodType, given: string | undefined): FrameField {
  return {
    name,
    label: LABEL[name] ?? name,
    title: kind.description,
    offered: offeredOf(name, kind, given),
    needed: isNeeded(kind),
    placeholder: exampleOf(kind),
  };
}

interface FieldProps extends FrameField {
  attributes: object;
  value: string;
}

function Field({ label, title, offered, needed, placeholder, attributes, value }: FieldProps) {
  if (offered === null) {
    return (
      <label title={title}>
        {label}
        <input {...attributes} value={clean(value)} required={needed} placeholder={placeholder} />
      </label>
    );
  }
  return (
    <label title={title}>
      {label}
      <select {...attributes}>
        {offered.map(([one, words]) => (
          <option value={one} selected={one === value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

function same(word: string): readonly [string, string] {
  return [word, word];
}

/** The values that a parameter is chosen from, in words; null where it is written. */
function offeredOf(name: string, kind: z.ZodType, given: string | undefined): Words | null {
  if (name === "duration") {
    const all = RANGES.map(([value, words]) => [value, `the last ${words}`] as const);
    return given === undefined || all.some(([value]) => value === given) ? all : [...all, same(given)];
  }
  const values = enumOf(kind);
  return values === null
    ? null
    : [["", "as it comes"], ...values.map((value) => [value, inWords(value)] as const)];
}

function enumOf(kind: z.ZodType): readonly string[] | null {
  const { options, unwrap } = kind as { options?: string[]; unwrap?: () => z.ZodType };
  return options ?? (unwrap === undefined ? null : enumOf(unwrap.call(kind)));
}

/** `-last_report` → "last report, descending". */
function inWords(value: string): string {
  const words = value.replace(/^-/, "").replaceAll("_", " ");
  return value.startsWith("-") ? `${words}, descending` : words;
}

function isNeeded(kind: z.ZodType): boolean {
  return !kind.safeParse(undefined).success;
}

function exampleOf(kind: z.ZodType): string | undefined {
  const { example } = kind.meta() ?? {};
  return example === undefined ? undefined : `such as ${example}`;
}

function Code(view: EmbedBuilderView & { address: string }) {
  const { panel, address, url, framed, preview, made } = view;
  const src = made ?? address;
  return (
    <>
      <section class="panel" aria-labelledby="em-code">
        <h2 id="em-code">{made === null ? "For your page" : "For your page, with its link"}</h2>
        <div class="body">
          <pre tabindex={0}>
            <code>{clean(snippet(url + src, panel))}</code>
          </pre>
          <p class="hint">{framed}</p>
          {isLoopback(new URL(url).hostname) ? (
            <p class="hint">
              Only this machine reaches this address. Where people reach it by another one, open this page
              there, or name it in EVENKEEL_EXTERNAL_URL.
            </p>
          ) : null}
          {made === null ? null : (
            <p class="hint" role="status">
              Whoever has this address sees the panel without a log-in, until the link ends or is revoked on
              Administration. It is shown this once.
            </p>
          )}
          <MakeLink {...view} />
        </div>
      </section>
      <section class="panel" aria-labelledby="em-preview">
        <h2 id="em-preview">
          How it looks{" "}
          <small class="note">
            {SIZE.width} × {SIZE.height}, as above
          </small>
        </h2>
        <div class="body">
          {preview ? (
            <iframe src={relative(src)} title={panel.title} {...SIZE}></iframe>
          ) : (
            <p class="hint">
              Here it can't be shown in a frame: this page is none of those that EVENKEEL_FRAME_ANCESTORS
              names.
            </p>
          )}
          <p class="more">
            <a href={relative(src)}>Open it alone</a>
          </p>
        </div>
      </section>
    </>
  );
}

function MakeLink({ panel, given, links, made, problem }: EmbedBuilderView) {
  if (links === "not needed" || made !== null) return null;
  if (links === "ask an operator") {
    return (
      <p class="hint">Only those who log in see it. An operator can make a link that needs no log-in.</p>
    );
  }
  const { field, value } = fieldsOf(problem, LINK);
  return (
    <>
      <p class="hint">Only those who log in see it, unless they have a link to it.</p>
      <Form action={LINK} problem={problem} class="fields">
        <input type="hidden" name="panel" value={panel.id} />
        {Object.entries(given).map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        <label>
          Days that the link holds
          <input type="number" {...field("days")} value={value("days", "30")} min="1" max="366" required />
        </label>
        <button type="submit">Make a link</button>
      </Form>
    </>
  );
}

function snippet(address: string, { title }: Panel): string {
  const escaped = address.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  return `<iframe src="${escaped}" title="${title}" width="${SIZE.width}" height="${SIZE.height}" loading="lazy"></iframe>`;
}
