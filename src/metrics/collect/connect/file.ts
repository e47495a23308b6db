import { z } from "zod";
import { didYouMean, duration } from "../../../kinds.ts";
import { mustBe, scalar, shown, strict } from "../../must-be.ts";
import { readYaml } from "../../yaml.ts";
import type { Connector } from "./connector.ts";
import { CONNECTOR_KINDS } from "./kinds.ts";

const MAX_CONNECTORS = 100;
const KIND_NAMES = CONNECTOR_KINDS.map(({ kind }) => kind);

const nameRule = mustBe("1 to 64 of A-Z, a-z, 0-9 and _ . @ - and space");
const common = strict(
  {
    kind: z.enum(KIND_NAMES, {
      error: ({ input }) => {
        const near = typeof input === "string" ? didYouMean(input.slice(0, 80), KIND_NAMES) : "";
        return `must be one of ${KIND_NAMES.join(", ")}; got ${shown(input)}${near}`;
      },
    }),
    name: z.string(nameRule).regex(/^[\w .@-]{1,64}$/, nameRule),
    interval: scalar(duration("250ms", "1h")).default(1000),
    timeout: scalar(duration("100ms", "5m")).default(5000),
  },
  "a map of fields",
);

/** The fields that each kind has, and those of its kind. */
const entry = z
  .record(z.string(), z.unknown(), mustBe("a connector: a map of kind, name and the kind's own fields"))
  .transform((given, context): Connector => {
    const { kind, name, interval, timeout, ...own } = given;
    const general = common.safeParse({ kind, name, interval, timeout }, { reportInput: true });
    const known = CONNECTOR_KINDS.find((one) => one.kind === kind);
    const special = known?.schema.safeParse(own, { reportInput: true });
    const issues = [general, special].flatMap((result) => result?.error?.issues ?? []);
    for (const issue of issues) context.issues.push(issue as z.core.$ZodRawIssue);
    if (!general.success || !special?.success) return z.NEVER;
    const { interval: interval_ms, timeout: timeout_ms } = general.data;
    return known!.create(special.data, { name: general.data.name, interval_ms, timeout_ms });
  });

const schema = z.object({
  connectors: z
    .array(entry, mustBe("a list of connectors"))
    .max(MAX_CONNECTORS, mustBe(`at most ${MAX_CONNECTORS} connectors`))
    .superRefine((connectors, context) => {
      connectors.forEach(({ name }, index) => {
        if (connectors.findIndex((one) => one.name === name) === index) return;
        const message = `must be a name of its own; got ${JSON.stringify(name)} again`;
        context.addIssue({ code: "custom", path: [index, "name"], message });
      });
    })
    .default([]),
});

/**
 * What a config file says under `connectors`, whatever else is in it.
 *
 * @param file its name, with which each problem begins
 */
export function readConnectors(
  text: string,
  file: string,
): { connectors: readonly Connector[] } | { problems: string[] } {
  const read = readYaml(text, schema, file);
  return "problems" in read ? read : read.value;
}
