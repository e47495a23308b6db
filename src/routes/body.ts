import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { EvenkeelError } from "../errors.ts";

const gunzipAsync = promisify(gunzip);

/** A body that takes longer to arrive is refused, so that slow senders hold no memory for ever. */
export const BODY_TIMEOUT_MS = 30_000;

export interface BodyLimits {
  /** Bytes of one body, as it comes and after it was inflated. */
  readonly max_bytes: number;
  /** Bytes of all bodies that are being received. */
  readonly max_pending_bytes: number;
  readonly timeout_ms: number;
}

/** Reads bodies while bounding each one, all of them together, and the time each takes. */
export class BodyReader {
  readonly #limits: BodyLimits;
  #pending_bytes = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /**
   * @param chunks the body as it arrives: a node request or a web stream.
   * @param content_length what the client says of its length, if anything.
   * @throws EvenkeelError too_large, unavailable or invalid, each naming its limit.
   */
  async read(chunks: AsyncIterable<Uint8Array>, content_length: string | undefined): Promise<Buffer> {
    if (Number(content_length ?? 0) > this.#limits.max_bytes) throw this.#tooLarge(`${content_length} bytes`);
    const parts: Uint8Array[] = [];
    let bytes = 0;
    const timer = this.#timer();
    const iterator = chunks[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await Promise.race([this.#next(iterator), timer.late]);
        if (next.done) return parts.length === 1 ? Buffer.from(parts[0]!) : Buffer.concat(parts, bytes);
        bytes += next.value.length;
        this.#pending_bytes += next.value.length;
        if (bytes > this.#limits.max_bytes) throw this.#tooLarge("more");
        if (this.#pending_bytes > this.#limits.max_pending_bytes) throw this.#tooMany();
        parts.push(next.value);
      }
    } finally {
      timer.stop();
      this.#pending_bytes -= bytes;
    }
  }

  async #next(iterator: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    try {
      return await iterator.next();
    } catch (error) {
      throw new EvenkeelError("invalid", `The body broke off: ${(error as Error).message}`);
    }
  }

  /** Inflates off the main thread and never beyond the limit, whatever the body claims. */
  async inflate(body: Buffer): Promise<Buffer> {
    try {
      return await gunzipAsync(body, { maxOutputLength: this.#limits.max_bytes });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE")
        throw this.#tooLarge("more once inflated");
      throw new EvenkeelError("invalid", `The body says that it is gzip, but: ${(error as Error).message}`);
    }
  }

  #timer(): { late: Promise<never>; stop(): void } {
    let stop = () => {};
    const late = new Promise<never>((_, reject) => {
      const timeout = setTimeout(() => reject(this.#tooSlow()), this.#limits.timeout_ms);
      stop = () => clearTimeout(timeout);
    });
    return { late, stop: () => stop() };
  }

  #tooSlow(): EvenkeelError {
    const seconds = this.#limits.timeout_ms / 1_000;
    return new EvenkeelError(
      "invalid",
      `The body must arrive within ${seconds} s; it did not. Send smaller ones`,
      {
        details: { limit: "body_timeout_ms", value: this.#limits.timeout_ms },
      },
    );
  }

  #tooLarge(got: string): EvenkeelError {
    const { max_bytes } = this.#limits;
    return new EvenkeelError(
      "too_large",
      `A body must be at most ${max_bytes} bytes (max_body_bytes); got ${got}`,
      {
        details: { limit: "max_body_bytes", value: max_bytes },
      },
    );
  }

  #tooMany(): EvenkeelError {
    const { max_pending_bytes } = this.#limits;
    return new EvenkeelError(
      "too_many",
      `Bodies under way must be at most ${max_pending_bytes} bytes together (max_pending_bytes); send this one again`,
      { retry_after_s: 1, details: { limit: "max_pending_bytes", value: max_pending_bytes } },
    );
  }
}

/** The chunks of a node request without ending it, so that a refusal can still be answered. */
export async function* chunksOf(incoming: IncomingMessage): AsyncGenerator<Uint8Array> {
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
}
