import type { AnomalyWatch } from "../anomaly-watch.ts";
import type { Fleet } from "../fleet.ts";
import type { FleetFigures } from "../system.ts";
import { modelsOf } from "./figures.ts";
import type { RuleScene } from "./vocabulary.ts";

/** What a tick's rules are asked of; models are counted when the first of them asks. */
export function ruleScene(
  fleet: Fleet,
  { system, cuts, sources, endedByModel }: FleetFigures,
  own: RuleScene["own"],
  anomalies: Pick<AnomalyWatch, "due" | "score">,
  now_ms: number,
): RuleScene {
  let models: ReturnType<typeof modelsOf> | undefined;
  const scene: RuleScene = {
    now_ms,
    fleet,
    system,
    cuts,
    sources,
    own,
    queues: () => fleet.queues.queues,
    models: () => {
      models ??= modelsOf(fleet, endedByModel(), now_ms);
      return models;
    },
    anomalies: () => anomalies.due(),
    anomalyScore: ({ scope, entity }, metric) => anomalies.score(scope, entity, metric),
  };
  return scene;
}
