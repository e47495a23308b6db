/** Every kind of error that may reach a person or a client, and the HTTP status it answers with. */
const STATUS = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  not_acceptable: 406,
  too_large: 413,
  unsupported_media_type: 415,
  unprocessable: 422,
  upgrade_required: 426,
  too_many: 429,
  unavailable: 503,
} as const;

export type ErrorKind = keyof typeof STATUS;

/**
 * An error that is meant to be read by whoever caused it: it names the thing, the rule, the value that
 * came and the next step. Anything else that is thrown is a defect and answers 500 without its message.
 */
export class EvenkeelError extends Error {
  readonly kind: ErrorKind;
  readonly status: (typeof STATUS)[ErrorKind];
  /** More members for the problem+json answer (RFC 9457), such as `errors` of an ingest. */
  readonly details: Record<string, unknown>;
  /** Seconds after which the same request may succeed. */
  readonly retry_after_s: number | undefined;

  constructor(
    kind: ErrorKind,
    message: string,
    options: { details?: Record<string, unknown>; retry_after_s?: number } = {},
  ) {
    super(message);
    this.name = "EvenkeelError";
    this.kind = kind;
    this.status = STATUS[kind];
    this.details = options.details ?? {};
    this.retry_after_s = options.retry_after_s;
  }
}
