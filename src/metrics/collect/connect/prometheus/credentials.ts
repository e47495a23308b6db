import { readFile } from "node:fs/promises";
import { EvenkeelError } from "../../../../errors.ts";
import type { PrometheusConfig } from "./schema.ts";

type Credentials = Pick<
  PrometheusConfig,
  "bearer_env" | "bearer_file" | "user" | "password_env" | "password_file"
>;

const VISIBLE = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;

/**
 * What a request shows to be let in. Read anew for each poll: what is in a file may be replaced while we run.
 *
 * @throws EvenkeelError that names the field, and never the secret
 */
export async function credentialHeaders(credentials: Credentials): Promise<Record<string, string>> {
  const { user } = credentials;
  if (user !== undefined) {
    const password = await secretOf(credentials, "password");
    return { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
  }
  const bearer = await secretOf(credentials, "bearer");
  return bearer === null ? {} : { Authorization: `Bearer ${bearer}` };
}

async function secretOf(credentials: Credentials, name: "bearer" | "password"): Promise<string | null> {
  const [variable, file] = [credentials[`${name}_env`], credentials[`${name}_file`]];
  if (variable !== undefined) return checked(process.env[variable] ?? "", `${name}_env`, variable);
  if (file === undefined) return null;
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new EvenkeelError("unavailable", `${name}_file can't be read: ${(error as Error).message}`);
  }
  return checked(text.trim(), `${name}_file`, file);
}

function checked(secret: string, field: string, place: string): string {
  if (VISIBLE.test(secret)) return secret;
  const got = secret === "" ? "nothing" : `${secret.length} characters`;
  const rule = `${field} must name what holds visible ASCII of one line; got ${got} in ${place}`;
  throw new EvenkeelError("unavailable", rule);
}
