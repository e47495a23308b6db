import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EvenkeelError } from "../errors.ts";
import type { Silence } from "../metrics/model.ts";
import { type AccountStore, openAccounts } from "../metrics/store/accounts.ts";
import type { MetricStore } from "../metrics/store/contract.ts";
import { openStore } from "../metrics/store/sqlite.ts";
import { fixtureRead, NOW_MS } from "../views/fixture.ts";
import { type World, world } from "./fixture.tsx";
import { SITE } from "./site.ts";

const FORM = "application/x-www-form-urlencoded";
const PATH = "/alerts/worker_overload%3AW3/acknowledgement";

let folder: string;
let store: MetricStore;
let accounts: AccountStore;
let w: World;
let done: unknown[][];
let silences: Silence[];
let reloaded: string | null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  store = openStore(join(folder, "evenkeel.db"));
  accounts = openAccounts(join(folder, "evenkeel.db"));
  [done, silences, reloaded] = [[], [], null];
  w = world({
    site: SITE,
    accounts,
    alerts: {
      acknowledge: (id, by, note) => {
        if (id === "nothing") throw new EvenkeelError("not_found", 'No alert "nothing" fires now');
        done.push(["acknowledge", id, by, note]);
      },
      unacknowledge: (id, by) => void done.push(["unacknowledge", id, by]),
      silence: (silence) => void silences.push(silence),
      endSilence: (id) => void done.push(["end", id]),
      testReceiver: async (name) => {
        if (name === "nobody") throw new EvenkeelError("not_found", "There are pager, chat");
        done.push(["test", name]);
        return { at_ms: NOW_MS, ok: name === "pager", detail: "answered" };
      },
      reload: () => reloaded,
    },
  });
  w.now.read = fixtureRead();
});

