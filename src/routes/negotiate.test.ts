import { describe, expect, it } from "vitest";
import { namesHtml, negotiate, negotiateEncoding } from "./negotiate.ts";

const OFFERS = ["text/html", "application/json", "text/csv"] as const;

describe("negotiation of what a client wants", () => {
  it.each([
    [undefined, "text/html"],
    ["", "text/html"],
    ["*/*", "text/html"],
    ["application/json", "application/json"],
    ["APPLICATION/JSON", "application/json"],
    ["text/csv;q=0.5, application/json;q=0.9", "application/json"],
    ["application/*", "application/json"],
    ["text/html;q=0, */*", "application/json"],
    ["text/*;q=0.1, application/json;q=0.2", "application/json"],
    ["text/csv, */*;q=0.1", "text/csv"],
    ["image/png", null],
    ["*/*;q=0", null],
    ["nonsense", null],
  ])("Accept %j gives %j", (accept, wanted) => {
    expect(negotiate(accept, OFFERS)).toBe(wanted);
  });

  it("takes only a client that names HTML for a browser", () => {
    expect(namesHtml("text/html,application/xhtml+xml,*/*;q=0.8")).toBe(true);
    expect(namesHtml("*/*")).toBe(false);
    expect(namesHtml("text/html;q=0")).toBe(false);
    expect(namesHtml(undefined)).toBe(false);
  });

  it.each([
    [undefined, null],
    ["gzip", "gzip"],
    ["gzip, deflate, br", "br"],
    ["gzip;q=1, br;q=0.2", "gzip"],
    ["*", "br"],
    ["br;q=0, *", "gzip"],
    ["identity", null],
    ["gzip;q=0", null],
  ])("Accept-Encoding %j gives %j", (header, wanted) => {
    expect(negotiateEncoding(header, ["br", "gzip"])).toBe(wanted);
  });
});
