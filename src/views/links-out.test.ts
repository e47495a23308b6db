import { expect, test } from "vitest";
import { endOfMinute, NO_LINKS } from "../metrics/links-out.ts";
import type { Read } from "../metrics/read.ts";
import { alertWith } from "./alert-fixture.ts";
import { drawn, fixtureRead, HOSTILE, NOW_MS } from "./fixture.ts";
import { findPanel } from "./registry.ts";
import { taskOf } from "./task-fixture.ts";

const to_ms = endOfMinute(NOW_MS);

function show(id: string, read: Read, given: Record<string, string>) {
  const panel = findPanel(id)!;
  const { html, data } = drawn(panel, panel.params.parse(given), read);
  return { html, links: data.links };
}

test("a worker leads to its last hour elsewhere, without telling from where", () => {
  const { html, links } = show("worker", fixtureRead(), { worker_id: "W3" });
  const url = `https://logs.example/?worker=W3&to=${to_ms}`;
  expect(links).toEqual([{ name: "Logs", url }]);
  expect(html).toContain(
    `<a href="${url.replace("&", "&amp;")}" rel="noreferrer" target="_blank"><bdi>Logs</bdi></a>`,
  );
});

test("a task leads to its time, of which that of an unfinished one ends with this minute", () => {
  const running = taskOf({ id: "t/1", queued_at_ms: NOW_MS - 90_000 });
  const read = { ...fixtureRead(), task: () => running };
  const url = `https://traces.example/t%2F1?from=${NOW_MS - 90_000}&to=${to_ms}`;
  expect(show("task", read, { task_id: "t/1" }).links).toEqual([{ name: "Trace", url }]);
  const ended = taskOf({ id: "t/1", queued_at_ms: null, started_at_ms: 60_000, ended_at_ms: 61_000 });
  expect(show("task", { ...read, task: () => ended }, { task_id: "t/1" }).links).toEqual([
    { name: "Trace", url: "https://traces.example/t%2F1?from=60000&to=120000" },
  ]);
});

test("an alert leads to what its rule and its labels say", () => {
  const alert = alertWith({ id: "worker_overload:W3", rule: "worker_overload" });
  const read = { ...fixtureRead(), allAlerts: () => [alert] };
  const { html, links } = show("alert", read, { alert_id: alert.id });
  expect(links).toEqual([
    { name: "Runbook", url: "https://wiki.example/worker_overload#worker_overload%3AW3" },
  ]);
  expect(html).toContain('<a href="https://wiki.example/worker_overload#worker_overload%3AW3"');
});

test("without settings nothing of it is shown", () => {
  const read = fixtureRead();
  const { html, links } = show(
    "worker",
    { ...read, self: { ...read.self, links: NO_LINKS } },
    { worker_id: "W3" },
  );
  expect(links).toEqual([]);
  expect(html).not.toContain("Elsewhere");
});

test.each(HOSTILE)("a task named %j stays one part of the address", (id) => {
  const read = { ...fixtureRead(), task: () => taskOf({ id, queued_at_ms: NOW_MS }) };
  const [link] = show("task", read, { task_id: id }).links as { url: string }[];
  if (link === undefined) {
    expect(id).toMatch(/^\.{1,2}$/);
    return;
  }
  const { origin, pathname } = new URL(link.url);
  expect([origin, decodeURIComponent(pathname.slice(1))]).toEqual(["https://traces.example", id]);
});
