import { type Body, changeBody, type Ids, ingestBody } from "./bodies.ts";
import { hostileText } from "./hostile.ts";
import type { Random } from "./random.ts";

/** One operation of /openapi.json. */
export interface Operation {
  readonly method: string;
  /** With `{name}` where it varies. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly takes: readonly string[];
  readonly gives: readonly string[];
}

interface Parameter {
  readonly name: string;
  readonly in: "path" | "query";
  readonly required: boolean;
  readonly schema: Schema;
}

interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
}

export interface Asked {
  readonly method: string;
  /** As it stands in the first line, percent-encoded or not. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** The operation's, for the report. */
  readonly of: string;
}

interface Described {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>>;
}
interface DescribedOperation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

/** Every operation that a server describes of itself. */
export async function operationsOf(url: string): Promise<Operation[]> {
  const { paths } = (await (await fetch(`${url}openapi.json`)).json()) as Described;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody, responses }]) => ({
      method: method.toUpperCase(),
      path,
      parameters,
      takes: Object.keys(requestBody?.content ?? {}),
      gives: Object.values(responses).flatMap(({ content }) => Object.keys(content ?? {})),
    })),
  );
}

/** A request for an operation: with what it asks for, or with what it does not. */
export function requestFor(random: Random, operation: Operation, ids: Ids): Asked {
  const { method, path, parameters, takes } = operation;
  const of = `${method} ${path}`;
  const value = (parameter: Parameter) => parameterValue(random, parameter, ids);
  const target =
    path.replace(/\{(\w+)\}/g, (_, name: string) => {
      const parameter = parameters.find((one) => one.name === name);
      return segment(random, parameter ? value(parameter) : hostileText(random));
    }) + queryOf(random, parameters, value);
  const body = takes.length > 0 ? bodyFor(random, operation, ids) : null;
  return {
    of,
    method: random.chance(0.03) ? random.pick(["HEAD", "PUT", "PATCH", "OPTIONS", "DELETE", "POST"]) : method,
    target,
    headers: {
      ...hostileHeaders(random, operation),
      ...(body && { "Content-Type": body.type }),
      ...(body?.encoding !== undefined && { "Content-Encoding": body.encoding }),
    },
    ...(body && { body: body.bytes }),
  };
}

function bodyFor(random: Random, { path, takes }: Operation, ids: Ids): Body {
  if (path === "/api/ingest") return ingestBody(random, ids);
  return changeBody(random, random.chance(0.95) ? random.pick(takes) : "text/plain", ids);
}

function parameterValue(random: Random, { name, schema }: Parameter, ids: Ids): string {
  if (random.chance(0.35)) return hostileText(random);
  const known = schema.enum ?? schema.anyOf?.flatMap((one) => one.enum ?? []) ?? [];
  if (known.length > 0) return String(random.pick(known));
  if (/worker_id|^worker$/.test(name)) return random.pick(ids.workers);
  if (/task_id/.test(name)) return random.pick(ids.tasks);
  if (/type|family/.test(name)) return random.pick(ids.types);
  if (/alert_id/.test(name))
    return `${random.pick(["worker_overload", "worker_lost", "source_lost"])}:${random.pick(ids.workers)}`;
  if (name === "panels") return random.pick(["overview", "worker-grid,alerts", "task-list", "none", "x,,y"]);
  if (name === "metrics" || name === "metric")
    return random.pick(["cpu_utilization", "queued_tasks,running_tasks", "throughput_per_minute", "made_up"]);
  if (/^(from|to|at|before|as_of|end)/.test(name))
    return random.pick([String(Date.now() - random.below(60_000)), "-5m", "2026-01-01T00:00:00Z", "0", "-1"]);
  if (/duration|step|compare|ended/.test(name)) return random.pick(["1s", "5m", "1h", "7d", "0s", "1ms"]);
  if (schema.type === "integer" || schema.type === "number")
    return random.pick(["0", "1", "10", "500", "-1", "1e9", "1.5", ""]);
  return random.pick(["1", "gpu", "id", "-cpu", "true", "rule=worker_*"]);
}

function segment(random: Random, value: string): string {
  if (random.chance(0.04))
    return random.pick(["%", "%zz", "%ff", "%c0%af", "..", "%2e%2e", "a%2fb", "%00", ""]);
  return encodeURIComponent(value.replace(/\p{Surrogate}/gu, "\ufffd")) || "%20";
}

function queryOf(
  random: Random,
  parameters: readonly Parameter[],
  value: (parameter: Parameter) => string,
): string {
  const query = new URLSearchParams();
  for (const parameter of parameters) {
    if (parameter.in !== "query" || !random.chance(parameter.required ? 0.9 : 0.3)) continue;
    query.append(parameter.name, value(parameter));
    if (random.chance(0.05)) query.append(parameter.name, value(parameter));
  }
  if (random.chance(0.1)) query.append(hostileText(random), hostileText(random));
  if (random.chance(0.1))
    query.append(
      random.pick(["theme", "tz", "kiosk", "format", "at", "q", "done", "fired"]),
      hostileText(random),
    );
  const text = query.toString();
  if (random.chance(0.03)) return `?${text}&${random.pick(["%", "%zz=%ff", "&&&", "a=%00", "=", "?"])}`;
  return text === "" ? "" : `?${text}`;
}

const ACCEPTS = [
  ...["*/*", "text/html", "application/json", "text/csv", "text/plain", "image/svg+xml", "text/event-stream"],
  ...["application/x-ndjson", "nonsense", "text/*;q=x", ",,,;", "a/b;q=0", "text/html;q=0.1, */*;q=0.2"],
];
const LATIN = /[^\x20-\x7e\xa0-\xff]/g;

/** What a client may say of itself; now and then all of it at once. */
function hostileHeaders(random: Random, { gives }: Operation): Record<string, string> {
  const text = () => hostileText(random).replace(LATIN, "").slice(0, 2_000);
  const all: Record<string, () => string> = {
    Accept: () => (random.chance(0.6) && gives.length > 0 ? random.pick(gives) : random.pick(ACCEPTS)),
    "Accept-Encoding": () => random.pick(["gzip", "br", "gzip;q=0, *", "*;q=0", "identity;q=0", "x,,;q=9"]),
    "If-None-Match": () => random.pick(["*", 'W/"x"', '"', text()]),
    "Last-Event-ID": text,
    Cookie: () =>
      random.pick(["evenkeel_session=x", `evenkeel_session=${"A".repeat(43)}`, "a=%zz; =;;", text()]),
    Origin: () => random.pick(["null", "http://evil.example", "http://127.0.0.1", text()]),
    Referer: text,
    Authorization: () => random.pick(["Bearer x", "Basic AAAA", text()]),
    Forwarded: () => `for=${text()};proto=https`,
    "X-Forwarded-For": text,
    "X-Forwarded-Host": text,
    "X-Forwarded-Proto": () => random.pick(["https", "javascript", text()]),
    "X-Forwarded-Prefix": text,
    "X-HTTP-Method-Override": () => "DELETE",
    "Sec-Fetch-Site": () => random.pick(["cross-site", "same-origin", text()]),
    "HX-Request": () => "true",
    Range: () => "bytes=0-1,5-",
    "Accept-Language": text,
    "User-Agent": text,
  };
  const share = random.pick([0.05, 0.05, 0.2, 0.8]);
  const chosen = Object.entries(all).filter(([name]) => random.chance(name === "Accept" ? 0.8 : share));
  return Object.fromEntries(chosen.map(([name, make]) => [name, make()]));
}
