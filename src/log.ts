const LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LEVELS)[number];
export type Log = (level: LogLevel, message: string) => void;

/**
 * One line an event on standard error: level, then text in which nothing from outside can start a line of
 * its own or move the cursor.
 */
export function createLog(least: LogLevel, write: (line: string) => void): Log {
  const enabled = LEVELS.slice(0, LEVELS.indexOf(least) + 1);
  return (level, message) => {
    if (enabled.includes(level)) write(`${level} ${printable(message)}\n`);
  };
}

/** Control characters, line separators and bidirectional overrides as escapes. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    const code = character.codePointAt(0)!.toString(16).padStart(4, "0");
    return `\\u${code}`;
  });
}
