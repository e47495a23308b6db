import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AccountStore, openAccounts } from "./metrics/store/accounts.ts";
import { askPassword, People } from "./people.ts";

const PASSWORD = "correct horse battery";

let folder: string;
let accounts: AccountStore;
let printed: string[];
let people: People;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-people-"));
  accounts = openAccounts(join(folder, "fleet.db"));
  printed = [];
  people = new People({
    accounts,
    now_ms: 1_795_458_256_000,
    print: (line) => void printed.push(line),
    password: async () => PASSWORD,
  });
});

afterEach(() => {
  accounts.close();
  rmSync(folder, { recursive: true });
});

describe("the command line", () => {
  it("lists users and tokens, and says where there are none", async () => {
    people.listUsers();
    people.listTokens();
    await people.addUser("Anna", "admin");
    people.addToken("the board", "viewer", "");
    const [secret] = printed.slice(-1);
    people.listUsers();
    people.listTokens();
    const { id } = accounts.tokens()[0]!;
    expect(printed).toEqual([
      "There are no users: nobody has to log in",
      "There are no tokens",
      "anna is added and may do what an admin may",
      secret,
      "anna  admin  since 2026-11-23 18:24:16\u00a0UTC",
      `${id}  viewer  "the board"  never used`,
    ]);
    expect(secret).toMatch(/^evk_viewer_/);
  });

  it("shows what a name hides, and sends nothing to a terminal but text", () => {
    people.addToken("vie\u202ewer\u200b", "ingest", "a\u202eb, c");
    people.listTokens();
    expect(printed.at(-1)).toContain('ingest  "vie\\u202ewer\\u200b"  from a\\u202eb, c  never used');
    people.revokeToken(accounts.tokens()[0]!.id);
    expect(printed.at(-1)).toBe('The ingest token "vie\\u202ewer\\u200b" is revoked');
  });

  it("notes what it did", async () => {
    await people.addUser("anna", "admin");
    await people.addUser("vera", "viewer");
    people.changeRole("vera", "operator");
    await people.changePassword("vera");
    people.removeUser("vera");
    expect(accounts.audit(10).map(({ who, what, detail }) => [who, what, detail])).toEqual([
      ["command line", "Removes a user.", "vera"],
      ["command line", "Gives a user another password.", "vera"],
      ["command line", "Changes what a user may do.", "vera, operator"],
      ["command line", "Adds a user.", "vera, viewer"],
      ["command line", "Adds a user.", "anna, admin"],
    ]);
    await expect(people.addUser("anna", "viewer")).rejects.toThrow("There is a user anna already");
  });
});

describe("a password that is not typed", () => {
  const nowhere = new Writable({ write: (_, __, done) => done() });

  it("is the first line of the input", async () => {
    expect(await askPassword("anna", Readable.from(["one\ntwo\n"]), nowhere)).toBe("one");
  });

  it("has to be there", async () => {
    await expect(askPassword("anna", Readable.from([]), nowhere)).rejects.toThrow(
      "password must be the first line of the input; it is empty",
    );
  });
});
