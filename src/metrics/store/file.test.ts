import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NOTHING, samplesOf } from "./conformance.ts";
import { openDatabase } from "./file.ts";
import { readMigrations } from "./migrations.ts";
import { openStore } from "./sqlite.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-file-"));
  path = join(folder, "fleet.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

async function makeStore(): Promise<void> {
  const store = openStore(path);
  const series = store.series("worker", "W1", "cpu_utilization");
  for (let at_ms = 1e12; at_ms < 1e12 + 300_000; at_ms += 1000) {
    const samples = Array.from({ length: 100 }, (_, i) => ({ series, at_ms: at_ms - i * 1000, value: i }));
    store.append({ ...NOTHING, at_ms, samples: samplesOf(samples) });
  }
  await store.close();
}

test("what is written fast goes from the log into the file meanwhile", async () => {
  const store = openStore(path);
  const document = "x".repeat(2 ** 20);
  // Less than a tick would empty the log for by itself.
  for (let i = 0; i < 64; i += 1) {
    const facts = { [`large-${i}`]: document };
    store.append({ ...NOTHING, at_ms: 1e12 + i * 1000, facts });
  }
  await vi.waitFor(() => expect(statSync(path).size).toBeGreaterThan(16 * 2 ** 20), { timeout: 15_000 });
  await store.close();
  expect(existsSync(`${path}-wal`)).toBe(false);
}, 20_000);

function pragma(name: string): unknown {
  const db = new Database(path, { readonly: true });
  const value = db.pragma(name, { simple: true });
  db.close();
  return value;
}

function expectRefused(message: RegExp): void {
  const before = readFileSync(path);
  expect(() => openStore(path)).toThrow(
    expect.objectContaining({ kind: "unavailable", message: expect.stringMatching(message) }),
  );
  expect(readFileSync(path).equals(before)).toBe(true);
}

test("a new file has the pages, the log and the version that the design asks for", async () => {
  await makeStore();
  expect(pragma("page_size")).toBe(16384);
  expect(pragma("auto_vacuum")).toBe(2);
  expect(pragma("journal_mode")).toBe("wal");
  expect(pragma("user_version")).toBe(readMigrations().length);
});

describe("left as it is and refused by name:", () => {
  test("a file of a newer version", async () => {
    await makeStore();
    const db = new Database(path);
    db.pragma("user_version = 999");
    db.close();
    expectRefused(
      /fleet\.db is of version 999 and this program knows versions up to \d+; it was left as it is/,
    );
  });

  test("a file that is no database", () => {
    writeFileSync(path, "name,value\ncpu,1\n".repeat(100));
    expectRefused(/is no SQLite database/);
  });

  test("another program's database", () => {
    const db = new Database(path);
    db.exec("CREATE TABLE accounts (id)");
    db.close();
    expectRefused(/belongs to another program/);
  });

  test("a file that ends early", async () => {
    await makeStore();
    truncateSync(path, 5 * 16384 + 100);
    expectRefused(/is damaged: it ends early/);
  });

  test.each(["schema", "log"])("a file whose %s was overwritten", async (part) => {
    await makeStore();
    const bytes = readFileSync(path);
    const row = bytes.indexOf("[[1,0,");
    const from = part === "schema" ? 100 : row - (row % 16384);
    bytes.fill(0xa5, from, from + 16384);
    writeFileSync(path, bytes);
    expectRefused(/can't open .*fleet\.db.*restore it from a backup/);
  });
});

test("a log whose text was overwritten is refused, and the file left as it is", async () => {
  await makeStore();
  const db = new Database(path);
  db.exec("UPDATE head SET samples = replace(samples, ']', '#') WHERE id = 7");
  db.close();
  expectRefused(/The store's log is damaged \(row 7: .*restore a backup/);
});

test("an empty file counts as none", async () => {
  writeFileSync(path, "");
  await makeStore();
  expect(pragma("user_version")).toBe(readMigrations().length);
});

test("a folder that can't be made is told by its name", () => {
  writeFileSync(path, "in the way");
  expect(() => openStore(join(path, "fleet.db"))).toThrow(
    /The store can't open .*fleet\.db.*fleet\.db' \(E[A-Z]+\)/,
  );
});

describe("migrations", () => {
  const first = { version: 1, sql: "CREATE TABLE a (x); INSERT INTO a VALUES (1);" };

  test("that a file has not seen are applied to what it holds", () => {
    openDatabase(path, [first]).close();
    const db = openDatabase(path, [first, { version: 2, sql: "ALTER TABLE a ADD COLUMN y DEFAULT 2;" }]);
    expect(db.prepare("SELECT * FROM a").all()).toEqual([{ x: 1, y: 2 }]);
    db.close();
    expect(pragma("user_version")).toBe(2);
  });

  test("are applied all or not at all", () => {
    openDatabase(path, [first]).close();
    const failing = [first, { version: 2, sql: "CREATE TABLE b (x);" }, { version: 3, sql: "nonsense" }];
    expect(() => openDatabase(path, failing)).toThrow(/syntax error/);
    expect(pragma("user_version")).toBe(1);
    const db = openDatabase(path, [first]);
    expect(db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all()).toEqual(["a"]);
    db.close();
  });

  test("that fail on a new file leave no half-made database", () => {
    expect(() => openDatabase(path, [{ version: 1, sql: "CREATE TABLE a (x); nonsense" }])).toThrow();
    openDatabase(path, [first]).close();
    expect(pragma("user_version")).toBe(1);
  });
});

describe("a fresh start", () => {
  test("begins empty, whatever was there", async () => {
    await makeStore();
    const store = openStore(path, { fresh: true });
    expect(store.latest(0)).toEqual([]);
    await store.close();
  });

  test("never empties a file that is not ours", () => {
    writeFileSync(path, "name,value\ncpu,1\n".repeat(100));
    expect(() => openStore(path, { fresh: true })).toThrow(/is no SQLite database; it was left as it is/);
    expect(statSync(path).size).toBe(1700);
  });

  test("never empties a file that is in use", async () => {
    await makeStore();
    const store = openStore(path);
    expect(() => openStore(path, { fresh: true })).toThrow("is in use by process");
    expect(store.latest(0)).toHaveLength(1);
    await store.close();
    expect(statSync(path).size).toBeGreaterThan(0);
  });
});
