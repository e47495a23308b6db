import { readFile } from "node:fs/promises";
import { EvenkeelError } from "../../../errors.ts";

/** Where a secret is kept: a variable of the environment, or a file. */
export interface SecretPlace {
  readonly env?: string | undefined;
  readonly file?: string | undefined;
}

/** As a header carries it. */
const VISIBLE = /^[\x20-\x7e]+$/;

/**
 * The secret as it is now, without the space around it: whoever changes it need not start Evenkeel again.
 *
 * @param field the field without its ending: `api_key` of `api_key_env` and `api_key_file`
 * @returns null where no place is named
 * @throws EvenkeelError "invalid" that names the field and the place, never the secret
 */
export async function readSecret(
  { env, file }: SecretPlace,
  field: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string | null> {
  if (env !== undefined) {
    const value = environment[env]?.trim();
    if (!value)
      throw new EvenkeelError("invalid", `${field}_env names the variable ${env}, which is not set`);
    return visible(value, `${field}_env names the variable ${env}, which`);
  }
  if (file === undefined) return null;
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new EvenkeelError("invalid", `${field}_file can't be read: ${(error as Error).message}`);
  }
  return visible(text.trim(), `${field}_file names ${file}, which`);
}

function visible(secret: string, what: string): string {
  if (VISIBLE.test(secret)) return secret;
  throw new EvenkeelError(
    "invalid",
    `${what} must hold visible ASCII of one line; got ${secret.length} characters`,
  );
}
