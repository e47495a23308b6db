import { EventEmitter, once } from "node:events";
import { get as httpGet, type IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import type { TakenReport } from "../metrics/collect/collector.ts";
import { listen, world } from "./fixture.tsx";
import type { Outgoing } from "./hub.ts";
import { type FeedMoment, ReportFeed } from "./report-feed.ts";

const NOW_MS = Date.UTC(2026, 10, 23, 18, 24, 16);

/** A recorder without a socket: it takes what is written, or does not. */
class Client extends EventEmitter implements Outgoing {
  text = "";
  writableLength = 0;
  destroyed = false;
  ended = false;
  reading = true;

  write(chunk: Uint8Array): boolean {
    this.text += Buffer.from(chunk).toString();
    if (!this.reading) this.writableLength += chunk.length;
    return this.reading;
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }

  get reports(): Record<string, unknown>[] {
    return this.text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }
}

function feed(limits: ConstructorParameters<typeof ReportFeed>[2] = {}) {
  const moment = { now_ms: NOW_MS, sources: [] as FeedMoment["sources"] };
  const listening: boolean[] = [];
  const it = new ReportFeed(
    () => moment,
    (on) => void listening.push(on),
    limits,
  );
  return {
    feed: it,
    moment,
    listening,
    join() {
      const client = new Client();
      it.join(() => client);
      return client;
    },
    tick(...taken: TakenReport[]) {
      moment.now_ms += 1000;
      it.take(taken);
      it.publish();
    },
  };
}

/** A report that came `received_ms` after the start, as the collector hands it on. */
function taken(raw: Record<string, unknown>, received_ms = 0, source = "a"): TakenReport {
  const at_ms = typeof raw.at === "number" ? raw.at : null;
  const received = { received_ms: NOW_MS + received_ms, source, at_ms };
  const report = { interval_s: null, complete: false, workers: [], tasks: [], system: {}, ...received };
  return { raw, report };
}

describe("a recording", () => {
  it("has each report with its time first and its source, in the order of the times of a tick", () => {
    const f = feed();
    const client = f.join();
    expect(client.text).toBe("\n");
    f.tick(
      taken({ workers: [{ id: "w" }], unknown: 1 }, 700),
      taken({ at: NOW_MS + 300, source: "b", tasks: [] }, 800, "b"),
      taken({ source: "", at: NOW_MS + 900 }, 900, "default"),
    );
    expect(client.text.trim().split("\n")).toEqual([
      `{"at":${NOW_MS + 300},"source":"b","tasks":[]}`,
      `{"at":${NOW_MS + 700},"source":"a","workers":[{"id":"w"}],"unknown":1}`,
      `{"at":${NOW_MS + 900},"source":"default"}`,
    ]);
  });

  it("begins where it was asked for: what came before, and late news of that time, is not in it", () => {
    const f = feed();
    f.tick(taken({ at: NOW_MS }));
    const client = f.join();
    f.tick(taken({ at: NOW_MS - 600_000 }), taken({ at: NOW_MS - 3000 }), taken({ at: NOW_MS + 1000 }, 1000));
    expect(client.reports.map(({ at }) => at)).toEqual([NOW_MS - 3000, NOW_MS + 1000]);
  });

  it("tells the server's time: a source's clock is taken out of it and of its tasks, by one figure throughout", () => {
    const f = feed();
    const client = f.join();
    f.moment.sources = [{ id: "a", clock_offset_ms: -60_000 }];
    const started_at = new Date(NOW_MS + 59_000).toISOString();
    f.tick(taken({ at: NOW_MS + 60_500, tasks: [{ id: "t", started_at, queued_at: null }] }, 500));
    f.moment.sources = [{ id: "a", clock_offset_ms: -63_000 }];
    f.tick(taken({ at: NOW_MS + 61_500 }, 1500));
    expect(client.reports).toEqual([
      { at: NOW_MS + 500, source: "a", tasks: [{ id: "t", started_at: NOW_MS - 1000, queued_at: null }] },
      { at: NOW_MS + 1500, source: "a" },
    ]);
  });

  it("holds the others up by no source whose clock is ahead and not judged yet", () => {
    const f = feed();
    const client = f.join();
    f.tick(taken({ at: NOW_MS + 300_400 }, 400, "ahead"), taken({ at: NOW_MS + 300 }, 400));
    f.tick(taken({ at: NOW_MS + 301_300 }, 1400, "ahead"));
    expect(client.reports.map(({ source, at }) => [source, Number(at) - NOW_MS])).toEqual([
      ["a", 300],
      ["ahead", 400],
      ["ahead", 1300],
    ]);
  });

  it("is kept alive by blank lines while nothing is reported", () => {
    const f = feed();
    const client = f.join();
    for (let second = 0; second < 31; second++) f.tick();
    expect(client.text).toBe("\n\n\n");
  });

  it("whose client does not keep up ends with a line that says so, and is cut off if that is not taken either", () => {
    const f = feed({ max_backlog_bytes: 100, farewell_ms: 3000 });
    const [slow, good] = [f.join(), f.join()];
    slow.reading = false;
    const report = () => taken({ note: "x".repeat(120) });
    f.tick(report());
    f.tick(report());
    expect([slow.ended, slow.destroyed]).toEqual([true, false]);
    expect(slow.reports.at(-1)).toEqual({
      end: "this recorder did not keep up: more than 100 bytes waited for it (max_backlog_bytes)",
    });
    f.tick(report());
    expect(slow.reports).toHaveLength(2);
    f.tick();
    f.tick();
    expect(slow.destroyed).toBe(true);
    expect([good.reports.length, good.ended]).toEqual([3, false]);
    expect(f.feed.limits_reached).toEqual({ max_backlog_bytes: 1 });
  });

  it("is one of a bounded number", () => {
    const f = feed({ max_recorders: 1 });
    const client = f.join();
    expect(() => f.join()).toThrow("At most 1 recordings at once (max_recorders)");
    expect(f.feed.limits_reached).toEqual({ max_recorders: 1 });
    client.destroy();
    f.join();
  });

  it("costs nothing while there is none: nobody listens, and nothing is held", () => {
    const f = feed();
    f.tick(taken({ at: NOW_MS }));
    const [one, other] = [f.join(), f.join()];
    expect(f.listening).toEqual([true]);
    expect(one.text + other.text).toBe("\n\n");
    one.destroy();
    expect(f.listening).toEqual([true]);
    other.destroy();
    expect(f.listening).toEqual([true, false]);
  });

  it("ends with the server, and with what was taken until then", () => {
    const f = feed();
    const client = f.join();
    f.feed.take([taken({ at: NOW_MS })]);
    f.feed.close();
    expect([client.reports.length, client.ended]).toEqual([1, true]);
    expect(() => f.join()).toThrow("Evenkeel is stopping");
  });
});

describe("GET /api/ingest/stream", () => {
  it("streams over a real connection", async () => {
    const w = world();
    const { origin, close } = await listen(w.app);
    const request = httpGet(`${origin}/api/ingest/stream`);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    expect(response.headers["content-type"]).toBe("application/x-ndjson");
    response.setEncoding("utf8");
    expect(await once(response, "data")).toEqual(["\n"]);
    w.feed.take([taken({ at: NOW_MS })]);
    w.feed.publish();
    expect(await once(response, "data")).toEqual([`{"at":${NOW_MS},"source":"a"}\n`]);
    w.feed.close();
    response.resume();
    await once(response, "end");
    expect(response.complete).toBe(true);
    await close();
  });

  it("needs a connection of its own, and tells its head without", async () => {
    const w = world();
    expect((await w.app.request("/api/ingest/stream")).status).toBe(503);
    const head = await w.app.request("/api/ingest/stream", { method: "HEAD" });
    expect([head.status, head.headers.get("content-type")]).toEqual([200, "application/x-ndjson"]);
  });
});
