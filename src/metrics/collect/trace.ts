import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { constants, createGunzip } from "node:zlib";
import { EvenkeelError } from "../../errors.ts";
import { fromRfc3339 } from "../instant.ts";

/** A longer line is no report: ten thousand workers fit into a quarter of it. */
const MAX_LINE_CHARACTERS = 32 * 2 ** 20;

export type Json = Record<string, unknown>;

export interface TraceLine {
  file: string;
  /** Counted from 1. */
  number: number;
  report: Json;
  at_ms: number;
  /** Of the file's bytes, those read up to here; of a gzipped file roughly. */
  fraction: number;
}

/** The reports of a trace, in its order. @throws EvenkeelError "invalid" for what is none, with its line */
export async function* readTrace(file: string): AsyncGenerator<TraceLine> {
  let number = 0;
  let reports = 0;
  for await (const { text, fraction } of readLines(file)) {
    number++;
    if (text.trim() === "") continue;
    const report = parseReport(text, file, number);
    reports++;
    yield { file, number, report, at_ms: instantOf(report.at, "at", file, number), fraction };
  }
  if (reports === 0) throw new EvenkeelError("invalid", `${file} holds no report`);
}

function parseReport(text: string, file: string, number: number): Json {
  let report: unknown;
  try {
    report = JSON.parse(text);
  } catch (error) {
    throw wrongLine(file, number, `not JSON (${(error as Error).message})`);
  }
  if (isObject(report)) return report;
  throw wrongLine(file, number, `a report is a JSON object; got ${text.slice(0, 60)}`);
}

/** @param path the field's place in the report */
export function instantOf(value: unknown, path: string, file: string, number: number): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  const at_ms = typeof value === "string" ? fromRfc3339(value) : Number.NaN;
  if (!Number.isNaN(at_ms)) return at_ms;
  const came = value === undefined ? "nothing" : JSON.stringify(value);
  throw wrongLine(file, number, `${path} must be Unix milliseconds or RFC 3339 with an offset; got ${came}`);
}

function wrongLine(file: string, number: number, problem: string): EvenkeelError {
  return new EvenkeelError("invalid", `${file}, line ${number}: ${problem}`);
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The file's lines, one after the other; only a piece of it is ever in memory. */
async function* readLines(file: string): AsyncGenerator<{ text: string; fraction: number }> {
  const { size, gzipped } = await inspect(file);
  // Small pieces: the bytes taken from the file are then a fair measure of how far its lines are read.
  const raw = createReadStream(file, { highWaterMark: 16_384 });
  const stream = gzipped ? raw.pipe(createGunzip({ finishFlush: constants.Z_SYNC_FLUSH })) : raw;
  if (gzipped) raw.once("error", (error) => stream.destroy(error));
  stream.setEncoding("utf8");
  let number = 1;
  let begun: string[] = [];
  let begun_length = 0;
  try {
    for await (const piece of stream as AsyncIterable<string>) {
      const fraction = raw.bytesRead / size;
      const ends = piece.split("\n");
      for (const [index, end] of ends.entries()) {
        begun.push(end);
        begun_length += end.length;
        if (begun_length > MAX_LINE_CHARACTERS) {
          throw wrongLine(
            file,
            number,
            `longer than ${MAX_LINE_CHARACTERS} characters; a report is one line`,
          );
        }
        if (index === ends.length - 1) break;
        yield { text: begun.join(""), fraction };
        number++;
        begun = [];
        begun_length = 0;
      }
    }
  } catch (error) {
    throw error instanceof EvenkeelError ? error : unreadable(file, error);
  } finally {
    raw.destroy();
  }
  yield { text: begun.join(""), fraction: 1 };
}

async function inspect(file: string): Promise<{ size: number; gzipped: boolean }> {
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
      const { size } = await handle.stat();
      return { size, gzipped: bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b };
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, error: unknown): EvenkeelError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new EvenkeelError("invalid", `${file} can't be read (${code ?? message})`);
}
