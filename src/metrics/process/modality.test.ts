import { describe, expect, it } from "vitest";
import { modalityOf } from "./modality.ts";

describe("the modality of a task that names none", () => {
  it.each([
    ["vit-large-patch16", null, "vision"],
    ["CLIP-ViT-B32", null, "vision"],
    ["bert-base-uncased", null, "text"],
    ["whisper-large-v3", "text", "audio"],
    ["llava-1.5-13b", null, "multimodal"],
    ["convnext-base-224", "vision", "vision"],
    ["my-model", "benchmark", null],
    [null, "audio", "audio"],
    [null, null, null],
  ] as const)("of model %s and type %s is %s", (model_id, type, modality) => {
    expect(modalityOf(model_id, type)).toBe(modality);
  });
});
