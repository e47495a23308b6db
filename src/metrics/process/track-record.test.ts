import { describe, expect, it } from "vitest";
import { type TaskEnd, TrackRecord } from "./track-record.ts";

const NOW_MS = 1_700_000_000_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const end = (given: Partial<TaskEnd> = {}): TaskEnd => ({
  completed: true,
  ended_at_ms: NOW_MS,
  processing_s: 4,
  modality: "vision",
  model_family: "vit",
  model_id: "vit-base",
  ...given,
});
const fourSeconds = () => 4;

function recordOf(...ends: TaskEnd[]): TrackRecord {
  const record = new TrackRecord();
  for (const one of ends) record.add(one, NOW_MS);
  return record;
}

describe("a track record", () => {
  it("has no figure where no task ended", () => {
    const record = recordOf();
    expect(record.lastTasks()).toEqual({
      tasks: 0,
      completed: 0,
      success_ratio: null,
      mean_duration_s: null,
    });
    expect(record.lastHour(NOW_MS)).toEqual({ tasks: 0, completed: 0, success_ratio: null });
    expect(record.ofModality("vision", NOW_MS, fourSeconds)).toBeNull();
  });

  it("tells of the last fifty tasks, however long ago", () => {
    const record = recordOf(...Array.from({ length: 30 }, () => end({ completed: false })));
    for (let i = 0; i < 40; i += 1) record.add(end({ processing_s: i < 20 ? 2 : 4 }), NOW_MS);
    expect(record.lastTasks()).toEqual({ tasks: 50, completed: 40, success_ratio: 0.8, mean_duration_s: 3 });
  });

  it("counts a task that never told when it started, without a duration", () => {
    const record = recordOf(end({ processing_s: null }), end({ processing_s: 6 }));
    expect(record.lastTasks()).toMatchObject({ completed: 2, mean_duration_s: 6 });
    expect(recordOf(end({ processing_s: null })).lastTasks().mean_duration_s).toBeNull();
  });

  it("tells of the last hour, minute by minute", () => {
    const record = recordOf(end(), end({ completed: false }));
    expect(record.lastHour(NOW_MS + 59 * MINUTE_MS)).toEqual({ tasks: 2, completed: 1, success_ratio: 0.5 });
    expect(record.lastHour(NOW_MS + 60 * MINUTE_MS).tasks).toBe(0);
  });

  it("tells of one modality or family over the last day", () => {
    const record = recordOf(
      end({ processing_s: 8 }),
      end({ modality: "text", model_family: "bert", model_id: "bert-large", completed: false }),
    );
    expect(record.ofModality("vision", NOW_MS, fourSeconds)).toEqual({
      tasks: 1,
      completed: 1,
      success_ratio: 1,
      speed: 0.5,
    });
    expect(record.ofFamily("bert", NOW_MS, fourSeconds)).toEqual({
      tasks: 1,
      completed: 0,
      success_ratio: 0,
      speed: null,
    });
    expect(record.ofModality("vision", NOW_MS + 23 * HOUR_MS, fourSeconds)?.tasks).toBe(1);
    expect(record.ofModality("vision", NOW_MS + 24 * HOUR_MS, fourSeconds)).toBeNull();
    expect(record.ofModality("audio", NOW_MS, fourSeconds)).toBeNull();
  });

  it("forgets the model that was not run for longest where there are too many, and says so", () => {
    const record = new TrackRecord();
    let ended_at_ms = NOW_MS;
    const family = (i: number) => ({ model_family: `f${i}`, model_id: `m${i}`, ended_at_ms: ended_at_ms++ });
    for (let i = 0; i < 32; i += 1) expect(record.add(end(family(i)), NOW_MS)).toBe(true);
    expect(record.add(end(family(0)), NOW_MS)).toBe(true);
    expect(record.add(end(family(32)), NOW_MS)).toBe(false);
    expect(record.ofFamily("f1", NOW_MS, fourSeconds)).toBeNull();
    expect(record.ofFamily("f0", NOW_MS, fourSeconds)?.tasks).toBe(2);
  });

  it("is the same once it was kept and read back", () => {
    const record = recordOf(
      end({ processing_s: 1.25 }),
      end({ completed: false }),
      end({ processing_s: null, modality: null, model_family: null, model_id: null }),
    );
    const again = TrackRecord.fromDocument(JSON.parse(JSON.stringify(record.toDocument())));
    expect(again.toDocument()).toEqual(record.toDocument());
    expect(again.lastHour(NOW_MS)).toEqual(record.lastHour(NOW_MS));
    expect(again.lastTasks().mean_duration_s).toBe(1.25);
    expect(again.ofModality("vision", NOW_MS, fourSeconds)).toEqual(
      record.ofModality("vision", NOW_MS, fourSeconds),
    );
  });
});
