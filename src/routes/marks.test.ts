import { describe, expect, it } from "vitest";
import type { Mark } from "../metrics/model.ts";
import { START_MS, type World, world } from "./fixture.tsx";

function scene(token: string | null = null): { marks: Mark[]; w: World } {
  const marks: Mark[] = [];
  return { marks, w: world({ mark: (mark) => void marks.push(mark), settings: { ingest_token: token } }) };
}

async function post({ app }: World, body: unknown, headers: Record<string, string> = {}) {
  const answer = await app.request("/api/marks", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as { detail?: string } };
}

describe("a posted mark", () => {
  it("is set at the time given, else now", async () => {
    const { marks, w } = scene();
    expect(
      await post(w, { text: "model server 2.4", kind: "deploy", at: "2026-11-23T18:24:00+01:00" }),
    ).toEqual({
      status: 201,
      body: { at_ms: Date.UTC(2026, 10, 23, 17, 24), kind: "deploy", text: "model server 2.4", demo: false },
    });
    await post(w, { text: "<b>rack 4</b>" });
    await post(w, { text: "early", at: START_MS - 1000 });
    expect(marks.slice(1)).toEqual([
      { at_ms: START_MS, kind: "note", text: "<b>rack 4</b>" },
      { at_ms: START_MS - 1000, kind: "note", text: "early" },
    ]);
  });

  it.each([
    [{ text: "" }, /^text: /],
    [{ text: "x".repeat(201) }, /^text: /],
    [{ text: "two\nlines" }, /^text: must be printable/],
    [{ kind: "deploy" }, /^text: /],
    [{ text: "x", kind: "Deploy!" }, /^kind: must be 1 to 32 of a-z/],
    [{ text: "x", kind: "restart" }, /^kind: must be neither restart nor alert/],
    [{ text: "x", at: "yesterday" }, /^at: must be Unix milliseconds .*; got "yesterday"/],
    [{ text: "x", at: START_MS + 600_001 }, /^at: .* at most 10 minutes ahead/],
    [{ text: "x", when: 1 }, /when/],
    [[], /^a mark: /],
  ])("like %j is refused by its field and rule", async (body, detail) => {
    const { marks, w } = scene();
    const answer = await post(w, body);
    expect([answer.status, answer.body.detail]).toEqual([422, expect.stringMatching(detail)]);
    expect(marks).toEqual([]);
  });

  it("that is no JSON, too large or of another type is refused", async () => {
    const { w } = scene();
    expect((await post(w, "{")).status).toBe(400);
    expect((await post(w, { text: "x".repeat(20_000) })).status).toBe(413);
    expect((await post(w, {}, { "Content-Type": "text/plain" })).status).toBe(415);
  });

  it("needs the ingest token where there is one", async () => {
    const { marks, w } = scene("0123456789abcdef");
    expect((await post(w, { text: "x" })).status).toBe(401);
    expect((await post(w, { text: "x" }, { Authorization: "Bearer 0123456789abcdef" })).status).toBe(201);
    expect(marks).toHaveLength(1);
  });
});
