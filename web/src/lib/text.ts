// Text for people: links found in messages, times and days.

export type Piece = { text: string; href?: string };

// Only these schemes become links; anything else stays text, `javascript:` above all.
const LINK = /\b(?:https?:\/\/|mailto:|xmpp:|sips?:|tel:)[^\s<>"'`]+/gi;
/** Punctuation at the end belongs to the sentence, not to the link. */
const TRAILING = /[.,;:!?*_~]+$/;

/** Cuts a text into plain pieces and links. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const href = trimmed(match[0]);
    if (match.index > end) found.push({ text: text.slice(end, match.index) });
    found.push({ text: href, href });
    end = match.index + href.length;
  }
  if (end < text.length) found.push({ text: text.slice(end) });
  return found;
}

function trimmed(link: string): string {
  const text = link.replace(TRAILING, '');
  // A closing bracket without its opening one belongs to the sentence too.
  return text.endsWith(')') && !text.includes('(') ? trimmed(text.slice(0, -1)) : text;
}

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const DAY_AND_YEAR = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

export function timeWords(at: string): string {
  return format(TIME, at);
}

export function fullTimeWords(at: string): string {
  return format(FULL, at);
}

/** `Today`, `Yesterday`, or the date. */
export function dayWords(at: string, now: Date): string {
  const then = new Date(at);
  if (isSameDay(then, now)) return 'Today';
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (isSameDay(then, yesterday)) return 'Yesterday';
  return format(then.getFullYear() === now.getFullYear() ? DAY : DAY_AND_YEAR, at);
}

export function isSameDay(one: Date, other: Date): boolean {
  return one.toDateString() === other.toDateString();
}

function format(formatter: Intl.DateTimeFormat, at: string): string {
  const time = Date.parse(at);
  return Number.isNaN(time) ? '' : formatter.format(time);
}

/** One or two letters that stand for somebody. */
export function initials(name: string): string {
  const words = name.split(/[\s._-]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...(word ?? '?')][0]?.toUpperCase() ?? '?').join('');
}

/** A number from 0 to `count - 1` that is always the same for a text: who gets which colour. */
export function hue(text: string, count: number): number {
  let sum = 7;
  for (const letter of text) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 997;
  return sum % count;
}

// In this order: most browsers also claim to be the ones below them.
const BROWSERS: [RegExp, string][] = [
  [/Edg/, 'Edge'], [/OPR/, 'Opera'], [/Firefox|FxiOS/, 'Firefox'], [/Chrome|CriOS/, 'Chrome'], [/Safari/, 'Safari'],
];
const SYSTEMS: [RegExp, string][] = [
  [/Android/, 'Android'], [/iPhone|iPad/, 'iOS'], [/Windows/, 'Windows'], [/Mac OS/, 'macOS'], [/Linux/, 'Linux'],
];

/** What a browser calls itself (RFC 9110 §10.1.5), in few words. */
export function browserWords(agent: string): string {
  const find = (table: [RegExp, string][]) => table.find(([pattern]) => pattern.test(agent))?.[1];
  const [browser, system] = [find(BROWSERS), find(SYSTEMS)];
  if (!browser) return agent;
  return system ? `${browser} on ${system}` : browser;
}
