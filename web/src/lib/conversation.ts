// Conversations: pure rules that put messages of every origin (live, archive, own) into one ordered,
// unrepeated list of lines per person.
import { bare } from './address';
import { refusalText } from './rest';
import type { Archive, Message, ReceiptKind, Refusal, Sent } from './wire';

/** How far an own message got; null for those of others and for old ones. */
export type Progress = 'sending' | 'failed' | ReceiptKind | Sent | null;

export interface Line {
  /** Stable while the line lives: the client's id for own new ones, else the server's. */
  key: string;
  /** The server's id, once known. */
  id: string | null;
  /** The sender's client's id. */
  originId: string | null;
  mine: boolean;
  body: string;
  subject: string | null;
  /** RFC 3339. */
  at: string;
  progress: Progress;
  /** Why it failed. */
  error: string | null;
  /** The media type of a content that cannot be shown here. */
  unsupported: string | null;
  /** Its sender took it back. */
  retracted: boolean;
  /** Labels that automated rules gave it. */
  marks: readonly string[];
}

export interface Conversation {
  with: string;
  /** Oldest first; own ones without an answer last. */
  lines: readonly Line[];
  /** The beginning of the archive is reached. */
  complete: boolean;
  unread: number;
  isTyping: boolean;
  /** Ids of own messages that failed and were written anew; the archive may have them still. */
  withdrawn: readonly string[];
}

export type Conversations = ReadonlyMap<string, Conversation>;

/** A message being written out, before the server knows it. */
export interface Draft {
  to: string;
  originId: string;
  body: string;
  subject?: string;
  at: string;
}

/** The other side of a message. */
export function partner(message: Message, me: string): string {
  const from = bare(message.from);
  return from === me ? bare(message.to) : from;
}

export function conversationWith(all: Conversations, address: string): Conversation {
  return all.get(address) ?? { with: address, lines: [], complete: false, unread: 0, isTyping: false, withdrawn: [] };
}

/** Takes a live message in. `isSeen`: the person looks at this conversation right now. */
export function takeMessage(all: Conversations, message: Message, me: string, isSeen: boolean): Conversations {
  const address = partner(message, me);
  const before = conversationWith(all, address);
  if (message.error) return put(all, failed(before, message.originId ?? null, message.error));
  const mine = bare(message.from) === me;
  let after = before;
  if (message.receipt && !mine) after = received(after, message.receipt.of, message.receipt.kind);
  if (message.typing && !mine) after = { ...after, isTyping: message.typing === 'composing' };
  if (message.retracts) after = merge(after, [message]);
  else if (isShown(message)) after = withNew(after, message, mine, isSeen);
  return after === before ? all : put(all, after);
}

function withNew(before: Conversation, message: Message, mine: boolean, isSeen: boolean): Conversation {
  const after = merge(before, [message]);
  if (find(before, message)) return after;
  // Writing from another device means having read there.
  if (mine) return { ...after, unread: 0 };
  return { ...after, isTyping: false, unread: isSeen ? after.unread : after.unread + 1 };
}

/** Takes a page that lies before everything known. */
export function takeOlder(all: Conversations, address: string, page: Archive): Conversations {
  const before = conversationWith(all, address);
  return put(all, { ...merge(before, page.messages), complete: page.complete });
}

/** Takes the newest page. Where it does not reach back to what is known, that is forgotten: no gaps. */
export function takeNewest(all: Conversations, address: string, page: Archive): Conversations {
  const before = conversationWith(all, address);
  const overlaps = page.complete || page.messages.some((message) => find(before, message));
  if (overlaps) return put(all, { ...merge(before, page.messages), complete: before.complete || page.complete });
  // What was written since the page was asked for has no id yet.
  const written = before.lines.filter(({ id }) => id === null);
  return put(all, { ...merge({ ...before, lines: written }, page.messages), complete: page.complete });
}

/** Takes the newest messages with everybody in; `readUntil` says until when a person's were read. */
export function takeOverview(all: Conversations, messages: Message[], me: string, readUntil: (address: string) => string): Conversations {
  let after = all;
  for (const message of messages.filter(isShown)) {
    const address = partner(message, me);
    const before = conversationWith(after, address);
    if (find(before, message)) continue;
    const isUnread = !message.retracted && bare(message.from) !== me && message.sent > readUntil(address);
    after = put(after, { ...merge(before, [message]), unread: before.unread + Number(isUnread) });
  }
  return after;
}

/** Takes away an own message that failed. */
export function withdraw(all: Conversations, address: string, originId: string): Conversations {
  const before = conversationWith(all, address);
  const lines = before.lines.filter((line) => !(line.mine && line.originId === originId));
  return put(all, { ...before, lines, withdrawn: [...before.withdrawn, originId] });
}

/** Shows an own message at once. */
export function takeDraft(all: Conversations, { to, originId, body, subject, at }: Draft): Conversations {
  const before = conversationWith(all, to);
  const line: Line = {
    key: originId, id: null, originId, mine: true, body, subject: subject || null, at,
    progress: 'sending', error: null, unsupported: null, retracted: false, marks: [],
  };
  return put(all, { ...before, lines: [...before.lines, line] });
}

/** Takes the server's word on an own message: how far it got, or why not. */
export function takeOutcome(all: Conversations, to: string, originId: string, outcome: Sent | Refusal): Conversations {
  const before = conversationWith(all, to);
  if (typeof outcome !== 'string') return put(all, failed(before, originId, outcome));
  // A receipt that overtook the answer says more than the answer.
  const change = (line: Line): Line => (line.progress === 'sending' ? { ...line, progress: outcome } : line);
  return put(all, changed(before, originId, change));
}

