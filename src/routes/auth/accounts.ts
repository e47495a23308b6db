import { randomBytes } from "node:crypto";
import { EvenkeelError } from "../../errors.ts";
import { ROLES, type Role, type Token, type User } from "../../metrics/accounts.ts";
import { type AccountStore, MAX_ACCOUNTS } from "../../metrics/store/accounts.ts";
import { hashOfSecret } from "./access.ts";
import { checkPassword, hashPassword } from "./passwords.ts";

/** A token's secret: what it is for stands before it, so that one who finds it knows. */
const SECRET_BYTES = 32;
const ID_BYTES = 6;
const USER_NAME = /^[a-z0-9][a-z0-9._@-]{0,63}$/;
const USER_NAME_RULE = "1 to 64 of a-z, 0-9 and . _ @ -, beginning with a letter or a digit";
const TOKEN_NAME = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,100}$/u;
const SOURCE = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,256}$/u;
const MAX_SOURCES = 100;
export const TOKEN_ROLES = ["ingest", ...ROLES] as const;

/**
 * Adds a user, or changes the role and password of one.
 *
 * @throws EvenkeelError "invalid" that names the field, "too_many"
 */
export async function putUser(
  accounts: AccountStore,
  given: { name: string; role: string; password: string },
  now_ms: number,
): Promise<User> {
  const name = userName(given.name);
  const role = roleOf(given.role);
  checkPassword(given.password);
  const password = await hashPassword(given.password);
  if (role !== "admin" && !accounts.users().some((user) => user.role === "admin" && user.name !== name))
    throw invalid("role", "must be admin for the first user: somebody has to be able to administer", role);
  const user = { name, role, password, created_ms: now_ms };
  if (!accounts.putUser(user)) throw tooMany("users");
  accounts.sessions.endAll(name);
  return user;
}

/** As `putUser`, for a name that nobody has. @throws EvenkeelError "invalid" that names the field, "too_many" */
export async function addUser(
  accounts: AccountStore,
  given: Parameters<typeof putUser>[1],
  now_ms: number,
): Promise<User> {
  const name = userName(given.name);
  if (accounts.user(name)) throw invalid("name", "must be another one: there is such a user already", name);
  return putUser(accounts, given, now_ms);
}

/** @throws EvenkeelError "invalid", "not_found" */
export function changeRole(accounts: AccountStore, given_name: string, given_role: string): void {
  const user = knownUser(accounts, given_name);
  const role = roleOf(given_role);
  if (role !== "admin") mustLeaveAdmin(accounts, user.name);
  accounts.putUser({ ...user, role });
}

/** With all of the user's sessions. @throws EvenkeelError "invalid", "not_found" */
export async function changePassword(
  accounts: AccountStore,
  given_name: string,
  password: string,
  kept_session = "",
): Promise<void> {
  const user = knownUser(accounts, given_name);
  checkPassword(password);
  const hash = await hashPassword(password);
  // Meanwhile somebody may have changed the role, or removed the user.
  accounts.putUser({ ...knownUser(accounts, user.name), password: hash });
  accounts.sessions.endAll(user.name, kept_session);
}

/** @throws EvenkeelError "not_found", "invalid" for the last administrator while there are others */
export function removeUser(accounts: AccountStore, given_name: string): void {
  const { name } = knownUser(accounts, given_name);
  if (accounts.users().length > 1) mustLeaveAdmin(accounts, name);
  accounts.removeUser(name);
}

/**
 * @param given sources: separated by commas; none for any
 * @returns the token, and its secret, which is never shown again
 * @throws EvenkeelError "invalid" that names the field, "too_many"
 */
export function addToken(
  accounts: AccountStore,
  given: { name: string; role: string; sources?: readonly string[] },
  created_by: string,
  now_ms: number,
): { token: Token; secret: string } {
  const role = TOKEN_ROLES.find((one) => one === given.role);
  if (!role) throw invalid("role", `must be one of ${TOKEN_ROLES.join(", ")}`, given.role);
  const name = given.name.trim();
  if (!TOKEN_NAME.test(name)) throw invalid("name", "must be 1 to 100 printable characters", name);
  const sources = [...new Set(given.sources ?? [])];
  const strange = sources.find((source) => !SOURCE.test(source));
  if (strange !== undefined)
    throw invalid("sources", "must be names of 1 to 256 printable characters", strange);
  if (sources.length > MAX_SOURCES)
    throw invalid("sources", `must be at most ${MAX_SOURCES} names`, String(sources.length));
  if (sources.length > 0 && role !== "ingest")
    throw invalid("sources", "must be given with the role ingest alone", role);
  const secret = `evk_${role}_${randomBytes(SECRET_BYTES).toString("base64url")}`;
  const token: Token = {
    id: randomBytes(ID_BYTES).toString("hex"),
    hash: hashOfSecret(secret),
    name,
    role,
    sources: sources.length > 0 ? sources : null,
    created_ms: now_ms,
    created_by,
    used_ms: null,
  };
  if (!accounts.addToken(token)) throw tooMany("tokens");
  return { token, secret };
}

/** @throws EvenkeelError "not_found" */
export function revokeToken(accounts: AccountStore, id: string): Token {
  const token = accounts.token(id);
  if (!token) throw new EvenkeelError("not_found", `There is no token ${JSON.stringify(id.slice(0, 80))}`);
  accounts.removeToken(id);
  return token;
}

/** Names differ by more than the size of their letters. */
export function userName(given: string): string {
  const name = given.trim().toLowerCase();
  if (!USER_NAME.test(name)) throw invalid("name", `must be ${USER_NAME_RULE}`, given);
  return name;
}

/** @throws EvenkeelError "not_found" */
export function knownUser(accounts: AccountStore, given: string): User {
  const user = accounts.user(given.trim().toLowerCase());
  if (user) return user;
  throw new EvenkeelError("not_found", `There is no user ${JSON.stringify(given.slice(0, 80))}`);
}

function roleOf(given: string): Role {
  const role = ROLES.find((one) => one === given);
  if (!role) throw invalid("role", `must be one of ${ROLES.join(", ")}`, given);
  return role;
}

/** Somebody has to be able to administer. */
function mustLeaveAdmin(accounts: AccountStore, name: string): void {
  const others = accounts.users().filter((user) => user.name !== name && user.role === "admin");
  if (others.length > 0 || accounts.user(name)?.role !== "admin") return;
  throw new EvenkeelError("invalid", `${name} is the last administrator: make another one first`, {
    details: { path: "role" },
  });
}

function tooMany(what: string): EvenkeelError {
  return new EvenkeelError("too_many", `There are at most ${MAX_ACCOUNTS} ${what}; remove some first`);
}

function invalid(field: string, rule: string, got: string): EvenkeelError {
  const shown = JSON.stringify(got.slice(0, 80));
  return new EvenkeelError("invalid", `${field} ${rule}; got ${shown}`, { details: { path: field } });
}
