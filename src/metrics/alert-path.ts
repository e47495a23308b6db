/** The page of an alert, relative to the base; its id may hold anything. */
export function alertPath(id: string): string {
  // A part of dots alone would lead elsewhere, however it is encoded.
  const encoded = encodeURIComponent(id.replace(/\p{Surrogate}/gu, "\ufffd"));
  return `alerts/${/^\.+$/.test(id) || id.startsWith("~") ? "~" : ""}${encoded}`;
}
