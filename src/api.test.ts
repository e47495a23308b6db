import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ManualClock } from "./metrics/clock.ts";
import type { JsonSchema } from "./metrics/json-schema.ts";
import type { Pipeline } from "./metrics/pipeline.ts";
import { pipelineWith } from "./metrics/pipeline-fixture.ts";
import { type AccountStore, openAccounts } from "./metrics/store/accounts.ts";
import type { MetricStore } from "./metrics/store/contract.ts";
import { openStore } from "./metrics/store/sqlite.ts";
import { addToken } from "./routes/auth/accounts.ts";
import { world } from "./routes/fixture.tsx";
import type { App, Route } from "./routes/route.ts";
import { SITE } from "./routes/site.ts";

/** The interface as it is described, against a fleet that has what its examples name. */
const START_MS = Date.parse("2026-11-23T19:00:00Z");
const HISTORY_S = 90;

interface Operation {
  parameters: { name: string; in: string; required: boolean; schema: JsonSchema; example?: unknown }[];
  requestBody?: { content: Record<string, { schema: JsonSchema; example?: unknown }> };
  responses: Record<string, { content?: Record<string, { schema: JsonSchema }> }>;
}
interface Description {
  paths: Record<string, Record<string, Operation>>;
}

let folder: string;
let store: MetricStore;
let accounts: AccountStore;
let pipeline: Pipeline;
let app: Pick<App, "request">;
let described: Description;
/** Ids that were made only now. */
const made: Record<string, string> = {};

// The routes alone, for the names of the tests.
const { routes } = world({ site: SITE });
const isForm = ({ takes }: Route) => takes?.includes("application/x-www-form-urlencoded") ?? false;
const isStream = ({ path }: Route) => path.endsWith("/stream") || path.startsWith("/ws");
const GETS = routes.filter((route) => route.method === "GET" && !isStream(route));
const named = (all: readonly Route[]) =>
  all.map((route) => [`${route.method} ${route.path}`, route] as const);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-api-"));
  const path = join(folder, "fleet.db");
  store = openStore(path, { housekeeping: "inline" });
  accounts = openAccounts(path);
  const clock = new ManualClock(START_MS - HISTORY_S * 1000);
  pipeline = pipelineWith(store, clock);
  for (let second = 0; second < HISTORY_S; second++) {
    clock.advance(1000);
    await report(second);
    pipeline.tick(clock.now());
  }
  const now = () => pipeline.read().now_ms;
  const w = world({
    site: SITE,
    accounts,
    read: () => pipeline.read(),
    readAt: (at_ms) => pipeline.readAt(at_ms),
    ingest: (body, type) => pipeline.collector.accept(body, type === "application/json" ? "json" : "ndjson"),
    mark: (mark) => pipeline.mark(mark),
    alerts: {
      acknowledge: (id, by, note) => pipeline.acknowledge(id, by, note, now()),
      unacknowledge: (id, by) => pipeline.unacknowledge(id, by, now()),
      silence: (silence) => {
        made["silence_id"] = silence.id;
        pipeline.silence(silence, now());
      },
      endSilence: (id) => pipeline.endSilence(id, now()),
    },
  });
  app = asAdmin(w.app);
  described = (await (await app.request("/openapi.json")).json()) as Description;
});

