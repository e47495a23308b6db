import type { Modality } from "./model.ts";

/** Words of model ids by the modality that they tell of, in the coordinator's order: the first that occurs counts. */
const WORDS: readonly (readonly [Modality, readonly string[]])[] = [
  ["vision", ["vit", "resnet", "efficientnet", "yolo", "detr", "swin", "dino", "clip", "segmentation"]],
  ["text", ["bert", "gpt", "llama", "t5", "roberta", "bard", "xlm", "bart", "electra", "deberta"]],
  ["audio", ["wav2vec", "whisper", "hubert", "clap", "audio", "speech", "mms"]],
  ["multimodal", ["blip", "flava", "flamingo", "pali", "llava", "qwen-vl", "fuyu"]],
];

/** What a model's id tells: the modality, and the word that says so, which is a fair model family. */
export function wordOf(model_id: string): { readonly modality: Modality; readonly word: string } | undefined {
  const model = model_id.toLowerCase();
  for (const [modality, words] of WORDS) {
    const word = words.find((one) => model.includes(one));
    if (word !== undefined) return { modality, word };
  }
  return undefined;
}
