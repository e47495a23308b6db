import type { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import type { FormProblem } from "../views/form.tsx";
import { failure } from "./answers.ts";
import { BODY_TIMEOUT_MS, BodyReader, bodyOf, mediaTypeOf } from "./body.ts";
import type { Ctx, Needs, Route } from "./route.ts";

export const FORM = "application/x-www-form-urlencoded";
const JSON_TYPE = "application/json";
const MAX_BODY_BYTES = 16_384;
/** Fields that are never sent back. */
const SECRET_FIELDS = ["password", "old"];
const DONE = { status: 303, description: "Done; leads back to a page", content: {} };

/** What people post: small forms, and the same as JSON for scripts. */
export class Forms {
  readonly #base_path: string;
  readonly #reader = new BodyReader({
    max_bytes: MAX_BODY_BYTES,
    max_pending_bytes: 64 * MAX_BODY_BYTES,
    timeout_ms: BODY_TIMEOUT_MS,
  });

  /** @param base_path ends without a slash */
  constructor(base_path: string) {
    this.#base_path = base_path;
  }

  /**
   * @param page the page of the form again, where it says what is wrong with it; left out, a page of its own says so
   */
  route(
    path: string,
    needs: Needs,
    summary: string,
    handle: (c: Ctx, fields: URLSearchParams) => Response | Promise<Response>,
    page?: (c: Ctx, problem: FormProblem) => string,
  ): Route {
    const handler = async (c: Ctx) => {
      const fields = new URLSearchParams(await this.#read(c, FORM));
      try {
        return await handle(c, fields);
      } catch (error) {
        if (page === undefined || !(error instanceof EvenkeelError)) throw error;
        const form = new URL(c.req.url).pathname.slice(this.#base_path.length + 1);
        return failure(c, error, () => page(c, problemOf(error, form, fields)));
      }
    };
    return { method: "POST", path, needs, summary, takes: [FORM], response: DONE, handler };
  }

  /** Leads to a page below the base path. */
  back(where: string, headers: Record<string, string> = {}): Response {
    return new Response(null, {
      status: 303,
      headers: { Location: `${this.#base_path}/${where}`, "Cache-Control": "no-store", ...headers },
    });
  }

  /** @throws EvenkeelError that names the field, the rule and what came */
  async json<S extends z.ZodType>(c: Ctx, schema: S): Promise<z.output<S>> {
    const text = await this.#read(c, JSON_TYPE);
    let value: unknown;
    try {
      value = JSON.parse(text === "" ? "{}" : text);
    } catch (error) {
      throw new EvenkeelError("invalid", `The body must be JSON; ${(error as Error).message}`);
    }
    return checked(schema, value);
  }

  async #read(c: Ctx, type: string): Promise<string> {
    mediaTypeOf(c, [type]);
    return (await this.#reader.read(bodyOf(c), c.req.header("content-length"))).toString();
  }
}

/** @param form its action, below the base path */
export function problemOf(
  { message, details }: EvenkeelError,
  form: string,
  fields: Iterable<[string, string]>,
): FormProblem {
  const field = details["path"] ?? details["parameter"];
  return {
    form,
    field: typeof field === "string" ? field : null,
    message,
    filled: Object.fromEntries([...fields].filter(([name]) => !SECRET_FIELDS.includes(name))),
  };
}

/** @throws EvenkeelError "unprocessable" that names the field, the rule and what came */
export function checked<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const path = issue.path.join(".");
  const got = issue.path.reduce<unknown>((part, key) => (part as Record<PropertyKey, unknown>)?.[key], value);
  // What somebody chose to be secret does not come back.
  const shown = path === "password" ? "another" : (JSON.stringify(got)?.slice(0, 80) ?? "nothing");
  throw new EvenkeelError(
    "unprocessable",
    `${path === "" ? "the body" : path}: ${issue.message}; got ${shown}`,
    { details: { path } },
  );
}
