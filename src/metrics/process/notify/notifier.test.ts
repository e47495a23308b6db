import { describe, expect, test } from "vitest";
import type { NewMessage } from "../../outbox.ts";
import type { ToldAlert, ToldEvent } from "./event.ts";
import { fromDocument } from "./message.ts";
import { type AlertsNow, Notifier, type NotifierState } from "./notifier.ts";
import { configOf, ends, fires, overload, T0 } from "./notify-fixture.ts";

const RECEIVERS = [
  { name: "pager", kind: "webhook", url: "http://pager.example" },
  { name: "chat", kind: "slack", url: "http://chat.example" },
  { name: "am", kind: "alertmanager", url: "http://am.example" },
];

const S = 1000;
const H = 3_600_000;

/** A notifier with what fires beside it, as the rule engine has it. */
class Scene {
  readonly firing = new Map<string, ToldAlert>();
  readonly quiet = new Set<string>();
  readonly config: ReturnType<typeof configOf>;
  notifier: Notifier;
  state: NotifierState | null = null;
  #newest_id = 0;

  constructor(...routes: object[]) {
    this.config = configOf({ receivers: RECEIVERS, ...(routes.length > 0 && { routes }) });
    this.notifier = new Notifier(this.config, null, 1);
  }

  tick(now_ms: number, ...events: ToldEvent[]): NewMessage[] {
    for (const { kind, alert } of events) {
      if (kind === "firing") this.firing.set(alert.id, alert);
      else this.firing.delete(alert.id);
    }
    this.notifier.take(events, now_ms);
    const alerts: AlertsNow = {
      isQuiet: (id) => this.quiet.has(id),
      alertOf: (id) => this.firing.get(id),
      loud: () => [],
    };
    const messages = this.notifier.due(now_ms, alerts);
    this.state = this.notifier.takeState() ?? this.state;
    this.#newest_id = Math.max(this.#newest_id, ...messages.map(({ id }) => id));
    return messages;
  }

