import fc from "fast-check";
import { expect, test } from "vitest";
import { endOfMinute, type LinkValues, linksOut } from "./links-out.ts";

const VALUES: LinkValues<"worker"> = {
  worker: "W1",
  worker_type: null,
  hostname: "gpu-01.lab",
  source: "balancer",
  from_ms: 1,
  to_ms: 2,
};
const to = (url: string, given: Partial<LinkValues<"worker">> = {}) =>
  linksOut<"worker">([{ name: "Logs", url }], { ...VALUES, ...given }).map((link) => link.url);

test("values stand in the address, percent-encoded", () => {
  expect(to("https://logs.example/{worker}?host={hostname}&from={from_ms}&to={to_ms}")).toEqual([
    "https://logs.example/W1?host=gpu-01.lab&from=1&to=2",
  ]);
  expect(to("https://a.example/?q={worker}", { worker: 'a/../b?c#d&"><script>\u202e\ud83d' })).toEqual([
    "https://a.example/?q=a%2F..%2Fb%3Fc%23d%26%22%3E%3Cscript%3E%E2%80%AE%EF%BF%BD",
  ]);
  expect(to("https://a.example/static")).toEqual(["https://a.example/static"]);
});

test("a link is left out where a value is not known or leads elsewhere", () => {
  expect(to("https://a.example/{worker_type}")).toEqual([]);
  expect(to("https://a.example/{worker}/x", { worker: ".." })).toEqual([]);
  expect(to("https://a.example/{worker}/x", { worker: "." })).toEqual([]);
  expect(to("https://a.example/{worker}/x", { worker: "..." })).toEqual(["https://a.example/.../x"]);
});

test("whatever a value is, the link leads to its own place on its own host", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (worker) => {
      for (const url of to("https://a.example/logs/{worker}/x?w={worker}#{worker}", { worker })) {
        const { origin, pathname, searchParams, hash } = new URL(url);
        expect(origin).toBe("https://a.example");
        expect(pathname.split("/").length).toBe(4);
        expect(pathname.startsWith("/logs/") && pathname.endsWith("/x")).toBe(true);
        const wellFormed = worker.replace(/\p{Surrogate}/gu, "\ufffd");
        expect(searchParams.get("w")).toBe(wellFormed);
        expect(decodeURIComponent(hash.slice(1))).toBe(wellFormed);
        expect(url).toMatch(/^[\x21-\x7e]+$/);
      }
    }),
  );
});

test("what lasts ends with its minute", () => {
  expect([59_999, 60_000, 60_001].map(endOfMinute)).toEqual([60_000, 60_000, 120_000]);
});
