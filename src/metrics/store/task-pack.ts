import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import type { EndedTasksQuery, TaskRecord } from "./contract.ts";

/**
 * Tasks of one pack: enough that what their documents share is written once (one document costs 580 bytes, 51 in
 * such a pack, 49 in one of four times its size), and few enough that one of them is read within a millisecond.
 */
export const PACK_TASKS = 256;

/** Five is twice as fast as nine and takes 5 % more; deflate takes 17 % more. */
const QUALITY = 5;

/** A pack's columns fit into it, as a rule; reading them takes half as long as in zlib's own of twice the size. */
const COLUMNS_CHUNK_BYTES = 8192;

/** What tasks are listed by, besides when they ended. */
const FILTERS = ["status", "type", "model_family", "worker_id"] as const;

/** PACK_TASKS ended tasks as they are stored. */
export interface TaskPack {
  readonly from_ms: number;
  readonly to_ms: number;
  readonly began_ms: number;
  readonly columns: Uint8Array;
  readonly records: Uint8Array;
}

export interface PackColumns {
  readonly ended_ms: Float64Array;
  /** Of each filter, each task's place in the values. */
  readonly codes: readonly Uint16Array[];
  /** Of each filter, its different values. */
  readonly values: readonly (readonly (string | null)[])[];
}

/** @param tasks PACK_TASKS of them, in the order in which they ended */
export function packTasks(tasks: readonly TaskRecord[]): TaskPack {
  return {
    from_ms: tasks[0]!.ended_at_ms!,
    to_ms: tasks.at(-1)!.ended_at_ms!,
    began_ms: beganOf(tasks),
    columns: compressed(columnsOf(tasks)),
    records: compressed(Buffer.from(tasks.map(lineOf).join("\n"))),
  };
}

/** One of which only its end is known counts as begun with it. */
function beganOf(tasks: readonly TaskRecord[]): number {
  return Math.min(...tasks.map(({ queued_at_ms, ended_at_ms }) => queued_at_ms ?? ended_at_ms!));
}

function columnsOf(tasks: readonly TaskRecord[]): Buffer {
  const ended_ms = Float64Array.from(tasks, ({ ended_at_ms }) => ended_at_ms!);
  const codes = new Uint16Array(FILTERS.length * PACK_TASKS);
  const values = FILTERS.map((filter, column) => {
    const places = new Map<string | null, number>();
    tasks.forEach((task, row) => {
      const value = task[filter];
      const place = places.get(value) ?? places.size;
      places.set(value, place);
      codes[column * PACK_TASKS + row] = place;
    });
    return [...places.keys()];
  });
  return Buffer.concat([bytesOf(ended_ms), bytesOf(codes), Buffer.from(JSON.stringify(values))]);
}

/** @throws where the bytes are damaged */
export function readColumns(columns: Uint8Array): PackColumns {
  const bytes = new Uint8Array(brotliDecompressSync(columns, { chunkSize: COLUMNS_CHUNK_BYTES }));
  const ended_ms = new Float64Array(bytes.buffer, 0, PACK_TASKS);
  const codes = FILTERS.map(
    (_, column) => new Uint16Array(bytes.buffer, ended_ms.byteLength + 2 * column * PACK_TASKS, PACK_TASKS),
  );
  const dictionary = bytes.subarray(ended_ms.byteLength + 2 * FILTERS.length * PACK_TASKS);
  const values = JSON.parse(new TextDecoder().decode(dictionary)) as (string | null)[][];
  return { ended_ms, codes, values };
}

/**
 * Every record of a pack, compared with all that is noted beside them.
 *
 * @throws where they differ or the bytes are damaged
 */
export function checkedRecords({ from_ms, to_ms, began_ms, columns, records }: TaskPack): TaskRecord[] {
  const tasks = readLines(records).map((line) => JSON.parse(line) as TaskRecord);
  if (tasks.length !== PACK_TASKS) throw new RangeError(`it has ${tasks.length} tasks of ${PACK_TASKS}`);
  if (!columnsOf(tasks).equals(brotliDecompressSync(columns)))
    throw new RangeError("its columns are not those of its records");
  if (tasks[0]!.ended_at_ms !== from_ms || tasks.at(-1)!.ended_at_ms !== to_ms)
    throw new RangeError("its tasks did not end when it says");
  if (beganOf(tasks) !== began_ms) throw new RangeError("its tasks did not begin when it says");
  return tasks;
}

/** The rows of a pack that a query asks for by its columns, the last ended first. */
export function matchingRows(columns: Uint8Array, query: EndedTasksQuery): number[] {
  const { ended_ms, codes, values } = readColumns(columns);
  const wanted = FILTERS.flatMap((filter, column) => {
    const isWanted = wantedOf(query, filter);
    // Each value is looked at once.
    return isWanted ? [{ codes: codes[column]!, wanted: values[column]!.map(isWanted) }] : [];
  });
  if (wanted.some(({ wanted }) => !wanted.includes(true))) return [];
  const last_ms = query.after?.ended_at_ms ?? Number.POSITIVE_INFINITY;
  const rows: number[] = [];
  for (let row = PACK_TASKS - 1; row >= 0; row -= 1) {
    const at_ms = ended_ms[row]!;
    if (at_ms < query.from_ms || at_ms >= query.to_ms || at_ms > last_ms) continue;
    if (wanted.every(({ codes, wanted }) => wanted[codes[row]!])) rows.push(row);
  }
  return rows;
}

/** Which values of a column a query asks for; null for all of them. */
function wantedOf(
  query: EndedTasksQuery,
  filter: (typeof FILTERS)[number],
): ((value: string | null) => boolean) | null {
  const value = query[filter];
  const { ofWorker } = filter === "worker_id" ? query : {};
  if (value === undefined) return ofWorker ?? null;
  const isValue = (one: string | null) => (Array.isArray(value) ? value.includes(one) : value === one);
  return ofWorker ? (one) => isValue(one) && ofWorker(one) : isValue;
}

/** The records of a pack as JSON, in their order. */
export function readLines(records: Uint8Array): string[] {
  return brotliDecompressSync(records).toString().split("\n");
}

/** The id comes first: a task is found in its pack without parsing the others. */
function lineOf({ id, ...rest }: TaskRecord): string {
  return JSON.stringify({ id, ...rest });
}

/** How the line of that task begins. */
export function lineStart(id: string): string {
  return `{"id":${JSON.stringify(id)},`;
}

function compressed(bytes: Buffer): Uint8Array {
  return brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
}

function bytesOf({ buffer, byteOffset, byteLength }: NodeJS.TypedArray): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}
