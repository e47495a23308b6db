import { describe, expect, test } from "vitest";
import { type Address, allowedAddresses, RefusedAddress, type Resolve } from "./network.ts";

const STRICT = { allow_private: false, follow_redirects: false };
const OPEN = { allow_private: true, follow_redirects: false };

const leadingTo =
  (...addresses: string[]): Resolve =>
  async () =>
    addresses.map((address): Address => ({ address, family: address.includes(":") ? 6 : 4 }));

const check = (host: string, rules = STRICT, written = true, resolve: Resolve = leadingTo("93.184.216.34")) =>
  allowedAddresses(host, rules, written, new AbortController().signal, resolve);

const INSIDE = [
  "127.0.0.1",
  "10.1.2.3",
  "172.31.255.255",
  "192.168.0.9",
  "100.64.0.1",
  "169.254.169.254",
  "::1",
  "fd00::1",
  "fe80::1",
  "::ffff:10.0.0.1",
];
const NOBODYS = [
  "0.0.0.0",
  "255.255.255.255",
  "224.0.0.1",
  "::",
  "ff02::1",
  "64:ff9b::a00:1",
  "2002:a00:1::1",
];

describe("a name", () => {
  test("that leads to a public address is contacted at just that address", async () => {
    expect(await check("hooks.example")).toEqual([{ address: "93.184.216.34", family: 4 }]);
    expect(await check("hooks.example", STRICT, true, leadingTo("2606:4700::1"))).toHaveLength(1);
  });

  test.each(INSIDE)(
    "that leads to %s is refused unless the file allows private addresses",
    async (address) => {
      const resolve = leadingTo(address);
      await expect(check("hooks.example", STRICT, true, resolve)).rejects.toThrow(
        `hooks.example leads to the private address ${address}; the alerts file allows that with network.allow_private: true`,
      );
      expect(await check("hooks.example", OPEN, true, resolve)).toHaveLength(1);
    },
  );

  test.each(NOBODYS)("that leads to %s is refused whatever the file allows", async (address) => {
    for (const rules of [STRICT, OPEN])
      await expect(check("hooks.example", rules, true, leadingTo(address))).rejects.toThrow(RefusedAddress);
  });

  test("of which one address is private is refused as a whole", async () => {
    await expect(check("a.example", STRICT, true, leadingTo("93.184.216.34", "10.0.0.1"))).rejects.toThrow(
      RefusedAddress,
    );
  });

  test("that has no address, or is not answered for, is no reason to wait", async () => {
    await expect(check("a.example", STRICT, true, leadingTo())).rejects.toThrow("a.example has no address");
    const abort = new AbortController();
    const asked = allowedAddresses("a.example", STRICT, true, abort.signal, () => new Promise(() => {}));
    abort.abort(new Error("too late"));
    await expect(asked).rejects.toThrow("too late");
  });
});

describe("an address that the file itself names", () => {
  test.each(["127.0.0.1", "10.1.2.3", "[::1]", "[fd00::1]"])(
    "is contacted at %s, and not after a redirect",
    async (host) => {
      expect(await check(host)).toHaveLength(1);
      await expect(check(host, STRICT, false)).rejects.toThrow(RefusedAddress);
    },
  );

  test.each(["169.254.169.254", "[fe80::1]", "0.0.0.0"])("is refused at %s", async (host) => {
    await expect(check(host)).rejects.toThrow(RefusedAddress);
  });

  test("may be localhost", async () => {
    expect(await check("localhost", STRICT, true, leadingTo("127.0.0.1", "::1"))).toHaveLength(2);
    await expect(check("localhost", STRICT, false, leadingTo("127.0.0.1"))).rejects.toThrow(RefusedAddress);
  });
});
