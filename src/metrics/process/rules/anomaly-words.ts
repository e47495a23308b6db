import { findMetric } from "../../catalogue.ts";
import { measure, seconds } from "../../format.ts";
import type { MetricAnomaly } from "../../model.ts";
import type { AnomalySubject } from "./vocabulary.ts";

/** In which way a metric is unusual, and what is usual: "12 /min, usually 40 to 60 /min". */
export function inWords({ scope, metric, aspect, value, low, high }: Omit<AnomalySubject, "entity">): string {
  const unit = findMetric(scope, metric)?.unit ?? "count";
  const shown = measure(value, unit);
  const usual = `usually ${measure(low, unit)} to ${measure(high, unit)}`;
  switch (aspect) {
    case "silence":
      return `not reported for ${seconds(value)}, usually each ${seconds(high)}`;
    case "value":
      return `${shown}, ${usual}`;
    case "level":
      return `about ${shown} by now, ${usual}`;
    case "hour":
      return `${shown}, at this hour of the day ${usual}`;
    case "trend":
      return `drifting, about ${shown} by now, ${usual}`;
    case "spread":
      return `varies by ${shown}, usually by up to ${measure(high, unit)}`;
    case "jitter":
      return `jumps by ${shown} from sample to sample, usually by up to ${measure(high, unit)}`;
  }
}

/** Those that are unusual now, the most unusual first. */
export function anomaliesOf(due: Iterable<AnomalySubject>): MetricAnomaly[] {
  return Array.from(due, (one) => {
    const { scope, entity, metric, score, value, low, high, since_ms } = one;
    return { scope, entity, metric, score, value, low, high, words: inWords(one), since_ms: since_ms ?? 0 };
  }).sort((a, b) => b.score - a.score || (a.metric < b.metric ? -1 : 1));
}
