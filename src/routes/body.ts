import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { EvenkeelError } from "../errors.ts";
import type { Ctx } from "./route.ts";

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
   * @param stream the body as it arrives; a refusal leaves it unread, so that it can still be answered.
   * @param content_length what the client says of its length, if anything.
   * @throws EvenkeelError too_large, too_many or invalid, each naming its limit.
   */
  read(stream: Readable, content_length: string | undefined): Promise<Buffer> {
    if (Number(content_length ?? 0) > this.#limits.max_bytes) throw this.#tooLarge(`${content_length} bytes`);
    const chunks: Buffer[] = [];
    let bytes = 0;
    return new Promise<Buffer>((resolve, reject) => {
      const settle = (outcome: () => void) => {
        clearTimeout(timeout);
        stream.off("data", onData).off("end", onEnd).off("close", onClose);
        this.#pending_bytes -= bytes;
        bytes = 0;
        outcome();
      };
      const refuse = (error: EvenkeelError) => {
        stream.pause();
        settle(() => reject(error));
      };
      const onData = (chunk: Buffer) => {
        bytes += chunk.length;
        this.#pending_bytes += chunk.length;
        if (bytes > this.#limits.max_bytes) refuse(this.#tooLarge("more"));
        else if (this.#pending_bytes > this.#limits.max_pending_bytes) refuse(this.#tooMany());
        else chunks.push(chunk);
      };
      const onEnd = () => settle(() => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
      const onClose = () => refuse(new EvenkeelError("invalid", "The body broke off before its end"));
      const timeout = setTimeout(() => refuse(this.#tooSlow()), this.#limits.timeout_ms);
      // A broken connection is told by "error" and then "close"; the first one alone would be a defect.
      stream.on("error", () => {});
      stream.on("data", onData).on("end", onEnd).on("close", onClose);
    });
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

/** @throws EvenkeelError "unsupported_media_type" where the body is none of these */
export function mediaTypeOf(c: Ctx, allowed: readonly string[]): string {
  const header = c.req.header("content-type") ?? "";
  const mediaType = header.split(";", 1)[0]!.trim().toLowerCase();
  if (allowed.includes(mediaType)) return mediaType;
  throw new EvenkeelError(
    "unsupported_media_type",
    `Content-Type must be ${allowed.join(" or ")}; ${header === "" ? "it is missing" : `got ${JSON.stringify(header)}`}`,
  );
}

/** Node's own stream where there is one: a web stream around it would cost a third of a small request. */
export function bodyOf(c: Ctx): Readable {
  if (c.env?.incoming) return c.env.incoming;
  const { body } = c.req.raw;
  return body ? Readable.fromWeb(body as ReadableStream) : Readable.from([]);
}
