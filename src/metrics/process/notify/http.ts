import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { type Address, allowedAddresses, type NetworkRules, pinned, type Resolve } from "./network.ts";

export interface HttpAnswer {
  readonly status: number;
  /** Its beginning. */
  readonly text: string;
  readonly retry_after: string | null;
  /** Where a redirect leads that was not followed. */
  readonly location: string | null;
}

export interface HttpAsk {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Read of an answer. */
const MAX_ANSWER_BYTES = 2048;
const MAX_REDIRECTS = 3;
const REPEATED = [301, 302, 307, 308];

/** A request that goes only where the rules allow, over a connection of its own to an address that was checked. */
export async function ask(
  given: HttpAsk,
  network: NetworkRules,
  signal: AbortSignal,
  resolve?: Resolve,
): Promise<HttpAnswer> {
  const origin = new URL(given.url).origin;
  let url = new URL(given.url);
  for (let redirects = 0; ; redirects += 1) {
    const addresses = await allowedAddresses(url.hostname, network, redirects === 0, signal, resolve);
    // What proves who we are is for whom the file names, and for nobody whom they name.
    const headers = url.origin === origin ? given.headers : {};
    const answer = await once({ ...given, headers }, url, addresses, signal);
    const { status, location } = answer;
    if (!network.follow_redirects || location === null || !REPEATED.includes(status)) return answer;
    if (redirects === MAX_REDIRECTS) return answer;
    url = new URL(location, url);
    if (!["http:", "https:"].includes(url.protocol)) return answer;
  }
}

function once(
  { method, headers, body }: HttpAsk,
  url: URL,
  addresses: readonly Address[],
  signal: AbortSignal,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      method,
      // A connection that is kept would lead to an address that was checked long ago.
      agent: false,
      signal,
      headers: {
        ...(body !== undefined && {
          "Content-Type": "application/json",
          "Content-Length": Buffer.byteLength(body),
        }),
        "User-Agent": "evenkeel",
        ...headers,
      },
      lookup: pinned(addresses),
    };
    const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, options, (answer) =>
      readStart(answer).then(resolve, reject),
    );
    request.on("error", reject);
    request.end(body);
  });
}

async function readStart(answer: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    // Leaving the loop destroys the connection: nobody makes us read for ever.
    if (bytes >= MAX_ANSWER_BYTES) break;
  }
  return {
    status: answer.statusCode ?? 0,
    text: Buffer.concat(chunks).toString("utf8", 0, MAX_ANSWER_BYTES),
    retry_after: answer.headers["retry-after"] ?? null,
    location: answer.headers.location ?? null,
  };
}
