import { EvenkeelError } from "../../../../errors.ts";
import { shown } from "../../../must-be.ts";
import { get } from "../get.ts";

/** Workers and unfinished tasks asked for at once, and tasks that carry their results. */
const PAGE = 500;
const RESULTS_PAGE = 50;
/** One page: a task's config and result are as large as they like to be. */
const MAX_BYTES = 64 * 2 ** 20;
const MAX_SAID_LENGTH = 200;

export type Raw = Readonly<Record<string, unknown>>;

interface Page {
  /** What there is in all. */
  readonly total: number;
  readonly records: readonly Raw[];
}

/** The coordinator's HTTP routes, as far as they are asked. */
export class CoordinatorApi {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal;

  /** @param base ends with a slash */
  constructor(base: string, key: string | null, signal: AbortSignal) {
    this.#base = base;
    this.#headers = { Accept: "application/json", ...(key !== null && { "X-API-Key": key }) };
    this.#signal = signal;
  }

  /** @param max more of them than this are not read, and said so */
  async *workers(max: number): AsyncGenerator<readonly Raw[]> {
    yield* this.#all("workers", "", PAGE, max);
  }

  /** The unfinished tasks of one status, in pages. */
  async *tasks(status: string, max: number): AsyncGenerator<readonly Raw[]> {
    yield* this.#all("tasks", `status=${status}&`, PAGE, max);
  }

  /** All tasks, ended ones too, in the order of their creation: a page from one of them on. */
  tasksFrom(offset: number): Promise<Page> {
    return this.#page("tasks", `offset=${offset}&limit=${RESULTS_PAGE}`);
  }

  /** A task with the history of its attempts; null where there is none of that id. */
  async task(id: string): Promise<Raw | null> {
    const path = `api/tasks/${encodeURIComponent(id)}`;
    const answer = await this.#ask(path, true);
    if (answer === null) return null;
    const { task } = answer;
    if (!isRecord(task)) throw this.#strange(path, "task", "an object", task);
    return task;
  }

  /**
   * What moves up meanwhile is missed here, and found when it is looked for; what moves down comes twice.
   */
  async *#all(list: "workers" | "tasks", query: string, limit: number, max: number) {
    let offset = 0;
    for (;;) {
      const { total, records } = await this.#page(list, `${query}offset=${offset}&limit=${limit}`);
      if (total > max) {
        throw new EvenkeelError(
          "unprocessable",
          `${this.#base}api/${list} must have at most ${max} ${list}; got ${total}`,
        );
      }
      yield records;
      offset += records.length;
      if (records.length === 0 || offset >= total) return;
    }
  }

  async #page(list: "workers" | "tasks", query: string): Promise<Page> {
    const path = `api/${list}?${query}`;
    const answer = (await this.#ask(path, false)) ?? {};
    const { [list]: records, total } = answer;
    if (!Array.isArray(records)) throw this.#strange(path, list, "a list", records);
    if (typeof total !== "number" || !Number.isSafeInteger(total) || total < 0)
      throw this.#strange(path, "total", "a whole number", total);
    return { total, records: records.filter(isRecord) };
  }

  /** @returns null for a 404, where one is expected */
  async #ask(path: string, missing: boolean): Promise<Raw | null> {
    const url = this.#base + path;
    const { status, text } = await get(url, {
      headers: this.#headers,
      signal: this.#signal,
      max_bytes: MAX_BYTES,
    });
    const answer = parsed(text);
    if (status === 200 && isRecord(answer)) return answer;
    if (status === 404 && missing) return null;
    if (status === 200) throw this.#strange(path, "the answer", "a JSON object", answer ?? text);
    const said = isRecord(answer) && typeof answer.error === "string" ? answer.error : text;
    const hint = status === 401 || status === 403 ? " (api_key_env or api_key_file names the key)" : "";
    throw new EvenkeelError("unavailable", `${url} answered ${status}: ${cut(said)}${hint}`);
  }

  #strange(path: string, field: string, rule: string, got: unknown): EvenkeelError {
    return new EvenkeelError(
      "unprocessable",
      `${this.#base}${path} is no coordinator's answer: ${field} must be ${rule}; got ${shown(got)}`,
    );
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function cut(text: string): string {
  return text.length > MAX_SAID_LENGTH ? `${text.slice(0, MAX_SAID_LENGTH)}…` : text;
}
