import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { SettingInForce } from "../../kinds.ts";
import { type AccountStore, openAccounts } from "../../metrics/store/accounts.ts";
import { type World, world } from "../fixture.tsx";
import { addToken } from "./accounts.ts";

const TICK: SettingInForce = {
  name: "tick_ms",
  variable: "EVENKEEL_TICK_MS",
  value: "500",
  default: "1000",
  from: "<evil>\u202e.yaml: tick_ms",
  rule: "a whole number",
  help: "Milliseconds as in `tick_ms`",
};
const TOKEN: SettingInForce = { ...TICK, name: "ingest_token", value: null, from: "EVENKEEL_INGEST_TOKEN" };
const PORT: SettingInForce = { ...TICK, name: "port", value: "8080", from: "default" };

let folder: string;
let accounts: AccountStore;
let w: World;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  accounts = openAccounts(join(folder, "evenkeel.db"));
  accounts.putUser({ name: "root", role: "admin", password: "", created_ms: 0 });
  w = world({ accounts, settings_in_force: [TICK, TOKEN, PORT] });
});

afterEach(() => {
  w.hub.close();
  accounts.close();
  rmSync(folder, { recursive: true });
});

const ask = (path: string, role: "admin" | "operator") => {
  const { secret } = addToken(accounts, { name: role, role }, "test", 0);
  return w.app.request(path, { headers: { authorization: `Bearer ${secret}`, accept: "text/html" } });
};

it("administrators read how the server was started, others don't", async () => {
  for (const path of ["/admin/settings", "/api/settings"])
    expect([path, (await ask(path, "operator")).status]).toEqual([path, 403]);
  expect(await (await ask("/api/settings", "admin")).json()).toEqual({
    success: true,
    settings: [TICK, TOKEN, PORT],
  });
});

it("the page says where each was set, hides no character of that, and shows no secret", async () => {
  const html = await (await ask("/admin/settings", "admin")).text();
  const [, tick, token, port] = html.split("<tr>").slice(1);
  expect(tick).toContain("<b>500</b>");
  expect(tick).toContain("<bdi>&lt;evil&gt;\\u202e.yaml: tick_ms</bdi>");
  expect(tick).toContain("Milliseconds as in <code>tick_ms</code>. <small>Must be a whole number</small>");
  expect(token).toContain("set, not shown");
  expect(port).toContain("<small>default</small>");
  expect(html).toContain("2 of 3 are set");
});
