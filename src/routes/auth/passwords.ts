import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";
import { EvenkeelError } from "../../errors.ts";

const MIN_PASSWORD = 10;
const MAX_PASSWORD = 256;
/** Some 80 ms and 32 MiB a password. OWASP, Password Storage Cheat Sheet: N = 2^15, r = 8, p = 3 or stronger. */
const COST = { N: 2 ** 15, r: 8, p: 3 };
const MAX_MEMORY = 64 * 2 ** 20;
const KEY_BYTES = 32;
const SALT_BYTES = 16;
/** Passwords that are worked on at once: others wait for a moment, and a flood is refused. */
const MAX_AT_ONCE = 4;

let at_once = 0;

/** @throws EvenkeelError "invalid" where it is too short or too long; its text is in no message */
export function checkPassword(password: string): void {
  const length = [...password].length;
  if (length < MIN_PASSWORD || length > MAX_PASSWORD) {
    throw new EvenkeelError(
      "invalid",
      `password must be ${MIN_PASSWORD} to ${MAX_PASSWORD} characters; got ${length}`,
      { details: { path: "password" } },
    );
  }
}

/** As it is kept: `scrypt$N$r$p$salt$hash`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derived(password, salt, COST);
  const { N, r, p } = COST;
  return ["scrypt", N, r, p, salt.toString("base64url"), key.toString("base64url")].join("$");
}

/**
 * Whether it is the password. It takes as long where there is no such user.
 *
 * @param kept undefined where there is no such user
 * @throws EvenkeelError "too_many" while many are checked
 */
export async function isPassword(password: string, kept: string | undefined): Promise<boolean> {
  const [, N, r, p, salt, hash] = (kept ?? NOBODY).split("$");
  const expected = Buffer.from(hash!, "base64url");
  const key = await derived(password.slice(0, 4 * MAX_PASSWORD), Buffer.from(salt!, "base64url"), {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  });
  return timingSafeEqual(key, expected) && kept !== undefined;
}

const NOBODY = [
  "scrypt",
  COST.N,
  COST.r,
  COST.p,
  Buffer.alloc(SALT_BYTES).toString("base64url"),
  Buffer.alloc(KEY_BYTES).toString("base64url"),
].join("$");

async function derived(password: string, salt: Buffer, cost: ScryptOptions): Promise<Buffer> {
  if (at_once >= MAX_AT_ONCE) {
    throw new EvenkeelError("too_many", "Many log in at this moment; try again in a second", {
      retry_after_s: 1,
    });
  }
  at_once += 1;
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      // The same word is the same password, however its letters were composed.
      scrypt(password.normalize("NFKC"), salt, KEY_BYTES, { ...cost, maxmem: MAX_MEMORY }, (error, key) =>
        error ? reject(error) : resolve(key),
      );
    });
  } finally {
    at_once -= 1;
  }
}
