import { expect, test } from "vitest";
import type { ConnectorHealth } from "../metrics/connectors.ts";
import { connectorWith, drawn, fixtureRead, NOW_MS } from "./fixture.ts";
import { findPanel } from "./registry.ts";

function show(...connectors: Partial<ConnectorHealth>[]) {
  const read = fixtureRead();
  const self = { ...read.self, connectors: connectors.map(connectorWith) };
  const { data, html } = drawn(findPanel("connectors")!, {}, { ...read, self });
  return { data, html, text: html.replace(/<[^>]*>/g, "\u0020").replace(/[\s\u00a0]+/g, " ") };
}

test("a connector that is answered shows what it asks, when, how long it took and what was there", () => {
  const { data, html, text } = show({});
  expect(data).toMatchObject({ connectors: [{ name: "lab", state: "ok", latency_ms: 12 }] });
  expect(text).toContain("Connectors 1 connector");
  expect(text).toContain("lab coordinator http://lab.example:8080/ ok");
  expect(text).toContain("12 ms each 1.0 s 12 workers, 80 unfinished tasks");
  expect(html).toContain(`data-since="${NOW_MS - 1000}"`);
  expect(html).toContain('class="mark ok"');
});

test("one that fails says since when, why, and when it is tried next; what was last seen stays", () => {
  const failing = { failing_since_ms: NOW_MS - 9000, last_error: "answered 500", error_ms: NOW_MS - 2000 };
  const { data, html, text } = show({}, { name: "far", ...failing, next_ms: NOW_MS + 7000 });
  expect(data).toMatchObject({ connectors: [{ state: "ok" }, { name: "far", state: "failing" }] });
  expect(text).toContain("2 connectors · 1 failing");
  expect(text).toMatch(/failing since [\d:]+ UTC .* [\d:]+ UTC 12 workers, 80 unfinished tasks answered 500/);
  expect(html).toContain(`data-t="${NOW_MS + 7000}"`);
  expect(html).toContain('class="mark critical"');
});

test("one that is asked for the first time waits, and one that failed before says so still", () => {
  const nothing = { success_ms: null, latency_ms: null, saw: null, next_ms: null };
  expect(show(nothing).data).toMatchObject({ connectors: [{ state: "waiting" }] });
  const { data, text } = show({ last_error: "answered 500", error_ms: NOW_MS - 60_000 });
  expect(data).toMatchObject({ connectors: [{ state: "ok" }] });
  expect(text).toMatch(/answered 500 since [\d:]+ UTC/);
});

test("without any, the panel says where they are named", () => {
  expect(show().text).toMatch(/Nothing is asked .* config file names it under connectors/);
});
