import { get, type IncomingMessage } from "node:http";

/** What a server sent of one tick: the tick's own message, and that of the markup that changed. */
type Take = string;

const SHORTEST_TAKES = 2;

/** Messages of a page's stream as a server sent them, to be played again and again as later ticks. */
export class Tape {
  /** The first tells all of the page, each later one what changed since the one before. */
  readonly #takes: readonly Take[];
  readonly #start_ms: number;
  /** Messages of one round. */
  readonly messages: number;

  constructor(takes: readonly Take[]) {
    if (takes.length < SHORTEST_TAKES) throw new Error(`a tape of ${takes.length} ticks has no changes`);
    this.#takes = takes;
    this.#start_ms = Number(/"at_ms":(\d+)/.exec(takes[0]!)?.[1]);
    this.messages = takes.reduce((sum, take) => sum + take.split("\n\n").length - 1, 0);
  }

  /** Ticks of one round: the page shows the same after each. */
  get ticks(): number {
    return this.#takes.length;
  }

  /** The tick of that number, from 0 on, a second after the one before it. */
  tick(number: number): string {
    const at_ms = this.#start_ms + number * 1000;
    return this.#takes[number % this.#takes.length]!.replace(/^id: \d+$/m, `id: ${number + 1}`)
      .replace(/"tick":\d+/, `"tick":${number + 1}`)
      .replace(/"at_ms":\d+/, `"at_ms":${at_ms}`);
  }
}

/** Takes so many ticks of a stream, as they come. */
export async function recordTape(url: string, ticks: number): Promise<Tape> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { Accept: "text/event-stream", "Accept-Encoding": "identity" };
    get(url, { headers }, resolve).once("error", reject);
  });
  if (answer.statusCode !== 200) throw new Error(`${url} was answered ${answer.statusCode}`);
  const takes: Take[] = [];
  let rest = "";
  for await (const text of answer.setEncoding("utf8") as AsyncIterable<string>) {
    const messages = (rest + text).split("\n\n");
    rest = messages.pop()!;
    for (const message of messages) {
      if (/^event: tick$/m.test(message)) takes.push(`${message}\n\n`);
      else takes[takes.length - 1] += `${message}\n\n`;
    }
    // The last one's markup may not have come yet.
    if (takes.length > ticks) break;
  }
  answer.destroy();
  return new Tape(takes.slice(0, ticks));
}
