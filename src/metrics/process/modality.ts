import { MODALITIES, type Modality } from "../model.ts";

/** Words of model ids by the modality that they tell of, in the coordinator's order: the first that occurs counts. */
const WORDS: readonly (readonly [Modality, RegExp])[] = [
  ["vision", /vit|resnet|efficientnet|yolo|detr|swin|dino|clip|segmentation/],
  ["text", /bert|gpt|llama|t5|roberta|bard|xlm|bart|electra|deberta/],
  ["audio", /wav2vec|whisper|hubert|clap|audio|speech|mms/],
  ["multimodal", /blip|flava|flamingo|pali|llava|qwen-vl|fuyu/],
];

/** The modality of a task that names none: by its model's id, else by its type; null where neither tells. */
export function modalityOf(model_id: string | null, type: string | null): Modality | null {
  const model = model_id?.toLowerCase();
  const told = model === undefined ? undefined : WORDS.find(([, words]) => words.test(model))?.[0];
  return told ?? MODALITIES.find((modality) => modality === type) ?? null;
}
