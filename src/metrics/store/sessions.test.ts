import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type AccountStore, openAccounts } from "./accounts.ts";
import type { MetricStore } from "./contract.ts";
import { MAX_SESSIONS, type SessionStore } from "./sessions.ts";
import { openStore } from "./sqlite.ts";

let folder: string;
let path: string;
let store: MetricStore;
let accounts: AccountStore;
let sessions: SessionStore;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  path = join(folder, "evenkeel.db");
  store = openStore(path);
  accounts = openAccounts(path);
  sessions = accounts.sessions;
});

afterEach(async () => {
  accounts.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

const session = (hash: string, seen_ms = 0, preferences = "{}") => ({
  hash,
  created_ms: 0,
  seen_ms,
  preferences,
  user: null,
  ends_ms: null,
  client: null,
});

test("a session is found as it was last kept, beside a store that is open, and after a restart", async () => {
  sessions.put(session("a"));
  sessions.put(session("a", 5, '{"theme":"dark"}'));
  sessions.put(session("b"));
  sessions.remove("b");
  accounts.close();
  await store.close();
  store = openStore(path);
  accounts = openAccounts(path);
  sessions = accounts.sessions;
  expect(sessions.find("a")).toEqual(session("a", 5, '{"theme":"dark"}'));
  expect([sessions.find("b"), sessions.find("")]).toEqual([undefined, undefined]);
  expect(readFileSync(path).length).toBeGreaterThan(0);
});

test("what was last used before an instant expires", () => {
  sessions.put(session("old", 9));
  sessions.put(session("young", 10));
  sessions.expire(10);
  expect(["old", "young"].map((hash) => sessions.find(hash)?.hash)).toEqual([undefined, "young"]);
});

test("beyond the limit the one that was used longest ago goes, and never the one just made", () => {
  for (let i = 0; i < MAX_SESSIONS; i += 1) sessions.put(session(`s${i}`, i + 1));
  sessions.put(session("late", 0));
  expect(sessions.find("late")).toBeDefined();
  expect([sessions.find("s0"), sessions.find("s1")?.hash]).toEqual([undefined, "s1"]);
});