afterEach(async () => {
  accounts.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

async function send(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
  const form = body instanceof URLSearchParams;
  const response = await w.app.request(path, {
    method,
    headers: { ...(body && { "Content-Type": form ? FORM : "application/json" }), ...headers },
    ...(body && { body: form ? body.toString() : JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    to: response.headers.get("location"),
    cookie: response.headers.get("set-cookie")?.split(";")[0] ?? null,
    body: text.startsWith("{") ? JSON.parse(text) : text,
  };
}

const form = (fields: Record<string, string>) => new URLSearchParams(fields);

describe("an acknowledgement", () => {
  it("comes from a form with a name, which is offered again", async () => {
    const first = await send("POST", PATH, form({ by: " Ada L ", note: "on it" }));
    expect([first.status, first.to]).toEqual([303, "/alerts/worker_overload%3AW3"]);
    const cookie = { Cookie: first.cookie! };
    const again = await send("POST", `${PATH}/end`, form({ by: "" }), cookie);
    expect([again.status, again.cookie]).toEqual([303, null]);
    expect(done).toEqual([
      ["acknowledge", "worker_overload:W3", "Ada L", "on it"],
      ["unacknowledge", "worker_overload:W3", "Ada L"],
    ]);
    const page = await send("GET", "/alerts/worker_overload%3AW3", undefined, {
      ...cookie,
      Accept: "text/html",
    });
    expect(page.body).toContain('autocomplete="name" value="Ada L"');
    const settings = await send("GET", "/settings", undefined, { ...cookie, Accept: "text/html" });
    expect(settings.body).toContain('name="name" value="Ada L"');
  });

  it("comes from a script with who and a note", async () => {
    const put = await send("PUT", PATH, { by: "pager", note: "seen" });
    expect(put).toMatchObject({
      status: 200,
      body: { success: true, alert_id: "worker_overload:W3", by: "pager", note: "seen" },
    });
    expect((await send("DELETE", PATH, { by: "pager" })).status).toBe(200);
    expect(done.map(([what]) => what)).toEqual(["acknowledge", "unacknowledge"]);
  });

  it.each([
    [{}, 400, "by must be your name, 1 to 100 characters; got nothing"],
    [{ by: "x".repeat(101) }, 400, /^by must be your name, 1 to 100 characters; got "xxx/],
    [
      { by: "Ada", note: "x".repeat(1001) },
      400,
      'note must have at most 1000 characters; got "1001 characters"',
    ],
    [{ by: 7 }, 422, /^by: .*; got 7$/],
    [{ by: "Ada", who: "Bob" }, 422, /who/],
  ])("like %j is refused with the field, the rule and the value", async (body, status, detail) => {
    const answer = await send("PUT", PATH, body);
    expect(answer.status).toBe(status);
    expect(answer.body.detail).toEqual(typeof detail === "string" ? detail : expect.stringMatching(detail));
    expect(done).toEqual([]);
  });

  it("of what does not fire is not found", async () => {
    expect((await send("PUT", "/alerts/nothing/acknowledgement", { by: "Ada" })).status).toBe(404);
  });

  it("that a form asks for in vain is answered with a page", async () => {
    const answer = await send("POST", "/alerts/nothing/acknowledgement", form({ by: "Ada" }), {
      Accept: "text/html",
    });
    expect(answer.status).toBe(404);
    expect(answer.body).toContain("No alert &quot;nothing&quot; fires now");
  });

  it("of another host's page is refused", async () => {
    const answer = await send("POST", PATH, form({ by: "Eve" }), { Origin: "https://evil.example" });
    expect([answer.status, done]).toEqual([403, []]);
  });
});

describe("a silence", () => {
  it("comes from a script and is answered as it holds", async () => {
    const asked = {
      matchers: ["rule=worker_*", "worker_type!=cpu"],
      duration: "8h",
      by: "Ada",
      note: "move",
    };
    const { status, body } = await send("POST", "/api/silences", asked);
    expect(status).toBe(201);
    expect(body).toEqual({
      success: true,
      id: silences[0]!.id,
      matchers: "rule=worker_*, worker_type!=cpu",
      starts_ms: NOW_MS,
      ends_ms: NOW_MS + 8 * 3_600_000,
      by: "Ada",
      note: "move",
      active: true,
    });
    expect((await send("DELETE", `/api/silences/${body.id}`)).body).toEqual({
      success: true,
      silence_id: body.id,
    });
    expect(done).toEqual([["end", body.id]]);
  });

  it("may end at an instant", async () => {
    await send("POST", "/api/silences", { matchers: "worker=W3", ends: NOW_MS + 90_000, by: "Ada" });
    await send("POST", "/api/silences", {
      matchers: "worker=W3",
      ends: "2026-11-23T21:42:06+01:00",
      by: "Ada",
    });
    expect(silences.map(({ ends_ms }) => ends_ms - NOW_MS)).toEqual([90_000, 3_600_000]);
  });

  it.each([
    [{ matchers: "worker=W3", by: "Ada" }, /^duration must be .*; got nothing/],
    [{ matchers: "worker=W3", duration: "90d", by: "Ada" }, /^duration must be .*; got "90d"/],
    [{ matchers: "worker=W3", ends: NOW_MS + 31 * 86_400_000, by: "Ada" }, /must end in 1 minute to 30 days/],
    [{ matchers: "worker=W3", ends: "tomorrow", by: "Ada" }, /^ends must be RFC 3339 .*; got "tomorrow"/],
    [{ matchers: "colour=red", duration: "1h", by: "Ada" }, /label=value .*; got "colour=red"/],
    [{ matchers: "", duration: "1h", by: "Ada" }, /^matchers must be 1 to 20 /],
    [{ matchers: "worker=W3", duration: "1h" }, /^by must be your name/],
  ])("like %j is refused", async (asked, detail) => {
    const { status, body } = await send("POST", "/api/silences", asked);
    expect([status, body.detail]).toEqual([400, expect.stringMatching(detail)]);
    expect(silences).toEqual([]);
  });

  it("comes from a form, which says what is wrong where it was filled in", async () => {
    const right = { matchers: "worker=W3", duration: "15m", by: "Ada", note: "" };
    expect(await send("POST", "/silences", form(right))).toMatchObject({
      status: 303,
      to: "/alerts#p-silences",
    });
    expect(silences).toMatchObject([{ by: "Ada", ends_ms: NOW_MS + 900_000 }]);
    const wrong = await send("POST", "/silences", form({ ...right, duration: "2y" }));
    expect(wrong.to).toBe("/silences/new?matchers=worker%3DW3&duration=2y&by=Ada");
    const page = await send("GET", wrong.to!, undefined, { Accept: "text/html" });
    expect(page.body).toContain("duration must be");
    expect(page.body).toContain('value="worker=W3"');
    expect(page.body).toContain('<option value="2y" selected="">2y</option>');
    expect(page.body).not.toContain("Set this silence");
    expect(await send("POST", "/silences/s1/end", form({}))).toMatchObject({
      status: 303,
      to: "/alerts#p-silences",
    });
    expect(done).toEqual([["end", "s1"]]);
  });

  it("shows what it would match before it is set", async () => {
    const { body } = await send("GET", "/api/silences/new?matchers=rule%3Dworker_*&duration=1h&by=Ada");
    expect(body).toMatchObject({ problem: null, ends_ms: NOW_MS + 3_600_000 });
    expect(body.alerts.map(({ rule }: { rule: string }) => rule)).toEqual(["worker_overload", "worker_lost"]);
    const page = await send("GET", "/silences/new?matchers=rule%3Dworker_*&duration=1h&by=Ada", undefined, {
      Accept: "text/html",
    });
    expect(page.body).toContain("It matches 2\u00a0alerts now");
    expect(page.body).toContain("Set this silence");
  });
});

describe("the file of alerts", () => {
  it("is read again, and what is wrong with it is answered", async () => {
    expect(await send("POST", "/alerts/reload")).toMatchObject({ status: 200, body: { success: true } });
    reloaded = "alerts.yaml: line 3: each must be one of worker, task; got host";
    expect(await send("POST", "/alerts/reload")).toMatchObject({ status: 422, body: { detail: reloaded } });
    expect(await send("POST", "/alerts/reload", form({}))).toMatchObject({
      status: 303,
      to: "/alerts#p-alert-rules",
    });
  });
});

describe("the pages", () => {
  const html = { Accept: "text/html" };

  it("count what fires in their title, their icon and their header, whatever they show", async () => {
    for (const path of ["/", "/workers", "/settings", "/alerts"]) {
      const { body } = await send("GET", path, undefined, html);
      expect(body).toMatch(/<title>\(2\) /);
      expect(body).toMatch(/<link rel="icon" href="[^"]*alarm\.svg/);
      expect(body).toContain('id="alert-count"');
      expect(body).toMatch(/hx-sse:connect="stream\?panels=[^"]*alert-counts/);
    }
    expect((await send("GET", "/embed/alerts", undefined, html)).body).not.toContain("alert-count");
  });

  it("of an alert that nothing is kept of say so", async () => {
    w.now.read = { ...w.now.read, alertsOf: () => [] };
    const { status, body } = await send("GET", "/alerts/worker_lost%3Anobody", undefined, html);
    expect(status).toBe(404);
    expect(body).toContain(
      "No alert &quot;worker_lost:nobody&quot; is pending or fires, and nothing is kept",
    );
  });

  it("with a form are not loaded again under somebody's hands", async () => {
    for (const path of ["/alerts", "/alerts/worker_overload%3AW3", "/silences/new"])
      expect((await send("GET", path, undefined, html)).body).not.toContain("http-equiv");
  });

  it("show the newest as soon as somebody dealt with an alert, not with the next tick", async () => {
    await send("GET", "/alerts/worker_overload%3AW3", undefined, html);
    const alerts = w.now.read.allAlerts().map((alert) => ({
      ...alert,
      acknowledged: { at_ms: NOW_MS, by: "Ada", note: "" },
    }));
    w.now.read = { ...w.now.read, alerts, allAlerts: () => alerts };
    const { body } = await send("GET", "/alerts/worker_overload%3AW3", undefined, html);
    expect(body).toContain("acknowledged by");
    expect(body).not.toMatch(/<title>\(/);
  });
});

describe("a test of a receiver", () => {
  it("by a form leads back to the receivers, and by a script is answered with what came of it", async () => {
    const back = await send("POST", "/alerts/receivers/pager/test", form({}));
    expect([back.status, back.to]).toEqual([303, "/alerts#p-receivers"]);
    const failed = await send("POST", "/api/receivers/a%2Fb/test");
    expect(failed).toMatchObject({ status: 200, body: { success: true, ok: false, detail: "answered" } });
    expect(done).toEqual([
      ["test", "pager"],
      ["test", "a/b"],
    ]);
  });

  it.each(["/alerts/receivers/nobody/test", "/api/receivers/nobody/test"])(
    "that is not named is not found at %s",
    async (path) => {
      const answer = await send("POST", path, form({}));
      expect([answer.status, answer.body.detail]).toEqual([404, "There are pager, chat"]);
    },
  );

  it.each(["/alerts/receivers/pager/test", "/api/receivers/pager/test"])(
    "is refused at %s to a page of another host",
    async (path) => {
      const answer = await send("POST", path, form({}), { Origin: "https://elsewhere.example" });
      expect(answer.status).toBe(403);
      expect(done).toEqual([]);
    },
  );
});
