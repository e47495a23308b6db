import { z } from "zod";
import { findMetric, type Scope } from "../catalogue.ts";
import { fromRfc3339 } from "../instant.ts";
import { MODALITIES, TASK_STATUSES, WORKER_STATUSES } from "../model.ts";
import { mustBe, shown } from "../must-be.ts";

/** The bounds of what one report may carry; each is a setting. */
export interface ReportLimits {
  max_workers: number;
  max_live_tasks: number;
  /** Metric names beyond the catalogue that one source may bring. */
  max_metric_names_per_source: number;
  max_tags: number;
  max_string_length: number;
}

/** More devices than any machine has; a list beyond it is a sender's mistake. */
const MAX_GPUS = 256;
const MAX_ID_LENGTH = 256;
const MAX_INTERVAL_S = 86_400;
// Anything printable: no control characters, no half of a surrogate pair, no line or paragraph separators.
const PRINTABLE = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+$/u;
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu;
const CONTROL = /[\p{Cc}\p{Cs}](?<![\n\t])/gu;
const METRIC_NAME = /^[a-z][a-z0-9_]{0,63}$/;

const codePoints = (text: string) => [...text].length;

const INSTANT_RULE = "Unix milliseconds or an RFC 3339 time with an offset";
/** Unix milliseconds from a number or an RFC 3339 string with an offset; null is the same as left out. */
const instant = z
  .unknown()
  .transform((input, context): number | undefined => {
    if (input === null) return undefined;
    const at_ms =
      typeof input === "number"
        ? Math.floor(input)
        : typeof input === "string"
          ? fromRfc3339(input)
          : Number.NaN;
    // 8.64e15 ms is the last instant that a Date can show.
    if (at_ms >= 0 && at_ms <= 8.64e15) return at_ms;
    context.addIssue({ code: "custom", message: `must be ${INSTANT_RULE}; got ${shown(input)}` });
    return z.NEVER;
  })
  .optional()
  .meta({ anyOf: [{ type: "number" }, { type: "string", format: "date-time" }, { type: "null" }] });

function whole(min: number, max: number) {
  const rule = mustBe(`a whole number from ${min} to ${max}`);
  return z.number(rule).int(rule).min(min, rule).max(max, rule);
}

function amount(unit: string) {
  const rule = mustBe(`a number of ${unit}, 0 or more`);
  return z.number(rule).min(0, rule);
}

function percent() {
  const rule = mustBe("a number from 0 to 100");
  return z.number(rule).min(0, rule).max(100, rule);
}

function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, mustBe(`one of ${values.join(", ")}`));
}

function list<T extends z.ZodType>(item: T, max: number, limit: string) {
  return z.array(item, mustBe("a list")).max(max, {
    error: (issue: { input?: unknown }) =>
      `must have at most ${max} entries (${limit}); got ${(issue.input as unknown[]).length}`,
  });
}

/** Checks one scope's metrics against the catalogue and the rule of names; what is right as it is, is not copied. */
function metricsOf(scope: Scope) {
  return z
    .unknown()
    .transform((input, context): Record<string, number | null> => {
      if (typeof input !== "object" || input === null || Array.isArray(input)) {
        context.addIssue({ code: "custom", message: `must be ${METRICS_RULE}; got ${shown(input)}` });
        return z.NEVER;
      }
      const metrics = input as Record<string, number | null>;
      let follow = false;
      for (const name of Object.keys(metrics)) {
        const wrong = metricProblem(scope, name, metrics[name]);
        if (wrong) context.addIssue({ code: "custom", path: [name], message: wrong });
        else follow ||= isDerived(scope, name);
      }
      if (!follow) return metrics;
      return Object.fromEntries(Object.entries(metrics).filter(([name]) => !isDerived(scope, name)));
    })
    .meta({ type: "object", additionalProperties: { type: ["number", "null"] } });
}

const METRICS_RULE = "an object of metric names and numbers";

/** Whether a metric follows from others: what is said of it is passed over. */
function isDerived(scope: Scope, name: string): boolean {
  return findMetric(scope, name)?.derived ?? false;
}