afterAll(async () => {
  accounts.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

/** Whoever may do all of it asks; there is another user whom it can remove. */
function asAdmin(of: App): Pick<App, "request"> {
  const user = { role: "admin", password: "", created_ms: 0 } as const;
  for (const name of ["root", "vera"]) accounts.putUser({ ...user, name });
  const token = (role: "admin" | "viewer") => addToken(accounts, { name: role, role }, "test", 0);
  made["id"] = token("viewer").token.id;
  const { secret } = token("admin");
  return {
    request: (address, init) => {
      const headers = new Headers(init?.headers);
      headers.set("Authorization", `Bearer ${secret}`);
      return of.request(address, { ...init, headers });
    },
  };
}

function report(second: number): Promise<unknown> {
  const ended = (id: string, status: string) => ({
    id: `${id}-${second}`,
    type: "vision",
    model_family: "vit",
    model_id: "vit-large-patch16",
    status,
    worker_id: "W1",
    started_at: START_MS - (HISTORY_S - second + 5) * 1000,
  });
  const body = {
    source: "balancer-1",
    workers: ["W1", "W2", "W3"].map((id) => ({
      id,
      type: "gpu",
      tags: ["cuda"],
      capabilities: { backends: ["cuda"] },
      metrics: { cpu_utilization: id === "W3" ? 97 : 40 + (second % 7), gpu_utilization: 50 },
      gpus: [{ index: 0, utilization: 50 }],
    })),
    tasks: [
      { ...ended("t", "running"), id: "t-17", metrics: { memory_bytes: 4096 } },
      { id: "t-18", type: "text", model_family: "bert", status: "queued", priority: 2 },
      ended("ok", "completed"),
      ended("bad", "failed"),
    ],
  };
  return pipeline.collector.accept(new TextEncoder().encode(JSON.stringify(body)), "json");
}

function operationOf({ method, path }: Pick<Route, "method" | "path">): Operation {
  return described.paths[path.replaceAll(/:(\w+)/g, "{$1}")]![method.toLowerCase()]!;
}

/** A request as the description's own examples make it. */
function addressOf(route: Route, extra: Record<string, string> = {}): string {
  const values = new Map<string, string>();
  for (const { name, required, example } of operationOf(route).parameters) {
    if (required && example !== undefined) values.set(name, String(example));
  }
  for (const [name, value] of Object.entries({ ...made, ...extra })) {
    if (operationOf(route).parameters.some((one) => one.name === name)) values.set(name, value);
  }
  const path = route.path.replaceAll(/:(\w+)/g, (_, name: string) => {
    const value = values.get(name)!;
    values.delete(name);
    return encodeURIComponent(value);
  });
  return values.size === 0 ? path : `${path}?${new URLSearchParams([...values])}`;
}

const ajv = new Ajv2020({ strict: false, validateFormats: false });

/** What an answer breaks of what is said of it. */
async function breaches(route: Route, answer: Response): Promise<unknown> {
  const { responses } = operationOf(route);
  const type = (answer.headers.get("Content-Type") ?? "").split(";")[0]!;
  const documented = responses[String(answer.status)] ?? responses["default"]!;
  const content = documented.content?.[type];
  if (content === undefined) return `${answer.status} ${type}: ${await answer.text()}`;
  if (type !== "application/json") return null;
  const validate = ajv.compile(content.schema);
  return validate(await answer.json()) ? null : validate.errors;
}

describe("the description", () => {
  test("is valid OpenAPI 3.1", async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(described) as never);
    expect([valid, errors]).toEqual([true, undefined]);
    expect(validator.version).toBe("3.1");
  });

  test("names each operation and describes each parameter", () => {
    const operations = Object.values(described.paths).flatMap((path) => Object.values(path));
    const ids = operations.map((operation) => (operation as unknown as { operationId: string }).operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength(routes.length);
    const silent = operations.flatMap(({ parameters }) =>
      parameters.filter((one) => !("description" in one)).map(({ name }) => name),
    );
    expect(silent).toEqual([]);
  });

  test("has an example of each parameter that is free text or must be given", () => {
    const without = Object.entries(described.paths).flatMap(([path, methods]) =>
      Object.values(methods).flatMap(({ parameters }) =>
        parameters
          .filter(({ required, schema, example }) => {
            const told = schema.enum ?? schema.type === "integer";
            return example === undefined && (required || !told);
          })
          .map(({ name }) => `${path} ${name}`),
      ),
    );
    expect(without).toEqual([]);
  });

  test("tells every field of a body that is sent", () => {
    const bodies = routes.filter(({ body }) => body);
    expect(bodies.map(({ path }) => path)).toContain("/api/ingest");
    for (const route of bodies) {
      const { schema } = operationOf(route).requestBody!.content["application/json"]!;
      expect(undescribed(schema), route.path).toEqual([]);
    }
    const { schema } = operationOf({ method: "POST", path: "/api/ingest" }).requestBody!.content[
      "application/json"
    ]!;
    expect(Object.keys(schema.properties!)).toEqual([
      "at",
      "source",
      "interval_s",
      "complete",
      "workers",
      "tasks",
      "system",
    ]);
  });

  test("has the same rules for what is the same everywhere", () => {
    const rules = new Map<string, Set<string>>();
    const operations = Object.values(described.paths).flatMap((path) => Object.values(path));
    for (const { parameters } of operations) {
      // A silence has a duration of its own, which is no window of time.
      if (parameters.some(({ name }) => name === "matchers")) continue;
      for (const { name, schema } of parameters) {
        rules.set(name, (rules.get(name) ?? new Set()).add(JSON.stringify(schema)));
      }
    }
    const several = [...rules].filter(([, all]) => all.size > 1).map(([name]) => name);
    // Each list has columns and states of its own, each route its forms, and charts reach back differently far.
    expect(several.sort()).toEqual(["format", "minutes", "panels", "sort"]);
  });
});

function undescribed(schema: JsonSchema, path = ""): string[] {
  const inner = (schema.anyOf ?? [schema]).flatMap((one) => [one, one.items ?? {}]);
  return inner.flatMap(({ properties = {} }) =>
    Object.entries(properties).flatMap(([name, field]) => [
      ...(field.description ? [] : [`${path}${name}`]),
      ...undescribed(field, `${path}${name}.`),
    ]),
  );
}

describe("an example is answered as described:", () => {
  test.each(named(GETS))("%s", async (_, route) => {
    const answer = await app.request(addressOf(route));
    expect(answer.status, await answer.clone().text()).toBe(route.response?.status ?? 200);
    expect(await breaches(route, answer)).toBeNull();
  });

  test.each(named(GETS))("%s with each of its parameters, and each of their words", async (_, route) => {
    for (const { name, in: place, schema, example } of operationOf(route).parameters) {
      if (place === "path") continue;
      const words = [...(schema.enum ?? []), ...(example === undefined ? [] : [example])].map(String);
      for (const word of words) {
        const answer = await app.request(addressOf(route, { [name]: word }));
        // A time may lie before the first moment that is kept: that is said, and not a mistake of the example.
        const detail = answer.status === 200 ? "" : await answer.clone().text();
        expect([200, 302], `${name}=${word} ${detail}`).toContain(answer.status);
        if (answer.status === 200) expect(await breaches(route, answer)).toBeNull();
      }
    }
  });

  test.each(named(routes.filter((route) => route.example?.body)))("%s", async (_, route) => {
    const { example } = operationOf(route).requestBody!.content["application/json"]!;
    const answer = await app.request(addressOf(route), {
      method: route.method,
      body: JSON.stringify(example),
      headers: { "Content-Type": "application/json" },
    });
    expect(answer.status, await answer.clone().text()).toBe(route.response?.status ?? 200);
    expect(await breaches(route, answer)).toBeNull();
  });

  test.each(
    named(
      routes.filter(
        (route) => (route.method === "DELETE" && !route.body) || route.path === "/api/receivers/:name/test",
      ),
    ),
  )("%s", async (_, route) => {
    const answer = await app.request(addressOf(route), { method: route.method });
    expect(answer.status, await answer.clone().text()).toBe(route.response?.status ?? 200);
    expect(await breaches(route, answer)).toBeNull();
  });
});

describe("whatever is wrong is answered in one shape:", () => {
  test.each(named([...GETS, ...routes.filter(isStream)]))("%s", async (_, route) => {
    for (const { name, in: place, schema } of operationOf(route).parameters) {
      if (place === "path" || route.path.startsWith("/ws")) continue;
      const answer = await app.request(addressOf(route, { [name]: "€".repeat(5000) }));
      const strict = schema.enum !== undefined || schema.type === "integer" || schema.maximum !== undefined;
      if (answer.status === 200 && !strict) continue;
      expect(answer.headers.get("Content-Type"), name).toBe("application/problem+json");
      const problem = (await answer.json()) as Record<string, unknown>;
      expect(problem).toMatchObject({
        type: "about:blank",
        status: answer.status,
        detail: expect.any(String),
      });
      // A form that there is not is named by what there is.
      if (answer.status === 406) continue;
      expect(problem["parameter"]).toBe(name);
      expect([400, 404]).toContain(answer.status);
      expect(String(problem["detail"]).length).toBeLessThan(2000);
    }
  });

  test.each(named(routes.filter((route) => route.takes && !isForm(route))))("%s", async (_, route) => {
    const send = (body: string, type: string) =>
      app.request(addressOf(route), { method: route.method, body, headers: { "Content-Type": type } });
    const answers = [
      await send("{", "application/json"),
      await send('{"at": "yesterday", "by": 7, "text": 7, "matchers": 7}', "application/json"),
      await send("{}", "text/plain"),
    ];
    expect(answers.map(({ status }) => status)).toEqual([expect.toBeOneOf([400, 422]), 422, 415]);
    for (const answer of answers) {
      expect(answer.headers.get("Content-Type")).toBe("application/problem+json");
      expect(await answer.json()).toMatchObject({ type: "about:blank", status: answer.status });
    }
  });

  test("nothing there, no such method, a page that is not allowed to", async () => {
    for (const [path, init, status] of [
      ["/nothing", {}, 404],
      ["/api/metrics/workers/nobody", {}, 404],
      ["/api/metrics/system", { method: "DELETE" }, 405],
      ["/api/silences", { method: "POST", headers: { Origin: "http://evil.example" } }, 403],
    ] as const) {
      const answer = await app.request(path, init);
      expect([answer.status, answer.headers.get("Content-Type")]).toEqual([
        status,
        "application/problem+json",
      ]);
    }
  });
});

describe("what has not changed is not sent again:", () => {
  // Whoever asks for these wants to know how it is now.
  const kept = GETS.filter(({ path }) => !["/healthz", "/readyz", "/metrics"].includes(path));

  test.each(named(kept))("%s", async (_, route) => {
    const forms = operationOf(route).parameters.find(({ name }) => name === "format")?.schema.enum ?? [];
    for (const form of forms.length === 0 ? [{}] : forms.map((format) => ({ format: String(format) }))) {
      const address = addressOf(route, form);
      const first = await app.request(address);
      const etag = first.headers.get("ETag")!;
      expect(etag, address).toMatch(route.path.startsWith("/assets") ? /^(W\/)?"/ : /^W\/"/);
      const again = await app.request(address, { headers: { "If-None-Match": etag } });
      expect([again.status, await again.text(), again.headers.get("ETag")]).toEqual([304, "", etag]);
      const head = await app.request(address, { method: "HEAD" });
      expect([head.status, await head.text(), head.headers.get("ETag")]).toEqual([200, "", etag]);
      expect(head.headers.get("Content-Type")).toBe(first.headers.get("Content-Type"));
    }
  });
});
