import { EvenkeelError } from "../../../errors.ts";

export interface Got {
  readonly status: number;
  /** The media type with its parameters; empty where none was named. */
  readonly type: string;
  readonly text: string;
}

export interface GetOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** A body that is longer, after decompression, is not read on. */
  readonly max_bytes: number;
}

/**
 * Asks once. Redirects are not followed: the credentials are meant for this address alone.
 *
 * @throws EvenkeelError "unavailable" that names the address and what went wrong
 */
export async function get(url: string, { headers, signal, max_bytes }: GetOptions): Promise<Got> {
  const fail = (what: string) => new EvenkeelError("unavailable", `${url} ${what}`);
  let response: Response;
  try {
    response = await fetch(url, { headers, signal, redirect: "manual" });
  } catch (error) {
    throw fail(failureOf(error, signal));
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (bytes > max_bytes) throw fail(`answered with more than ${max_bytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof EvenkeelError ? error : fail(failureOf(error, signal));
  }
  return {
    status: response.status,
    type: response.headers.get("content-type") ?? "",
    text: new TextDecoder().decode(Buffer.concat(chunks)),
  };
}

function failureOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return "did not answer in time";
  const { message, cause } = error as Error & { cause?: Error & { code?: string } };
  return `can't be reached: ${cause?.code ?? cause?.message ?? message}`;
}
