import { z } from "zod";
import { didYouMean, duration, integer, url } from "../../../kinds.ts";
import { ALERT_LABELS, type AlertLabel } from "../../model.ts";
import { mustBe, scalar, shown, strict } from "../../must-be.ts";

// The keys of the alerts file that say who is told what.

const MAX_RECEIVERS = 100;
const MAX_ROUTES = 200;

/** A text that holds no control character, so that it can end no line of a header or a log. */
const LINE = /^[^\x00-\x1f\x7f]*$/;
const line = z.string(mustBe("a text of one line")).regex(LINE, mustBe("a text of one line"));
const filled = line
  .min(1, mustBe("a text of one line, not empty"))
  .max(4096, mustBe("at most 4096 characters"));
/** As `filled`; what came is not shown. */
const hidden = z
  .string("must be a text of one line, not empty")
  .regex(LINE, "must be a text of one line, not empty")
  .min(1, "must be a text of one line, not empty")
  .max(4096, "must be at most 4096 characters");
const onOff = z.boolean(mustBe("true or false"));
const name = filled.regex(/^[\w .@-]{1,64}$/, mustBe("1 to 64 of A-Z, a-z, 0-9 and _ . @ - and space"));
const address = filled.regex(
  /^[^\s<>@,;]+@[^\s<>@,;]+$|^[^<>@,;]+<[^\s<>@,;]+@[^\s<>@,;]+>$/,
  mustBe("an address such as ops@fleet.example"),
);
const header = z
  .string(mustBe("the name of a header"))
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, mustBe("the name of a header"));

function listOf<Item extends z.ZodType>(item: Item, max: number, what: string) {
  return z.array(item, mustBe(`a list of ${what}`)).max(max, mustBe(`at most ${max} ${what}`));
}

function named<Shape extends z.ZodRawShape>(kind: string, shape: Shape) {
  return strict({ name, kind: z.literal(kind), ...shape }, "a receiver with its fields");
}

const http = {
  url: hidden.optional(),
  url_file: filled.optional(),
  headers: z.record(header, line, mustBe("a map of headers to texts")).default({}),
  bearer: hidden.optional(),
  bearer_file: filled.optional(),
};

const KINDS = ["webhook", "alertmanager_webhook", "slack", "email", "alertmanager"];

const receiver = z.discriminatedUnion(
  "kind",
  [
    named("webhook", http).extend({ kind: z.literal("webhook") }),
    named("alertmanager_webhook", http).extend({ kind: z.literal("alertmanager_webhook") }),
    named("slack", http).extend({ kind: z.literal("slack") }),
    named("alertmanager", http).extend({ kind: z.literal("alertmanager") }),
    named("email", {
      host: filled,
      port: scalar(integer(1, 65_535)).optional(),
      tls: z
        .enum(["starttls", "always", "none"], mustBe("one of starttls, always, none"))
        .default("starttls"),
      user: filled.optional(),
      password: hidden.optional(),
      password_file: filled.optional(),
      from: address,
      to: listOf(address, 50, "addresses").min(1, mustBe("a list of at least one address")),
    }).extend({ kind: z.literal("email") }),
  ],
  {
    // Its other fields may hold a password: they are not shown.
    error({ input }) {
      if (typeof input !== "object" || input === null || Array.isArray(input))
        return "must be a receiver with its fields";
      const { kind } = input as { kind?: unknown };
      const near = typeof kind === "string" ? didYouMean(kind.slice(0, 80), KINDS) : "";
      return `must be one of ${KINDS.join(", ")}; got ${shown(kind)}${near}`;
    },
  },
);

const pattern = line.max(1024, mustBe("at most 1024 characters"));
const patterns = z
  .union([pattern, listOf(pattern, 1000, "texts").min(1)], mustBe("a text or a list of texts"))
  .transform((given) => (Array.isArray(given) ? given : [given]));

const label = z.enum(ALERT_LABELS, mustBe(`one of ${ALERT_LABELS.join(", ")}`));
const match = strict(
  Object.fromEntries(ALERT_LABELS.map((key) => [key, patterns.optional()])) as Record<
    AlertLabel,
    z.ZodOptional<typeof patterns>
  >,
  "a map of labels to values",
);

