import { createWriteStream, existsSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";
import { EvenkeelError } from "../../errors.ts";
import { parsed, reasonOf, routeUrl, textOf } from "./sender.ts";

export interface RecordOptions {
  /** The trace to write, which must not exist yet; gzipped where its name ends in .gz. */
  file: string;
  /** Where Evenkeel's start page is, base path included. */
  url: string;
  token?: string | undefined;
  /** Ends the recording in order. */
  signal: AbortSignal;
  onProgress?: ((progress: RecordProgress) => void) | undefined;
}

export interface RecordProgress {
  reports: number;
  /** Of the trace, before it is gzipped. */
  bytes: number;
}

const NEWLINE = 0x0a;
/** Our own server sends no longer line: it refuses such bodies. */
const MAX_LINE_BYTES = 2 ** 30;
/** A line of the stream that is no report begins so. */
const END = '{"end":';

/**
 * Writes what a server receives as a trace that can be replayed, until the signal aborts. Whatever ends it, the file
 * holds whole lines.
 *
 * @throws EvenkeelError "invalid" where the file exists or can't be written, "unavailable" where the server does not
 *   answer or ends the stream; what came until then is in the file
 */
export async function record(options: RecordOptions): Promise<RecordProgress> {
  const { file, signal } = options;
  if (existsSync(file)) throw existing(file);
  const progress: RecordProgress = { reports: 0, bytes: 0 };
  const body = await open(options);
  if (body === null) return progress;
  try {
    const lines = wholeLines(body, progress, options);
    const target = createWriteStream(file, { flags: "wx" });
    await (file.endsWith(".gz")
      ? pipeline(lines, createGzip({ flush: constants.Z_SYNC_FLUSH }), target)
      : pipeline(lines, target));
  } catch (error) {
    throw error instanceof EvenkeelError ? error : unwritable(file, error as NodeJS.ErrnoException);
  }
  const { ended } = body;
  if (signal.aborted || ended === null) return progress;
  throw new EvenkeelError(
    "unavailable",
    `${ended}; ${file} holds what came before (reports: ${progress.reports})`,
  );
}

/** The stream of reports, and why it ended, once it did by itself. */
interface Body {
  readonly chunks: AsyncIterable<Uint8Array>;
  ended: string | null;
}

/** @returns null where the signal aborted before the server answered */
async function open({ url, token, signal }: RecordOptions): Promise<Body | null> {
  const target = routeUrl(url, "api/ingest/stream");
  const headers: Record<string, string> = { accept: "application/x-ndjson, application/problem+json" };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  let response: Response;
  try {
    response = await fetch(target, { headers, signal, redirect: "manual" });
  } catch (error) {
    if (signal.aborted) return null;
    throw new EvenkeelError(
      "unavailable",
      `${target} does not answer (${reasonOf(error)}); is Evenkeel running there, and is the URL right?`,
    );
  }
  const type = response.headers.get("content-type") ?? "";
  if (response.status === 200 && type.startsWith("application/x-ndjson") && response.body !== null)
    return { chunks: response.body, ended: null };
  const said = textOf(parsed(await response.text().catch(() => "")));
  const what = response.status === 200 ? `with ${type || "no type"}, which is no trace` : response.status;
  throw new EvenkeelError("unavailable", `${target} answered ${what}${said === null ? "" : `: ${said}`}`);
}

/** The lines that are reports, without a last one that is not whole. */
async function* wholeLines(
  body: Body,
  progress: RecordProgress,
  { signal, onProgress }: RecordOptions,
): AsyncGenerator<Buffer> {
  let begun: Uint8Array[] = [];
  let begun_bytes = 0;
  try {
    for await (const chunk of body.chunks) {
      const end = chunk.lastIndexOf(NEWLINE) + 1;
      if (end > 0) {
        const { reports, last } = reportsOf(Buffer.concat([...begun, chunk.subarray(0, end)]));
        progress.reports += reports.length;
        const text = Buffer.concat(reports);
        progress.bytes += text.length;
        if (text.length > 0) yield text;
        begun = [];
        begun_bytes = 0;
        body.ended = last;
      }
      begun.push(chunk.subarray(end));
      begun_bytes += chunk.length - end;
      if (begun_bytes > MAX_LINE_BYTES) {
        body.ended = `the server sent a line of more than ${MAX_LINE_BYTES} bytes`;
        return;
      }
      onProgress?.(progress);
    }
    body.ended ??= "the server ended the stream";
  } catch (error) {
    body.ended ??= `the connection to the server broke (${reasonOf(error)})`;
    if (signal.aborted) return;
  }
}

/** The reports of some whole lines, and what a line that is none says of the end. */
function reportsOf(text: Buffer): { reports: Buffer[]; last: string | null } {
  const reports: Buffer[] = [];
  let last: string | null = null;
  for (let from = 0, to = 0; from < text.length; from = to) {
    to = text.indexOf(NEWLINE, from) + 1;
    const line = text.subarray(from, to);
    if (line.subarray(0, END.length).toString("latin1") === END) last = endOf(line.toString());
    else if (line.length > 1) reports.push(line);
  }
  return { reports, last };
}

function endOf(line: string): string {
  const { end } = parsed(line) as { end?: unknown };
  return `the server dropped this recording: ${String(end)}`;
}

function existing(file: string): EvenkeelError {
  return new EvenkeelError("invalid", `${file} exists already and is left as it is; name another file`);
}

function unwritable(file: string, { code, message }: NodeJS.ErrnoException): EvenkeelError {
  if (code === "EEXIST") return existing(file);
  return new EvenkeelError("invalid", `${file} can't be written (${code ?? message})`);
}