/** Takes the word of automated rules on a message that is here already: its labels, and whether to be quiet about it. */
export function takeMarks(all: Conversations, id: string, marks: readonly string[], quiet: boolean): Conversations {
  const found = [...all.values()].find(({ lines }) => lines.some((line) => line.id === id));
  if (!found) return all;
  const lines = found.lines.map((line) => (line.id === id ? { ...line, marks } : line));
  return put(all, { ...found, lines, unread: quiet ? Math.max(0, found.unread - 1) : found.unread });
}

export function markRead(all: Conversations, address: string): Conversations {
  const before = all.get(address);
  return before?.unread ? put(all, { ...before, unread: 0 }) : all;
}

export function stopTyping(all: Conversations, address: string): Conversations {
  const before = all.get(address);
  return before?.isTyping ? put(all, { ...before, isTyping: false }) : all;
}

export function unreadOf(all: Conversations): number {
  return [...all.values()].reduce((sum, { unread }) => sum + unread, 0);
}

/** When the newest line was written; empty when there is none. */
export function latest(conversation: Conversation | undefined): string {
  return conversation?.lines.at(-1)?.at ?? '';
}

/** The server's id of the oldest line, where older pages go on. */
export function oldestId(conversation: Conversation): string | undefined {
  return conversation.lines.find(({ id }) => id)?.id ?? undefined;
}

function put(all: Conversations, conversation: Conversation): Conversations {
  return new Map(all).set(conversation.with, conversation);
}

function isShown(message: Message): boolean {
  // What takes another one back says so in words for programs that know no better.
  return !message.retracts && Boolean(message.body || message.unsupported || message.subject || message.retracted);
}

function isUnanswered(line: Line): boolean {
  return line.id === null && (line.progress === 'sending' || line.progress === 'failed');
}

function find({ with: address, lines }: Conversation, message: Message): Line | undefined {
  return lines.find((line) => isSame(line, message, address));
}

function isSame(line: Line, message: Message, address: string): boolean {
  if (line.id !== null) return line.id === message.id;
  // Ids of clients are no secret: only an own message completes an own line.
  return line.originId !== null && line.originId === message.originId && isOwn(message, address);
}

/** Whether a message of the conversation with `address` is not theirs. Notes to oneself are own. */
function isOwn(message: Message, address: string): boolean {
  const from = bare(message.from);
  return from !== address || from === bare(message.to);
}

/** The lines without the words of those that these messages take back. Nobody takes back what another wrote. */
function withoutRetracted(lines: Line[], messages: Message[], address: string): Line[] {
  const retractions = messages.filter(({ retracts }) => retracts);
  const isRetracted = (line: Line) =>
    retractions.some((message) => line.originId === message.retracts && line.mine === isOwn(message, address));
  return lines.map((line) =>
    isRetracted(line) ? { ...line, body: '', subject: null, unsupported: null, retracted: true } : line);
}

/** Adds messages that are not there yet and completes own lines the server had no id for. */
function merge(before: Conversation, messages: Message[]): Conversation {
  const lines = [...before.lines];
  for (const message of messages.filter(isShown)) {
    if (before.withdrawn.includes(message.originId ?? '') && isOwn(message, before.with)) continue;
    const at = lines.findIndex((line) => isSame(line, message, before.with));
    const known = lines[at];
    const line = lineFrom(message, isOwn(message, before.with));
    if (known) {
      const marks = line.marks.length ? line.marks : known.marks;
      lines[at] = { ...line, key: known.key, progress: confirmed(known.progress), error: known.error, marks };
    } else lines.push(line);
  }
  const order = (one: Line, other: Line) =>
    Number(isUnanswered(one)) - Number(isUnanswered(other)) || Date.parse(one.at) - Date.parse(other.at);
  return { ...before, lines: withoutRetracted(lines, messages, before.with).sort(order) };
}

/** A message that is in the archive was taken, even where the answer was lost. A refusal stays one. */
function confirmed(progress: Progress): Progress {
  return progress === 'sending' ? 'accepted' : progress;
}

function lineFrom(message: Message, mine: boolean): Line {
  return {
    key: message.id, id: message.id, originId: message.originId ?? null, mine,
    body: message.body ?? '', subject: message.subject || null, at: message.sent,
    progress: null, error: null, unsupported: message.unsupported ?? null, retracted: message.retracted ?? false,
    marks: message.marks ?? [],
  };
}

function failed(conversation: Conversation, originId: string | null, refusal: Refusal): Conversation {
  const error = refusalText(refusal);
  return changed(conversation, originId, (line) => ({ ...line, progress: 'failed', error }));
}

const REACHED: Progress[] = [null, 'failed', 'sending', 'accepted', 'stored', 'delivered', 'displayed'];

/** A receipt never takes back what an earlier one said. */
function received(conversation: Conversation, of: string, kind: ReceiptKind): Conversation {
  const isFurther = (line: Line) => REACHED.indexOf(kind) > REACHED.indexOf(line.progress);
  return changed(conversation, of, (line) => (isFurther(line) ? { ...line, progress: kind } : line));
}

function changed(conversation: Conversation, originId: string | null, change: (line: Line) => Line): Conversation {
  if (originId === null) return conversation;
  const lines = conversation.lines.map((line) => (line.mine && line.originId === originId ? change(line) : line));
  return { ...conversation, lines };
}
