import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.{ts,tsx}"],
    pool: "forks",
    allowOnly: false,
    // Two cores run the property tests of many files at once: slow is no failure, hanging is.
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