const route = strict(
  {
    match: match.default({}),
    receivers: listOf(filled, MAX_RECEIVERS, "receivers' names").min(
      1,
      mustBe("a list of at least one name"),
    ),
    group_by: listOf(label, ALERT_LABELS.length, "labels").default(["rule", "worker_type"]),
    group_wait: scalar(duration("0s", "1h")).default(0),
    group_interval: scalar(duration("1s", "1d")).default(10_000),
    repeat_interval: scalar(duration("1m", "30d")).default(4 * 3_600_000),
    resolved: onOff.default(true),
    continue: onOff.default(false),
  },
  "a route with its fields",
);

const heartbeat = strict(
  {
    url: hidden.optional(),
    url_file: filled.optional(),
    interval: scalar(duration("1s", "1d")).default(60_000),
  },
  "a heartbeat with its url",
);

const network = strict(
  { allow_private: onOff.default(false), follow_redirects: onOff.default(false) },
  "a map of allow_private and follow_redirects",
);

/** The keys of the alerts file that say who is told what. */
export const notifyShape = {
  receivers: listOf(receiver, MAX_RECEIVERS, "receivers").default([]),
  routes: listOf(route, MAX_ROUTES, "routes").optional(),
  heartbeat: heartbeat.optional(),
  network: network.default({ allow_private: false, follow_redirects: false }),
};

const keys = z.object(notifyShape);
export type NotifyConfig = z.output<typeof keys>;
export type ReceiverConfig = NotifyConfig["receivers"][number];
export type RouteConfig = NonNullable<NotifyConfig["routes"]>[number];

export const NOBODY: NotifyConfig = keys.parse({});

/** What those keys have to keep beyond each for itself. */
export function checkNotify(
  { receivers, routes = [], heartbeat }: NotifyConfig,
  context: z.RefinementCtx<NotifyConfig>,
): void {
  const complain = (path: (string | number)[], message: string) =>
    context.addIssue({ code: "custom", path, message });
  const names = receivers.map((receiver) => receiver.name);
  receivers.forEach((receiver, index) => {
    const at = ["receivers", index];
    if (names.indexOf(receiver.name) < index) {
      complain([...at, "name"], `must be a name of its own; got ${JSON.stringify(receiver.name)} again`);
    }
    if (receiver.kind === "email") checkEmail(receiver, (field, text) => complain([...at, field], text));
    else {
      checkEither(receiver, "url", true, (field, text) => complain([...at, field], text));
      checkEither(receiver, "bearer", false, (field, text) => complain([...at, field], text));
    }
  });
  routes.forEach((route, index) => {
    route.receivers.forEach((given, place) => {
      if (names.includes(given)) return;
      const near = didYouMean(given, names);
      const rule = "must be the name of a receiver of this file";
      complain(["routes", index, "receivers", place], `${rule}; got ${JSON.stringify(given)}${near}`);
    });
  });
  if (heartbeat) checkEither(heartbeat, "url", true, (field, text) => complain(["heartbeat", field], text));
}

type Complain = (field: string, message: string) => void;

/** A field stands in the file itself or in a file that it names. */
function checkEither(given: object, field: string, needed: boolean, complain: Complain): void {
  const fields = given as Record<string, unknown>;
  const [here, file] = [fields[field], fields[`${field}_file`]];
  if (here !== undefined && file !== undefined) complain(field, `must not stand beside ${field}_file`);
  if (needed && here === undefined && file === undefined) {
    complain(field, `must be given, or ${field}_file name a file that holds it; got nothing`);
  }
  // What comes from the environment is checked once it is read.
  if (field === "url" && typeof here === "string" && !here.includes("${") && url.read(here) === undefined) {
    // Its path may be the secret.
    complain(field, `must be ${url.rule}; got ${here.length} characters`);
  }
}

function checkEmail(receiver: Extract<ReceiverConfig, { kind: "email" }>, complain: Complain): void {
  const { user, password, password_file, tls } = receiver;
  checkEither(receiver, "password", user !== undefined, complain);
  if (user === undefined && (password ?? password_file) !== undefined) {
    complain("user", "must be given where there is a password; got nothing");
  }
  if (user !== undefined && tls === "none") {
    complain("tls", 'must be starttls or always where a user logs in; got "none"');
  }
}
