import type { Modality, Requirements } from "../../model.ts";

/** A kind of worker, and the kind of models that are made for it. */
export type Pool = "gpu" | "cpu" | "tpu";

/** A model whose inferences the demo fleet serves. */
export interface Model {
  readonly index: number;
  readonly id: string;
  readonly family: string;
  readonly type: Modality;
  readonly pool: Pool;
  /** How often it is asked for, relative to the other models of its pool. */
  readonly share: number;
  /** Median processing time on hardware of speed 1, seconds. */
  readonly processing_s: number;
  readonly requirements: Requirements;
}

const GIB = 2 ** 30;
type Entry = [
  id: string,
  family: string,
  type: Modality,
  share: number,
  processing_s: number,
  memory_gib: number,
];

const ON_GPU: Entry[] = [
  ["vit-base-patch16-224", "vit", "vision", 40, 7, 2],
  ["vit-large-patch16-384", "vit", "vision", 7, 11, 4],
  ["clip-vit-base-patch32", "clip", "vision", 34, 8, 3],
  ["detr-resnet-50", "detr", "vision", 19, 12, 4],
  ["convnext-base-224", "convnext", "vision", 12, 8, 3],
  ["bert-large-uncased", "bert", "text", 16, 9, 3],
  ["llama-3-8b-instruct", "llama", "text", 4, 34, 20],
  ["whisper-large-v3", "whisper", "audio", 4, 30, 8],
  ["wav2vec2-large-960h", "wav2vec2", "audio", 9, 13, 4],
  ["blip-image-captioning-large", "blip", "multimodal", 9, 14, 6],
];

/** Too large for the memory of a small card. */
const ON_LARGE_GPU: Entry[] = [
  ["llama-3-70b-instruct", "llama", "text", 1, 70, 160],
  ["llava-1.5-13b", "llava", "multimodal", 3, 36, 40],
];

/** Some of them run on GPUs too, faster or slower: a fleet's operator wants to see that. */
const ON_CPU: Entry[] = [
  ["bert-large-uncased", "bert", "text", 6, 19, 3],
  ["bert-base-uncased-int8", "bert", "text", 6, 7, 2],
  ["t5-small-int8", "t5", "text", 8, 11, 2],
  ["whisper-tiny-int8", "whisper", "audio", 6, 16, 2],
  ["vit-tiny-patch16-int8", "vit", "vision", 7, 9, 1],
  ["convnext-base-224", "convnext", "vision", 5, 14, 3],
];

const ON_TPU: Entry[] = [
  ["t5-v1_1-xl", "t5", "text", 8, 22, 24],
  ["vit-huge-patch14", "vit", "vision", 6, 14, 12],
  ["whisper-large-v3", "whisper", "audio", 4, 20, 12],
  ["clip-vit-large-patch14", "clip", "vision", 5, 12, 8],
];

export const MODELS: readonly Model[] = [
  ...models("gpu", ON_GPU, "cuda", []),
  ...models("gpu", ON_LARGE_GPU, "cuda", ["large-memory"]),
  ...models("cpu", ON_CPU, "openvino", []),
  ...models("tpu", ON_TPU, "xla", []),
].map((model, index) => ({ ...model, index }));

function models(pool: Pool, entries: Entry[], backend: string, tags: string[]): Omit<Model, "index">[] {
  return entries.map(([id, family, type, share, processing_s, memory_gib]) => {
    const memory_bytes = memory_gib * GIB;
    const requirements = { backends: [backend], memory_bytes, ...(tags.length > 0 && { tags }) };
    return { id, family, type, pool, share, processing_s, requirements };
  });
}
