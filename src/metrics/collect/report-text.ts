/** Lists of a report that may be long. */
export const LISTS = ["workers", "tasks"] as const;
export type ListName = (typeof LISTS)[number];

/** A report in parts: what it has but its long lists, and these, some entries at a time. */
export interface GivenReport {
  readonly head: unknown;
  /** @throws SyntaxError while they are read, where they are of a text that is not JSON */
  readonly lists: Partial<Record<ListName, Iterable<unknown[]>>>;
}

/** Entries that are read at once: some ms with all that is done with them, even in a process that just started. */
export const SLICE = 200;

const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const OPEN_OBJECT = 0x7b;

/** Where a list is in a text, without its brackets. */
interface ListText {
  readonly name: ListName;
  readonly from: number;
  to: number;
  commas: number;
  /** Every so many commas, so that there is a slice between two of them. */
  readonly cuts: number[];
}

/** Notes where the long lists of a report are in its text, from what an ExtentReader tells of it. */
export class Outline {
  readonly #text: string;
  readonly #lists: ListText[] = [];
  #open: ListText | null = null;

  constructor(text: string) {
    this.#text = text;
  }

  /** @param at place of a bracket or a comma of the outermost object's lists and objects */
  see(at: number): void {
    const code = this.#text.charCodeAt(at);
    const open = this.#open;
    if (code === OPEN_LIST) {
      const name = LISTS.find((one) => endsWithName(this.#text, at, one));
      if (name) this.#open = { name, from: at + 1, to: at + 1, commas: 0, cuts: [] };
    } else if (open && code === COMMA) {
      open.commas += 1;
      if (open.commas % SLICE === 0) open.cuts.push(at);
    } else if (open && code !== OPEN_OBJECT) {
      open.to = at;
      this.#lists.push(open);
      this.#open = null;
    }
  }

  /**
   * The report whose long lists are read while they are asked for; null where it has none, or where that would not
   * be sure to give what the text as a whole gives.
   *
   * @param max entries that each list may have
   * @throws SyntaxError where it is not JSON
   */
  read(max: Readonly<Record<ListName, number>>): GivenReport | null {
    const lists = this.#lists.filter(({ commas }) => commas >= SLICE);
    if (lists.length === 0 || lists.some(({ name, commas }) => commas >= max[name])) return null;
    const text = this.#text;
    let [head, from] = ["", 0];
    for (const list of lists) {
      head += text.slice(from, list.from);
      from = list.to;
    }
    head += text.slice(from);
    // A name that is written with an escape, or twice, may mean another list than the one that was seen.
    const names = new Set(this.#lists.map(({ name }) => name));
    if (head.includes("\\") || names.size < this.#lists.length) return null;
    return {
      head: this.#parsed(head),
      lists: Object.fromEntries(lists.map((list) => [list.name, this.#slices(list)])),
    };
  }

  *#slices({ from: begin, to: end, cuts }: ListText): Generator<unknown[]> {
    let from = begin;
    for (const to of [...cuts, end]) {
      const slice = this.#parsed(`[${this.#text.slice(from, to)}]`) as unknown[];
      // Nothing is between two commas, or behind the last one.
      if (slice.length === 0) this.#parsed("[,]");
      yield slice;
      from = to + 1;
    }
  }

  #parsed(part: string): unknown {
    try {
      return JSON.parse(part);
    } catch (error) {
      // It tells of a place in the part; the whole text's tells of the place that its sender knows.
      JSON.parse(this.#text);
      throw error;
    }
  }
}

/** Whether a list that begins at `at` is the value of that name. */
function endsWithName(text: string, at: number, name: ListName): boolean {
  const before = text.slice(Math.max(0, at - name.length - MAX_SPACE), at).trimEnd();
  return before.endsWith(":") && before.slice(0, -1).trimEnd().endsWith(`"${name}"`);
}

/** Quotes, a colon, and space around it. */
const MAX_SPACE = 16;

/** A report that is an object already, its lists in slices where they are long and not longer than they may be. */
export function inSlices(raw: unknown, max: Readonly<Record<ListName, number>>): GivenReport {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return { head: raw, lists: {} };
  const given = raw as Partial<Record<ListName, unknown>>;
  const long = LISTS.filter((name) => {
    const list = given[name];
    return Array.isArray(list) && list.length > SLICE && list.length <= max[name];
  });
  return {
    head: { ...raw, ...Object.fromEntries(long.map((name) => [name, []])) },
    lists: Object.fromEntries(long.map((name) => [name, slicesOf(given[name] as unknown[])])),
  };
}

function* slicesOf(list: unknown[]): Generator<unknown[]> {
  for (let from = 0; from < list.length; from += SLICE) yield list.slice(from, from + SLICE);
}