  restart(config = this.config): void {
    this.notifier = new Notifier(config, JSON.parse(JSON.stringify(this.state)), this.#newest_id + 1);
  }
}

/** "pager: firing W1 W2" */
function said(messages: readonly NewMessage[]): string[] {
  return messages.map((message) => {
    const { events, repeat } = fromDocument(message);
    const words = events.map(({ kind, alert }) => `${kind === "firing" ? "" : "-"}${alert.subject.id}`);
    return `${message.receiver}: ${repeat ? "again " : ""}${words.join(" ")}`;
  });
}

const [W1, W2, W3] = ["W1", "W2", "W3"].map((id) => overload(id, {}, "warning")) as [
  ToldAlert,
  ToldAlert,
  ToldAlert,
];
const CPU = overload("C1", { worker_type: "cpu" });

describe("routes", () => {
  test("are tried in order, and the first that matches takes the alert unless it continues", () => {
    const scene = new Scene(
      {
        match: { worker_type: "gpu", severity: ["critical", "notice"] },
        receivers: ["pager"],
        continue: true,
      },
      { match: { worker: "W*" }, receivers: ["chat"] },
      { receivers: ["am"] },
    );
    expect(said(scene.tick(T0, fires(overload("W9"))))).toEqual(["pager: W9", "chat: W9"]);
    expect(said(scene.tick(T0, fires(CPU)))).toEqual(["am: C1"]);
    expect(said(scene.tick(T0 + 20 * S, fires(W1)))).toEqual(["chat: W1"]);
  });

  test("that name a receiver twice tell it once", () => {
    const scene = new Scene(
      { match: { worker_type: "gpu" }, receivers: ["pager"], continue: true },
      { receivers: ["pager", "chat"] },
    );
    expect(said(scene.tick(T0, fires(W1), fires(CPU)))).toEqual([
      "pager: W1",
      "chat: W1",
      "pager: C1",
      "chat: C1",
    ]);
  });

  test("of an alert whose labels changed tell what waits of it first", () => {
    const scene = new Scene({ receivers: ["pager"] });
    scene.tick(T0, fires(W1));
    const moved = overload("W1", { worker_type: "cpu" });
    expect(scene.tick(T0 + S, ends(W1, T0, T0 + S))).toEqual([]);
    expect(said(scene.tick(T0 + 2 * S, fires(moved, T0 + 2 * S)))).toEqual(["pager: -W1", "pager: W1"]);
  });

  test("that match nothing tell nobody", () => {
    const scene = new Scene({ match: { task: "*" }, receivers: ["pager"] });
    expect(scene.tick(T0, fires(W1))).toEqual([]);
    expect(scene.state).toBeNull();
  });

  test("need not be given: every receiver is told everything", () => {
    expect(said(new Scene().tick(T0, fires(W1)))).toEqual(["pager: W1", "chat: W1", "am: W1"]);
  });
});

describe("a group", () => {
  const route = { receivers: ["pager"] };

  test("is told in the very tick in which it begins; who joins later waits for the interval", () => {
    const scene = new Scene(route);
    expect(said(scene.tick(T0, fires(W1)))).toEqual(["pager: W1"]);
    expect(scene.tick(T0 + S, fires(W2))).toEqual([]);
    expect(scene.tick(T0 + 9.9 * S, fires(W3))).toEqual([]);
    const messages = scene.tick(T0 + 10 * S);
    expect(said(messages)).toEqual(["pager: W2 W3"]);
    expect(fromDocument(messages[0]!)).toMatchObject({
      firing: 3,
      labels: { rule: "worker_overload", worker_type: "gpu" },
    });
    expect(said(scene.tick(T0 + 60 * S, ends(W1, T0, T0 + 60 * S)))).toEqual(["pager: -W1"]);
  });

  test("that waits is told once its wait is over", () => {
    const scene = new Scene({ ...route, group_wait: "5s" });
    expect(scene.tick(T0, fires(W1))).toEqual([]);
    expect(scene.tick(T0 + 4 * S, fires(W2))).toEqual([]);
    expect(said(scene.tick(T0 + 5 * S))).toEqual(["pager: W1 W2"]);
  });

  test("has the labels by which the route groups, and others have groups of their own", () => {
    const scene = new Scene({ ...route, group_by: ["worker_type", "task"] });
    expect(said(scene.tick(T0, fires(W1), fires(CPU), fires(W2)))).toEqual(["pager: W1 W2", "pager: C1"]);
    expect(said(new Scene({ ...route, group_by: [] }).tick(T0, fires(W1), fires(CPU)))).toEqual([
      "pager: W1 C1",
    ]);
  });

  test("tells both that an alert came and that it went, where both were within its interval", () => {
    const scene = new Scene(route);
    scene.tick(T0, fires(W1));
    scene.tick(T0 + S, fires(W2));
    scene.tick(T0 + 2 * S, ends(W2, T0 + S, T0 + 2 * S));
    scene.tick(T0 + 3 * S, fires(W2, T0 + 3 * S), fires(W3));
    expect(said(scene.tick(T0 + 10 * S))).toEqual(["pager: W2", "pager: -W2", "pager: W2 W3"]);
  });

  test("does not wait for its interval where something critical fires, only as long as a new one does", () => {
    const scene = new Scene(route);
    scene.tick(T0, fires(W1));
    expect(scene.tick(T0 + S, fires(W2))).toEqual([]);
    const severe = overload("W9");
    expect(said(scene.tick(T0 + 2 * S, fires(severe, T0 + 2 * S)))).toEqual(["pager: W2 W9"]);
    // Its end is no hurry.
    expect(scene.tick(T0 + 3 * S, ends(severe, T0 + 2 * S, T0 + 3 * S))).toEqual([]);
    const waits = new Scene({ ...route, group_wait: "2s" });
    waits.tick(T0, fires(W1));
    expect(said(waits.tick(T0 + 2 * S))).toEqual(["pager: W1"]);
    expect(waits.tick(T0 + 3 * S, fires(severe, T0 + 3 * S))).toEqual([]);
    expect(waits.tick(T0 + 4 * S, fires(W2, T0 + 4 * S))).toEqual([]);
    expect(said(waits.tick(T0 + 5 * S))).toEqual(["pager: W9 W2"]);
  });

  test("of thousands is a handful of messages, each within its bounds", () => {
    const scene = new Scene();
    const storm = Array.from({ length: 5000 }, (_, i) =>
      fires(overload(`W${i}`, { worker_type: i % 2 ? "gpu" : "cpu" })),
    );
    const messages = scene.tick(T0, ...storm).filter(({ receiver }) => receiver === "pager");
    expect(messages.length).toBeLessThanOrEqual(6);
    const told = messages.flatMap((message) => fromDocument(message).events.map(({ alert }) => alert.id));
    expect(new Set(told).size).toBe(5000);
    for (const { document } of messages) expect(document.length).toBeLessThan(600_000);
  });

  test("does not wait for its interval once a thousand wait", () => {
    const scene = new Scene(route);
    scene.tick(T0, fires(W1));
    const storm = Array.from({ length: 1000 }, (_, i) => fires(overload(`X${i}`, {}, "warning")));
    expect(scene.tick(T0 + S, ...storm)).toHaveLength(1);
  });

  test("is not held up by a clock that was set back", () => {
    const scene = new Scene(route);
    scene.tick(T0, fires(W1));
    expect(said(scene.tick(T0 - H, fires(W2)))).toEqual(["pager: W2"]);
  });

  test("of a label that anything can stand in has no more groups than the bound", () => {
    const scene = new Scene({ ...route, group_by: ["worker"] });
    const storm = Array.from({ length: 5100 }, (_, i) => fires(overload(`W${i}`)));
    expect(scene.tick(T0, ...storm)).toHaveLength(5001);
  });
});

describe("an alert that goes on", () => {
  test("is told again after the repeat interval, as it is by then", () => {
    const scene = new Scene({ receivers: ["pager", "am"], repeat_interval: "1h" });
    scene.tick(T0, fires(W1), fires(W2));
    scene.firing.set(W1.id, { ...W1, detail: "97 % CPU" });
    expect(scene.tick(T0 + H - S)).toEqual([]);
    const messages = scene.tick(T0 + H);
    expect(said(messages)).toEqual(["pager: again W1 W2", "am: again W1 W2"]);
    expect(fromDocument(messages[0]!).events[0]!.alert.detail).toBe("97 % CPU");
    expect(scene.tick(T0 + H + S)).toEqual([]);
    expect(scene.tick(T0 + 2 * H)).toHaveLength(2);
  });

  test("is told again whatever else happens in its group, and soon what would follow soon", () => {
    const scene = new Scene({ receivers: ["pager"], repeat_interval: "1h" });
    scene.tick(T0, fires(W1));
    scene.tick(T0 + 20 * 60 * S, fires(W2));
    for (let minute = 25; minute < 60; minute += 5) {
      const at_ms = T0 + minute * 60 * S;
      scene.tick(at_ms, fires(W3, at_ms));
      scene.tick(at_ms + 60 * S, ends(W3, at_ms, at_ms + 60 * S));
    }
    expect(said(scene.tick(T0 + H))).toEqual(["pager: again W1 W2"]);
    expect(scene.tick(T0 + 1.5 * H)).toEqual([]);
    expect(said(scene.tick(T0 + 2 * H))).toEqual(["pager: again W1 W2"]);
  });

  test("is told to nobody again while it is acknowledged or silenced, but to who forgets it", () => {
    const scene = new Scene({ receivers: ["pager", "am"], repeat_interval: "1h" });
    scene.tick(T0, fires(W1), fires(W2));
    scene.quiet.add(W1.id);
    expect(said(scene.tick(T0 + H))).toEqual(["pager: again W2", "am: again W1 W2"]);
    scene.quiet.add(W2.id);
    expect(said(scene.tick(T0 + 2 * H))).toEqual(["am: again W1 W2"]);
    scene.quiet.clear();
    expect(said(scene.tick(T0 + 3 * H))).toEqual(["pager: again W1 W2", "am: again W1 W2"]);
  });

  test("is told soon where its silence ends after its turn", () => {
    const scene = new Scene({ receivers: ["pager"], repeat_interval: "1h" });
    scene.tick(T0, fires(W1));
    scene.quiet.add(W1.id);
    expect(scene.tick(T0 + H)).toEqual([]);
    scene.quiet.clear();
    expect(scene.tick(T0 + H + 9 * S)).toEqual([]);
    expect(said(scene.tick(T0 + H + 10 * S))).toEqual(["pager: again W1"]);
  });

  test("and ended without a word is not told again", () => {
    const scene = new Scene({ receivers: ["pager"], repeat_interval: "1h" });
    scene.tick(T0, fires(W1));
    scene.firing.clear();
    expect(scene.tick(T0 + H)).toEqual([]);
  });
});

describe("the end of an alert", () => {
  test("is not told where the route does not want it", () => {
    const scene = new Scene({ receivers: ["pager"], resolved: false });
    scene.tick(T0, fires(W1));
    expect(scene.tick(T0 + 20 * S, ends(W1, T0, T0 + 20 * S))).toEqual([]);
    expect(said(scene.tick(T0 + 40 * S, fires(W1, T0 + 40 * S)))).toEqual(["pager: W1"]);
  });

  test("goes where its beginning went, under the same labels, whatever they are by then", () => {
    const scene = new Scene(
      { match: { worker_type: "gpu" }, receivers: ["pager"] },
      { match: { worker_type: "tpu" }, receivers: ["chat"] },
    );
    scene.tick(T0, fires(W1));
    const changed = overload("W1", { worker_type: "tpu" });
    const [message] = scene.tick(T0 + 20 * S, ends(changed, T0, T0 + 20 * S));
    expect(message!.receiver).toBe("pager");
    expect(fromDocument(message!).events[0]!.alert.labels.worker_type).toBe("gpu");
  });
});

describe("a restart", () => {
  test("goes on with the groups, what waits in them and who was told", () => {
    const scene = new Scene({ receivers: ["pager"], repeat_interval: "1h" });
    const [first] = scene.tick(T0, fires(W1));
    scene.tick(T0 + S, fires(W2));
    scene.restart();
    expect(scene.tick(T0 + 2 * S)).toEqual([]);
    const [second] = scene.tick(T0 + 10 * S);
    expect(said([second!])).toEqual(["pager: W2"]);
    expect(second!.id).toBeGreaterThan(first!.id);
    scene.restart();
    expect(said(scene.tick(T0 + 30 * S, ends(W1, T0, T0 + 30 * S)))).toEqual(["pager: -W1"]);
    scene.restart();
    expect(said(scene.tick(T0 + 2 * H))).toEqual(["pager: again W2"]);
  });

  test("with other routes tells the end by those", () => {
    const scene = new Scene({ receivers: ["pager"] });
    scene.tick(T0, fires(W1));
    scene.restart(configOf({ receivers: RECEIVERS, routes: [{ receivers: ["chat"] }] }));
    expect(said(scene.tick(T0 + 20 * S, ends(W1, T0, T0 + 20 * S)))).toEqual(["chat: -W1"]);
  });

  test("that lost its state gives no id again", () => {
    const scene = new Scene({ receivers: ["pager"] });
    const [first] = scene.tick(T0, fires(W1));
    scene.state = null;
    scene.restart();
    expect(scene.tick(T0 + S, fires(W2))[0]!.id).toBeGreaterThan(first!.id);
  });

  test("has nothing to keep while nothing changes", () => {
    const scene = new Scene();
    scene.tick(T0, fires(W1));
    expect(scene.notifier.takeState()).toBeNull();
    scene.tick(T0 + 20 * S);
    expect(scene.notifier.takeState()).toBeNull();
    scene.tick(T0 + 30 * S, ends(W1, T0, T0 + 30 * S));
    scene.tick(T0 + 60 * S);
    expect(scene.state).toMatchObject({ groups: [] });
  });
});
