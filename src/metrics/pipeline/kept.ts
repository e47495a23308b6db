/** What the store keeps for the next start beside samples and records, by the names it has there. */

/** Facts: the sources, the last hour by model, the alerts that are pending, when the first sample of all was taken. */
export const SOURCES = "sources";
export const MODELS = "models";
export const PENDING = "pending_alerts";
export const FIRST_SAMPLE = "first_sample_ms";

/** Kinds of documents: silences, and what was learnt of one series. */
export const SILENCE = "silence";
export const DETECTOR = "detector";