function metricProblem(scope: Scope, name: string, value: unknown): string | null {
  if (!METRIC_NAME.test(name)) {
    return `a metric's name must match ${METRIC_NAME.source}; got ${shown(name)}`;
  }
  if (value === null) return null;
  const metric = findMetric(scope, name);
  const min = metric?.min ?? null;
  const max = metric?.max ?? null;
  const ok =
    typeof value === "number" &&
    Number.isFinite(value) &&
    (min === null || value >= min) &&
    (max === null || value <= max);
  if (ok) return null;
  const range = max !== null ? ` from ${min} to ${max}` : min !== null ? `, ${min} or more` : "";
  return `must be a number${range}; got ${shown(value)}`;
}

/** A report that is taken as it stands: without times of its own, as it is now. */
export const REPORT_EXAMPLE = {
  source: "balancer-1",
  interval_s: 60,
  workers: [{ id: "worker-gpu-01", type: "gpu", metrics: { cpu_utilization: 85.2, gpu_utilization: 70 } }],
  tasks: [
    {
      id: "t-1",
      type: "vision",
      model_id: "vit-large-patch16",
      priority: 3,
      status: "running",
      worker_id: "worker-gpu-01",
    },
  ],
};

/** A text or a list with at most so many characters or entries, and what can be printed of it. */
function mended(input: unknown, max: number, unprintable: RegExp): unknown {
  if (Array.isArray(input)) return input.filter((entry) => entry !== "").slice(0, max);
  if (typeof input !== "string") return input;
  const text = input.replace(unprintable, "\uFFFD");
  if (text.length <= max) return text;
  // Half of a surrogate pair is no character.
  return `${text.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

/**
 * The schema of one report for the given limits; build it once.
 *
 * @param odd what becomes of a text, or a list of tags, that is too long or can't be printed; an id is refused in any
 *   case
 */
export function reportSchema(limits: ReportLimits, odd: "refused" | "mended") {
  const fitting = <T extends z.ZodType>(schema: T, max: number, unprintable = UNPRINTABLE): T =>
    odd === "refused"
      ? schema
      : (z.preprocess((input) => mended(input, max, unprintable), schema) as unknown as T);
  const idRule = mustBe(`1 to ${MAX_ID_LENGTH} printable characters`);
  const id = z
    .string(idRule)
    .refine((text) => PRINTABLE.test(text) && codePoints(text) <= MAX_ID_LENGTH, idRule);

  const tagRule = mustBe(`1 to ${limits.max_string_length} printable characters (max_string_length)`);
  const tag = fitting(
    z
      .string(tagRule)
      .refine((text) => text.length <= limits.max_string_length && PRINTABLE.test(text), tagRule),
    limits.max_string_length,
  );

  const labelRule = mustBe(
    `at most ${limits.max_string_length} printable characters (max_string_length), or null`,
  );
  // Senders leave a label empty where they know none: that is the same as null.
  const label = fitting(
    z
      .string(labelRule)
      .refine(
        (text) => text === "" || (text.length <= limits.max_string_length && PRINTABLE.test(text)),
        labelRule,
      )
      .transform((text) => (text === "" ? null : text)),
    limits.max_string_length,
  );

  const textRule = mustBe(`text of at most ${limits.max_string_length} characters (max_string_length)`);
  const text = fitting(
    z
      .string(textRule)
      .max(limits.max_string_length, textRule)
      .transform((value) => value.replace(CONTROL, "\uFFFD")),
    limits.max_string_length,
    CONTROL,
  );

  const tags = fitting(list(tag, limits.max_tags, "max_tags"), limits.max_tags);
  const object = mustBe("an object");

  const capabilities = z.object(
    {
      cpu_cores: amount("cores").nullable().describe("CPU cores, count"),
      cpu_model: label.nullable().describe("What its CPU is called"),
      memory_bytes: amount("bytes").nullable().describe("Memory, bytes"),
      disk_bytes: amount("bytes").nullable().describe("Disk, bytes"),
      gpu_model: label.nullable().describe("What its GPUs are called, such as Tesla T4"),
      gpu_count: amount("devices").nullable().describe("GPUs, count"),
      gpu_memory_bytes: amount("bytes").nullable().describe("Memory of one GPU, bytes"),
      backends: tags.nullable().describe("What tasks can run on, such as cpu, cuda, rocm, mps or openvino"),
      slots: amount("tasks").nullable().describe("Tasks that it runs at once, count"),
      version: label.nullable().describe("Version of its software"),
      agent_version: label.nullable().describe("Version of the agent that reports it"),
    },
    object,
  );

  const gpu = z.object(
    {
      index: whole(0, MAX_GPUS - 1).describe(`Which one, 0 to ${MAX_GPUS - 1}`),
      utilization: percent().nullish().describe("Its time in use, percent, 0 to 100"),
      memory_utilization: percent().nullish().describe("Its memory in use, percent, 0 to 100"),
      temperature_celsius: z
        .number(mustBe("a number of degrees Celsius"))
        .nullish()
        .describe("Its temperature, degrees Celsius"),
      throttled: z
        .boolean(mustBe("true or false"))
        .nullish()
        .describe("Whether it is slowed down by heat or for lack of power"),
    },
    object,
  );

  const intervalRule = mustBe(`a number of seconds above 0, at most ${MAX_INTERVAL_S}`);
  const interval_s = z.number(intervalRule).gt(0, intervalRule).max(MAX_INTERVAL_S, intervalRule);

  const worker = z.object(
    {
      id: id.describe(`Which worker: 1 to ${MAX_ID_LENGTH} printable characters, the same whoever names it`),
      type: label.nullish().describe("Its kind, such as gpu or cpu, to filter and compare by"),
      hostname: label.nullish().describe("The machine that it runs on"),
      status: oneOf(WORKER_STATUSES)
        .nullish()
        .describe("What it says of itself; draining and offline are on purpose and raise no alert"),
      tags: tags.nullish().describe("What tasks may require of it, and lists are filtered by"),
      capabilities: capabilities.partial().nullish().describe("What it has; each part may be left out"),
      metrics: metricsOf("worker")
        .nullish()
        .describe(
          "Numbers by name, such as cpu_utilization (percent): those of /history, or of your own (a-z, 0-9 and _, at most 64 characters)",
        ),
      gpus: list(gpu, MAX_GPUS, "devices of one worker")
        .nullish()
        .describe("Each GPU; gpu_utilization is their mean where it is not given"),
      interval_s: interval_s.nullish().describe("As interval_s of the report, of this worker alone"),
      heard_at: instant.describe(
        "When it was last heard of by whoever reports it for others: its silence counts from there; left out, now",
      ),
    },
    object,
  );

  const requirements = z
    .object(
      {
        backends: tags.describe("Backends that a worker must have"),
        memory_bytes: amount("bytes").describe("Memory that it must have, bytes"),
        gpu_memory_bytes: amount("bytes").describe("Memory that one of its GPUs must have, bytes"),
        tags: tags.describe("Tags that it must have"),
      },
      object,
    )
    .partial();

  const task = z.object(
    {
      id: id.describe(`Which task: 1 to ${MAX_ID_LENGTH} printable characters, the same whoever names it`),
      type: label.nullish().describe("Its kind, such as vision, to filter and compare by"),
      model_family: label.nullish().describe("Family of its model, such as vit"),
      model_id: label.nullish().describe("Its model, such as vit-large-patch16"),
      priority: whole(1, 1_000_000).nullish().describe("1 is the most urgent"),
      modality: oneOf(MODALITIES).nullish().describe("Left out, it follows from model_id, else from type"),
      status: oneOf(TASK_STATUSES)
        .nullish()
        .describe("Where it is; within an attempt it never goes back, and what ended stays as it is"),
      worker_id: id.nullish().describe("The worker that has it"),
      attempt: whole(1, 1_000_000).nullish().describe("Which attempt, from 1; a higher one starts over"),
      queued_at: instant.describe("When this attempt was queued; left out, at of the report that says so"),
      assigned_at: instant.describe("When it was given to the worker; left out, likewise"),
      started_at: instant.describe("When it started; left out, likewise"),
      ended_at: instant.describe("When it ended; left out, likewise"),
      progress: percent().nullish().describe("How far it is, percent, 0 to 100"),
      requirements: requirements.nullish().describe("What a worker must have to run it"),
      error: text.nullish().describe("What went wrong, for people"),
      metrics: metricsOf("task").nullish().describe("Numbers by name, such as memory_bytes"),
    },
    object,
  );

  const report = z.object(
    {
      at: instant.describe(
        "When it was so: Unix milliseconds, or RFC 3339 with an offset; left out, when it arrives",
      ),
      source: label.nullish().describe("Who reports, such as the name of a load balancer"),
      interval_s: interval_s
        .nullish()
        .describe(
          `How often it reports, seconds above 0, at most ${MAX_INTERVAL_S}; left out, the median of its last intervals`,
        ),
      complete: z
        .boolean(mustBe("true or false"))
        .nullish()
        .describe(
          "true: these are all of the source's workers and unfinished tasks; what it named before and is missing has left",
        ),
      workers: list(worker, limits.max_workers, "max_workers")
        .nullish()
        .describe("Workers, or what has changed of them: a field left out stays, null clears it"),
      tasks: list(task, limits.max_live_tasks, "max_live_tasks")
        .nullish()
        .describe("Tasks, or what has changed of them, likewise"),
      system: z
        .object(
          { metrics: metricsOf("system").nullish().describe("Numbers by name, such as queue_depth") },
          object,
        )
        .nullish()
        .describe("What is told of the whole fleet"),
    },
    mustBe("a report: a JSON object"),
  );

  return { report, shapes: { report, worker, capabilities, gpu, task, requirements } };
}

export type ReportSchema = ReturnType<typeof reportSchema>;
export type ParsedReport = z.output<ReportSchema["report"]>;

type Json = Record<string, unknown>;
type Note = (name: string) => void;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Names of the fields of a raw report that the protocol does not know, and that were therefore ignored. */
export function unknownFields(raw: Json, shapes: ReportSchema["shapes"]): string[] {
  const names: string[] = [];
  const note: Note = (name) => names.push(name);
  noteStrangers(raw, shapes.report.shape, "", note);
  eachObject(raw.workers, (worker) => {
    noteStrangers(worker, shapes.worker.shape, "workers[].", note);
    eachObject(worker.capabilities, (part) =>
      noteStrangers(part, shapes.capabilities.shape, "workers[].capabilities.", note),
    );
    eachObject(worker.gpus, (gpu) => noteStrangers(gpu, shapes.gpu.shape, "workers[].gpus[].", note));
    noteDerived(worker.metrics, "worker", "workers[].metrics.", note);
  });
  eachObject(raw.tasks, (task) => {
    noteStrangers(task, shapes.task.shape, "tasks[].", note);
    eachObject(task.requirements, (part) =>
      noteStrangers(part, shapes.requirements.shape, "tasks[].requirements.", note),
    );
  });
  eachObject(raw.system, (system) => noteDerived(system.metrics, "system", "system.metrics.", note));
  return names;
}

/** Visits the object, or each one of a list of them. */
function eachObject(value: unknown, visit: (object: Json) => void): void {
  if (isObject(value)) visit(value);
  else if (Array.isArray(value)) for (const entry of value) if (isObject(entry)) visit(entry);
}

function noteStrangers(object: Json, shape: Json, prefix: string, note: Note): void {
  for (const name in object) if (!Object.hasOwn(shape, name)) note(prefix + name);
}

/** A metric that Evenkeel computes itself is not taken from a report. */
function noteDerived(metrics: unknown, scope: Scope, prefix: string, note: Note): void {
  if (!isObject(metrics)) return;
  for (const name in metrics) if (findMetric(scope, name)?.derived) note(prefix + name);
}
