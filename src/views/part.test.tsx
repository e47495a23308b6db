import { expect, test } from "vitest";
import { flatten } from "./frame.tsx";
import { Part, Split } from "./part.tsx";

const list = (values: readonly string[]) =>
  new Split(
    flatten(
      <ul>
        {values.map((value, index) => (
          <Part as="li" id={`row-${index}`} class="row">
            {value}
          </Part>
        ))}
      </ul>,
    ),
  );

test("the markup that is sent has no trace of the markers", () => {
  expect(list(["a", "b"]).html).toBe(
    '<ul><li id="row-0" class="row">a</li><li id="row-1" class="row">b</li></ul>',
  );
});

test("a part is the element with its id", () => {
  expect([...list(["a", "b"]).parts]).toEqual([
    ["row-0", '<li id="row-0" class="row">a</li>'],
    ["row-1", '<li id="row-1" class="row">b</li>'],
  ]);
});

test("a changed value changes its part and not the skeleton", () => {
  const [before, after] = [list(["a", "b"]), list(["a", "c"])];
  expect(after.skeleton).toBe(before.skeleton);
  expect(after.parts.get("row-0")).toBe(before.parts.get("row-0"));
  expect(after.parts.get("row-1")).not.toBe(before.parts.get("row-1"));
});

test("another part changes the skeleton", () => {
  expect(list(["a", "b", "c"]).skeleton).not.toBe(list(["a", "b"]).skeleton);
});

test("markers that slipped in with data are dropped and hide no other part", () => {
  const split = list(["\u0001row-1\u0002x\u0003", "b"]);
  expect(split.html).not.toMatch(/[\u0000-\u0008]/);
  expect(split.html.match(/<li/g)).toHaveLength(2);
});
