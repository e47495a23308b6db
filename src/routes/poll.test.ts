import { brotliDecompressSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { listen, type World, world } from "./fixture.tsx";

async function poll(w: World, shown: string, panels = "board,other"): Promise<{ text: string; id: string }> {
  const headers = { accept: "text/html, text/event-stream", ...(shown && { "Last-Event-ID": shown }) };
  const answer = await w.app.request(`/stream?poll=1&panels=${panels}`, { headers });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  expect(answer.headers.get("cache-control")).toBe("no-store");
  const text = await answer.text();
  return { text, id: /^id: (.+)$/m.exec(text)?.[1] ?? "" };
}

const targets = (text: string) => [...text.matchAll(/hx-target="#(p-[\w-]+)"/g)].map(([, id]) => id);

describe("a page that asks again and again", () => {
  it("gets everything, then what changed, then the tick alone, and nothing where there is no new tick", async () => {
    const w = world();
    const first = await poll(w, "");
    expect(first.text).toMatch(/^retry: 700\nevent: tick\nid: 1\.[\w-]{8}\.[\w-]{8}\ndata: \{"tick":1,/);
    expect(targets(first.text)).toEqual(["p-board", "p-other"]);
    expect((await poll(w, first.id)).text).toBe("");

    w.board.rows.set("b", "another");
    await w.tick();
    const second = await poll(w, first.id);
    expect(targets(second.text)).toEqual(["p-board", "p-other"]);
    await w.tick();
    const third = await poll(w, second.id);
    expect(third.text).toContain('"tick":3');
    expect(targets(third.text)).toEqual([]);
    // Whoever missed ticks gets what it lacks, and no more.
    await w.tick();
    expect(targets((await poll(w, second.id)).text)).toEqual([]);
    expect(targets((await poll(w, first.id)).text)).toEqual(["p-board", "p-other"]);
  });

  it("gets what changed within a tick, as when somebody dealt with an alert", async () => {
    const w = world();
    const { id } = await poll(w, "", "board");
    w.board.rows.set("b", "another");
    w.now.read = { ...w.now.read };
    expect(targets((await poll(w, id, "board")).text)).toEqual(["p-board"]);
  });

  it.each(["1", "7", "1.x", "...", "1.AAAAAAAA.BBBBBBBB.CCCCCCCC", "é"])(
    "gets everything where it names what was never sent: %j",
    async (shown) => {
      expect(targets((await poll(world(), encodeURI(shown))).text)).toEqual(["p-board", "p-other"]);
    },
  );

  it("is told of what it asks wrongly, and may ask for other formats", async () => {
    const w = world();
    expect((await w.app.request("/stream?poll=1&panels=nonsense")).status).toBe(404);
    const line = await (await w.app.request("/stream?poll=1&panels=board&format=json")).text();
    expect(JSON.parse(line)).toMatchObject({ tick: 1, panels: { board: {} } });
    const text = await (await w.app.request("/stream?poll=1&panels=board&format=text")).text();
    expect(text).toContain("Board board");
  });

  it("gets it compressed", async () => {
    const w = world();
    for (let row = 0; row < 100; row++) w.board.rows.set(`row-${row}`, "the same");
    await w.tick();
    const headers = { "accept-encoding": "br" };
    const answer = await w.app.request("/stream?poll=1&panels=board", { headers });
    expect(answer.headers.get("content-encoding")).toBe("br");
    const text = brotliDecompressSync(Buffer.from(await answer.arrayBuffer())).toString();
    expect(targets(text)).toEqual(["p-board"]);
  });

  it("is no viewer that holds a place", async () => {
    const w = world({ limits: { max_viewers: 0 } });
    expect((await poll(w, "")).text).toContain("event: tick");
  });
});

describe("a panel to embed", () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  it("asks again and again where it came over HTTP/1.1; a page of its own does not", async () => {
    const w = world();
    const { origin, close } = await listen(w.app);
    closers.push(close);
    const embed = await (await fetch(`${origin}/embed/board`)).text();
    expect(embed).toContain('hx-sse:connect="stream?poll=1&amp;panels=board"');
    const page = await (await fetch(`${origin}/`, { headers: { accept: "text/html" } })).text();
    expect(page).toContain('hx-sse:connect="stream?panels=');
  });
});
