import { readSecret } from "../secret.ts";
import type { PrometheusConfig } from "./schema.ts";

type Credentials = Pick<
  PrometheusConfig,
  "bearer_env" | "bearer_file" | "user" | "password_env" | "password_file"
>;

/**
 * What a request shows to be let in.
 *
 * @throws EvenkeelError that names the field, and never the secret
 */
export async function credentialHeaders({
  user,
  bearer_env,
  bearer_file,
  password_env,
  password_file,
}: Credentials): Promise<Record<string, string>> {
  if (user !== undefined) {
    const password = await readSecret({ env: password_env, file: password_file }, "password");
    return { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
  }
  const bearer = await readSecret({ env: bearer_env, file: bearer_file }, "bearer");
  return bearer === null ? {} : { Authorization: `Bearer ${bearer}` };
}
