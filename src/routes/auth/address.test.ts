import { expect, it } from "vitest";
import { networkOf } from "./address.ts";

it.each([
  ["10.0.0.1", "10.0.0.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::6", "2001:db8:1:2::/64"],
  ["2001:db8::6", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["in process", "in process"],
])("limits tell %s apart as %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
