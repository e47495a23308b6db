import type { Modality } from "./model.ts";

/** How well a backend suits a modality, 0 to 1: the coordinator's own table; a TPU (xla) is taken to be as good as CUDA. */
const SUITABILITY: ReadonlyMap<string, Readonly<Record<Modality, number>>> = new Map([
  ["cuda", { vision: 0.9, text: 0.9, audio: 0.8, multimodal: 0.9 }],
  ["xla", { vision: 0.9, text: 0.9, audio: 0.8, multimodal: 0.9 }],
  ["rocm", { vision: 0.8, text: 0.7, audio: 0.7, multimodal: 0.7 }],
  ["mps", { vision: 0.7, text: 0.7, audio: 0.8, multimodal: 0.7 }],
  ["openvino", { vision: 0.7, text: 0.6, audio: 0.7, multimodal: 0.6 }],
  ["hexagon", { vision: 0.6, text: 0.5, audio: 0.7, multimodal: 0.5 }],
  ["cpu", { vision: 0.3, text: 0.5, audio: 0.6, multimodal: 0.3 }],
]);

/** How well the best of some backends suits a modality, 0 to 1; null where nothing is known of any of them. */
export function suitability(backends: readonly string[], modality: Modality): number | null {
  let best: number | null = null;
  for (const backend of backends) {
    const known = SUITABILITY.get(backend)?.[modality];
    if (known !== undefined && (best === null || known > best)) best = known;
  }
  return best;
}
