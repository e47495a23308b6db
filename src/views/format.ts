export * from "../metrics/format.ts";
