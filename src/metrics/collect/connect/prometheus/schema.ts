import { z } from "zod";
import { url } from "../../../../kinds.ts";
import { findMetric, type Scope } from "../../../catalogue.ts";
import { WORKER_STATUSES } from "../../../model.ts";
import { mustBe, shown, strict } from "../../../must-be.ts";
import { PRESET_NAMES } from "./presets.ts";
import { selector } from "./selector.ts";

const MAX_TARGETS = 256;
const MAX_RULES = 256;

const line = z
  .string(mustBe("a text of one line"))
  .regex(/^[^\x00-\x1f\x7f]{1,1024}$/, mustBe("a text of one line, at most 1024 characters"));
const label = z
  .string(mustBe("a label's name"))
  .regex(/^[a-zA-Z_][a-zA-Z0-9_]{0,127}$/, mustBe("a label's name"));
const factor = z.number(mustBe("a number"));

const target = line.refine((text) => {
  if (url.read(text) === undefined) return false;
  const { username, password } = new URL(text);
  return username === "" && password === "";
}, mustBe("an address that starts with http:// or https://, without user and password"));

/** How a number comes of series: scale · (series − minus) ÷ of. */
const value = {
  series: selector,
  minus: selector.optional(),
  of: selector.optional(),
  as: z.enum(["rate", "value"], mustBe("rate or value")).optional(),
  by: label.optional(),
  agg: z
    .enum(["sum", "mean", "max", "min", "count"], mustBe("one of sum, mean, max, min, count"))
    .default("sum"),
  scale: factor.default(1),
};

function listOf<Item extends z.ZodType>(item: Item, what: string) {
  return z
    .array(item, mustBe(`a list of ${what}`))
    .max(MAX_RULES, mustBe(`at most ${MAX_RULES} ${what}`))
    .default([]);
}

function metricOf(scope: Scope) {
  const rule = mustBe("a metric's name of a-z, 0-9 and _, at most 64 characters");
  return z
    .string(rule)
    .regex(/^[a-z][a-z0-9_]{0,63}$/, rule)
    .refine((name) => !findMetric(scope, name)?.derived, {
      error: ({ input }) => `must be a metric that is reported; Evenkeel works out ${shown(input)} itself`,
    });
}

const CAPABILITIES = [
  "cpu_cores",
  "memory_bytes",
  "disk_bytes",
  "gpu_count",
  "gpu_memory_bytes",
  "slots",
] as const;
const FACTS = ["type", "hostname", "status", "tag", "cpu_model", "gpu_model", "version"] as const;
const DEVICE_FIELDS = ["utilization", "memory_utilization", "temperature_celsius"] as const;

const one = (names: readonly string[]) => mustBe(`one of ${names.join(", ")}`);

const workers = strict(
  { id: line.optional(), type: line.optional(), hostname: line.optional(), join: selector.optional() },
  "a map of id, type, hostname and join",
);

const fact = strict(
  {
    fact: z.enum(FACTS, one(FACTS)),
    series: selector,
    label,
    values: z.record(z.string(), line, mustBe("a map of a label's values to texts")).optional(),
  },
  "a fact with its series and label",
);

const rules = {
  workers: workers.default({}),
  facts: listOf(fact, "facts"),
  capabilities: listOf(
    strict({ capability: z.enum(CAPABILITIES, one(CAPABILITIES)), ...value }, "a capability with its series"),
    "capabilities",
  ),
  metrics: listOf(strict({ metric: metricOf("worker"), ...value }, "a metric with its series"), "metrics"),
  gpus: listOf(
    strict(
      { gpu: z.enum(DEVICE_FIELDS, one(DEVICE_FIELDS)), index: label, ...value },
      "a GPU's field with its series",
    ),
    "fields of GPUs",
  ),
  system: listOf(strict({ metric: metricOf("system"), ...value }, "a metric with its series"), "metrics"),
  missing: z.array(factor, mustBe("a list of numbers")).max(32, mustBe("at most 32 numbers")).default([]),
};

/** How series become workers and their metrics; a preset is one of these. */
export const RULES = strict(rules, "rules");
export type Rules = z.output<typeof RULES>;
export type ValueRule = Pick<Rules["metrics"][number], keyof typeof value>;

/** What a fact can say of a worker's status: a status, or that nothing is heard of it. */
export const STATUSES = [...WORKER_STATUSES, "down"] as const;
const STATUS_RULE = one(STATUSES);

export const PROMETHEUS_SCHEMA = strict(
  {
    targets: z
      .array(target, mustBe("a list of addresses"))
      .min(1, mustBe("a list of at least one address"))
      .max(MAX_TARGETS, mustBe(`at most ${MAX_TARGETS} addresses`)),
    preset: z.enum(PRESET_NAMES, one(PRESET_NAMES)).optional(),
    bearer_env: line.optional(),
    bearer_file: line.optional(),
    user: line.optional(),
    password_env: line.optional(),
    password_file: line.optional(),
    ...rules,
  },
  "a Prometheus connector with its fields",
).superRefine((config, context) => {
  const complain = (path: (string | number)[], message: string) =>
    context.addIssue({ code: "custom", path, message });
  const { targets, preset, metrics, facts, bearer_env, bearer_file, user, password_env, password_file } =
    config;
  targets.forEach((address, index) => {
    if (targets.indexOf(address) < index)
      complain(["targets", index], `must stand once; got ${shown(address)} again`);
  });
  if (preset === undefined && metrics.length === 0)
    complain(
      ["metrics"],
      `must be a list of at least one metric where no preset (${PRESET_NAMES.join(", ")}) is named`,
    );
  facts.forEach(({ fact, values = {} }, index) => {
    if (fact !== "status") return;
    for (const [from, to] of Object.entries(values)) {
      if (!STATUSES.some((status) => status === to))
        complain(["facts", index, "values", from], STATUS_RULE.error({ input: to }));
    }
  });
  if (bearer_env !== undefined && bearer_file !== undefined)
    complain(["bearer_env"], "must not stand beside bearer_file");
  if ((bearer_env ?? bearer_file) !== undefined && user !== undefined)
    complain(["user"], "must not stand beside a bearer");
  if (password_env !== undefined && password_file !== undefined)
    complain(["password_env"], "must not stand beside password_file");
  if ((user === undefined) !== ((password_env ?? password_file) === undefined))
    complain(["user"], "must stand beside password_env or password_file");
});

export type PrometheusConfig = z.output<typeof PROMETHEUS_SCHEMA>;
