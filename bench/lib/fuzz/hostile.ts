import type { Random } from "./random.ts";

/** What no markup may hold as it is: each hostile text bears it, in each way that could break out. */
export const MARKER = "<evk-";
/** An attribute of this name exists only where a text broke out of another's quotes. */
export const MARKER_ATTRIBUTE = "evk-on";

const RLO = "\u202e";
const TEXTS: readonly string[] = [
  `${MARKER}1>`,
  `"><script>${MARKER}2></script>`,
  `' ${MARKER_ATTRIBUTE}=1 x='`,
  `" ${MARKER_ATTRIBUTE}=1 x="`,
  `</script>${MARKER}3>`,
  `</textarea></title>${MARKER}4>`,
  `<!--${MARKER}5>-->`,
  `]]>${MARKER}6>`,
  `<hx-partial hx-target="body">${MARKER}7></hx-partial>`,
  `\u0001part:${MARKER}8>\u0002`,
  "javascript:alert(1)",
  "//evil.example/x",
  "\\\\evil.example\\x",
  "../../../../etc/passwd",
  "..%2f..%2fetc%2fpasswd",
  "%2e%2e/%00",
  ".",
  "..",
  "~",
  "~~history",
  "history",
  "new",
  `a${RLO}gpj.exe`,
  "\u2066isolate",
  "\u200bzero\u200dwidth\ufeff",
  "a\r\nSet-Cookie: evk=1",
  "a\r\n\r\nHTTP/1.1 200 OK",
  "data: x\n\nevent: close\rdata: y",
  "nul\u0000byte",
  "bell\u0007 escape\u001b[31mred",
  "next\u0085line\u2028para\u2029",
  "half\ud83d",
  "=1+1",
  "+1",
  "-1",
  "@SUM(A1)",
  "\t=1+1",
  "\r=1+1",
  ' =HYPERLINK("http://evil.example")',
  "＝1+1",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "' OR 1=1 --",
  "%",
  "_",
  "*",
  "{{worker}}",
  "$" + "{EVENKEEL_INGEST_TOKEN}",
  "null",
  "NaN",
  "-0",
  "1e999",
  "9007199254740993",
  "é",
  "e\u0301",
  "z\u0310\u0311\u0312\u0313\u0314\u0315",
  "👩‍👩‍👧‍👦",
  "المهمة",
  "a,b;c=d&e#f?g",
  "",
  " ",
];

/** A text that somebody means ill with; mostly short, sometimes very long. */
export function hostileText(random: Random): string {
  const text = random.pick(TEXTS);
  if (random.chance(0.15)) return text + random.pick(TEXTS);
  if (random.chance(0.03)) return text.repeat(1 + random.below(400));
  if (random.chance(0.1)) return `${text}${random.below(40)}`;
  return text;
}

/** The same as an id: those that the protocol takes come often, so that they are shown. */
export function hostileId(random: Random): string {
  const text = hostileText(random);
  return random.chance(0.8) ? text.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, "").slice(0, 200) || "id" : text;
}

/** A value of any kind that JSON has, and some that only JavaScript makes of it. */
export function hostileValue(random: Random): unknown {
  return random.pick<() => unknown>([
    () => hostileText(random),
    () => null,
    () => true,
    () => -1,
    () => 0,
    () => 1e308,
    () => -1e308,
    () => 2 ** 53 + 2,
    () => 1e-320,
    () => 99.999_999_999,
    () => [],
    () => ({}),
    () => [[[[hostileText(random)]]]],
    () => ({ __proto__x: 1, [hostileText(random)]: hostileText(random) }),
    () => Array.from({ length: random.below(300) }, () => hostileText(random)),
  ])();
}
