import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { EvenkeelError } from "./errors.ts";
import { instant, visible } from "./metrics/format.ts";
import type { AccountStore } from "./metrics/store/accounts.ts";
import {
  addToken,
  changePassword,
  changeRole,
  putUser,
  removeUser,
  revokeToken,
  userName,
} from "./routes/auth/accounts.ts";

/** Who did it, for the audit log. */
const COMMAND_LINE = { who: "command line", address: "this machine" };

export interface PeopleDeps {
  readonly accounts: AccountStore;
  readonly now_ms: number;
  readonly print: (line: string) => void;
  /** Asks for a password, or takes the one that was given. */
  readonly password: (of: string) => Promise<string>;
}

/** `evenkeel user …` and `evenkeel token …`: on the database itself, also while a server runs on it. */
export class People {
  readonly #deps: PeopleDeps;

  constructor(deps: PeopleDeps) {
    this.#deps = deps;
  }

  async addUser(given: string, role: string): Promise<void> {
    const { accounts, now_ms, print, password } = this.#deps;
    const name = userName(given);
    if (accounts.user(name)) {
      throw new EvenkeelError(
        "invalid",
        `There is a user ${name} already; evenkeel user role and evenkeel user password change it`,
      );
    }
    await putUser(accounts, { name, role, password: await password(name) }, now_ms);
    this.#note("Adds a user.", `${name}, ${role}`);
    print(`${name} is added and may do what ${role === "viewer" ? "a" : "an"} ${role} may`);
  }

  async changePassword(name: string): Promise<void> {
    const { accounts, print, password } = this.#deps;
    await changePassword(accounts, name, await password(name));
    this.#note("Gives a user another password.", name);
    print(`The password of ${name} is changed, and all sessions of theirs are ended`);
  }

  changeRole(name: string, role: string): void {
    changeRole(this.#deps.accounts, name, role);
    this.#note("Changes what a user may do.", `${name}, ${role}`);
    this.#deps.print(`${name} may do now what ${role === "viewer" ? "a" : "an"} ${role} may`);
  }

  removeUser(name: string): void {
    removeUser(this.#deps.accounts, name);
    this.#note("Removes a user.", name);
    this.#deps.print(`${name} is removed`);
  }

  listUsers(): void {
    const { accounts, print } = this.#deps;
    const users = accounts.users();
    if (users.length === 0) print("There are no users: nobody has to log in");
    for (const { name, role, created_ms } of users)
      print(`${visible(name)}  ${role}  since ${instant(created_ms)}`);
  }

  addToken(name: string, role: string, sources: string): void {
    const { accounts, now_ms, print } = this.#deps;
    const named = sources.split(",").flatMap((source) => source.trim() || []);
    const { token, secret } = addToken(accounts, { name, role, sources: named }, COMMAND_LINE.who, now_ms);
    this.#note("Makes a token.", `${token.role} token ${token.name}`);
    print(secret);
  }

  listTokens(): void {
    const { accounts, print } = this.#deps;
    const tokens = accounts.tokens();
    if (tokens.length === 0) print("There are no tokens");
    for (const { id, name, role, sources, used_ms } of tokens) {
      const from = sources === null ? "" : `  from ${visible(sources.join(", "))}`;
      const used = used_ms === null ? "never used" : `last used ${instant(used_ms)}`;
      print(`${id}  ${role}  ${quoted(name)}${from}  ${used}`);
    }
  }

  revokeToken(id: string): void {
    const { name, role } = revokeToken(this.#deps.accounts, id);
    this.#note("Revokes a token.", `${role} token ${name}`);
    this.#deps.print(`The ${role} token ${quoted(name)} is revoked`);
  }

  #note(what: string, detail: string): void {
    const { accounts, now_ms } = this.#deps;
    accounts.note({ at_ms: now_ms, ...COMMAND_LINE, what, detail });
  }
}

function quoted(name: string): string {
  return visible(JSON.stringify(name));
}

/**
 * A password: typed twice where there is a terminal, which does not show it, else the first line of the input.
 *
 * @throws EvenkeelError "invalid" where the two differ, or nothing came
 */
export async function askPassword(
  of: string,
  input: Readable & { isTTY?: boolean },
  output: Writable,
): Promise<string> {
  if (!input.isTTY) return firstLine(input);
  const ask = (prompt: string) =>
    new Promise<string>((resolve) => {
      const silent = Object.assign(createInterface({ input, output, terminal: true }), {
        // What is typed is not echoed.
        _writeToOutput: (text: string) => void (text.startsWith(prompt) && output.write(prompt)),
      });
      silent.question(prompt, (answer) => {
        silent.close();
        output.write("\n");
        resolve(answer);
      });
    });
  const password = await ask(`Password of ${of}: `);
  if ((await ask("Once more: ")) === password) return password;
  throw new EvenkeelError("invalid", "The two passwords differ");
}

async function firstLine(input: Readable): Promise<string> {
  const lines = createInterface({ input });
  for await (const line of lines) {
    lines.close();
    return line;
  }
  throw new EvenkeelError("invalid", "password must be the first line of the input; it is empty");
}
