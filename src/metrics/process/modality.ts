import { MODALITIES, type Modality } from "../model.ts";
import { wordOf } from "../model-words.ts";

/** The modality of a task that names none: by its model's id, else by its type; null where neither tells. */
export function modalityOf(model_id: string | null, type: string | null): Modality | null {
  const told = model_id === null ? undefined : wordOf(model_id)?.modality;
  return told ?? MODALITIES.find((modality) => modality === type) ?? null;
}
