import { describe, expect, it } from "vitest";
import { Scene, task, worker } from "./scene.ts";
import { WaitingReasons } from "./waiting.ts";

const cuda = { capabilities: { backends: ["cuda"] } };
const onCuda = { requirements: { backends: ["cuda"] } };

function why(scene: Scene, id: string) {
  return new WaitingReasons(scene.fleet).of(scene.fleet.tasks.get(id)!);
}

describe("a task waits", () => {
  it("for anybody, where no worker takes tasks", () => {
    const scene = new Scene().report({
      workers: [worker("W1", { status: "draining" })],
      tasks: [task("t", "queued")],
    });
    expect(why(scene.later(0), "t")).toMatchObject({ reason: "no_worker", available: 0 });
  });

  it("for a worker that has what it requires, and says what nobody has", () => {
    const scene = new Scene().report({
      workers: [worker("W1", cuda), worker("W2", { tags: ["large"] })],
      tasks: [
        task("t", "queued", { requirements: { backends: ["cuda"], tags: ["rare"] } }),
        task("u", "queued", { requirements: { backends: ["cuda"], tags: ["large"] } }),
      ],
    });
    expect(why(scene.later(0), "t")).toMatchObject({
      reason: "lacking",
      available: 2,
      suitable: 0,
      unmet: [{ kind: "tag", wanted: "rare" }],
    });
    // Each requirement is met by somebody, all of them by nobody.
    expect(why(scene, "u")).toMatchObject({ reason: "lacking", suitable: 0, unmet: [] });
  });

  it("for a worker that suits it to be free", () => {
    const scene = new Scene().report({
      workers: [worker("W1", cuda), worker("W2")],
      tasks: [task("r", "running", { worker_id: "W1" }), task("t", "queued", onCuda)],
    });
    expect(why(scene.later(0), "t")).toMatchObject({
      reason: "busy",
      available: 2,
      suitable: 1,
      idle: 0,
      ahead: 0,
    });
  });

  it("for its turn, where more urgent tasks wait: those of no priority come last", () => {
    const scene = new Scene().report({
      workers: [worker("W1")],
      tasks: [
        task("urgent", "queued", { priority: 1 }),
        task("t", "queued", { priority: 2 }),
        task("same", "queued", { priority: 2 }),
        task("none", "queued"),
      ],
    });
    expect(why(scene.later(0), "urgent")).toMatchObject({ reason: "next", idle: 1, ahead: 0 });
    expect(why(scene, "t")).toMatchObject({ reason: "behind", ahead: 1 });
    expect(why(scene, "none")).toMatchObject({ reason: "behind", ahead: 3 });
  });

  it("only while it is queued", () => {
    const scene = new Scene().report({ tasks: [task("t", "running", { worker_id: "W1" })] });
    expect(why(scene.later(0), "t")).toBeNull();
  });
});
