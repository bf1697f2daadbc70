import { describe, expect, it } from 'vitest';

import {
  conversationWith, markRead, oldestId, takeDraft, takeMarks, takeMessage, takeNewest, takeOlder, takeOutcome, takeOverview, unreadOf, withdraw,
  type Conversations,
} from '../conversation';
import type { Message } from '../wire';

const ME = 'alice@localhost';
const BOB = 'bob@localhost';
const EMPTY: Conversations = new Map();

/** A message from bob, number `id`, sent in that minute. */
function fromBob(id: number, more: Partial<Message> = {}): Message {
  const sent = new Date(Date.UTC(2030, 0, 1, 10, id)).toISOString();
  return { id: `m${id}`, from: `${BOB}/phone`, to: ME, kind: 'chat', sent, body: `text ${id}`, ...more };
}

function fromMe(id: number, more: Partial<Message> = {}): Message {
  return fromBob(id, { from: `${ME}/page`, to: BOB, ...more });
}

function live(all: Conversations, message: Message, isSeen = false): Conversations {
  return takeMessage(all, message, ME, isSeen);
}

const draft = (originId: string) => ({ to: BOB, originId, body: 'hello', at: '2030-01-01T11:00:00Z' });
const bob = (all: Conversations) => conversationWith(all, BOB);
const texts = (all: Conversations) => bob(all).lines.map(({ body }) => body);
const progress = (all: Conversations) => bob(all).lines.map((line) => line.progress);

describe('labels', () => {
  const marks = (all: Conversations) => bob(all).lines.map((line) => line.marks);

  it('come with the message, after it or from the archive, and stay', () => {
    const all = takeMarks(live(live(EMPTY, fromBob(1)), fromBob(2, { marks: ['b'] })), 'm1', ['a'], false);
    expect(marks(all)).toEqual([['a'], ['b']]);
    expect(unreadOf(all)).toBe(2);
    expect(marks(takeNewest(all, BOB, { messages: [fromBob(1), fromBob(2)], complete: true }))).toEqual([['a'], ['b']]);
    expect(takeMarks(all, 'unknown', ['x'], true)).toBe(all);
  });

  it('may ask for silence', () => {
    expect(unreadOf(takeMarks(live(live(EMPTY, fromBob(1)), fromBob(2)), 'm1', [], true))).toBe(1);
    expect(unreadOf(takeMarks(markRead(live(EMPTY, fromBob(1)), BOB), 'm1', [], true))).toBe(0);
  });
});

describe('messages that are taken back', () => {
  const shown = (all: Conversations) => bob(all).lines.map(({ body, retracted }) => (retracted ? null : body));
  const said = live(live(EMPTY, fromBob(1, { originId: 'b1' })), fromMe(2, { originId: 'b1' }));

  it('lose their words, and nothing is shown of what took them back', () => {
    expect(shown(live(said, fromBob(3, { retracts: 'b1', body: 'for old programs' })))).toEqual([null, 'text 2']);
    expect(shown(live(said, fromMe(3, { retracts: 'b1', copy: 'sent' })))).toEqual(['text 1', null]);
    expect(unreadOf(live(markRead(said, BOB), fromBob(3, { retracts: 'b1' })))).toBe(0);
    expect(shown(live(said, fromBob(3, { retracts: 'unknown' })))).toEqual(['text 1', 'text 2']);
  });

  it('are known from the archive', () => {
    const messages = [fromBob(1, { body: null, retracted: true }), fromBob(2, { originId: 'b2' }), fromBob(3, { retracts: 'b2' })];
    expect(shown(takeNewest(EMPTY, BOB, { messages, complete: true }))).toEqual([null, null]);
    expect(shown(takeNewest(said, BOB, { messages: [messages[0]!], complete: true }))).toEqual([null, 'text 2']);
  });
});

describe('live messages', () => {
  it('are shown once, however often they come', () => {
    const all = live(live(EMPTY, fromBob(1)), fromBob(1, { copy: 'offline' }));
    expect(texts(all)).toEqual(['text 1']);
    expect(unreadOf(all)).toBe(1);
  });

  it('are in the order of their time', () => {
    expect(texts(live(live(EMPTY, fromBob(2)), fromBob(1, { copy: 'offline' })))).toEqual(['text 1', 'text 2']);
  });

  it('count as unread unless somebody looks', () => {
    const all = live(live(EMPTY, fromBob(1)), fromBob(2), true);
    expect(unreadOf(all)).toBe(1);
    expect(unreadOf(markRead(all, BOB))).toBe(0);
  });

  it('sent from another device show that it was read there', () => {
    const all = live(live(EMPTY, fromBob(1)), fromMe(2, { copy: 'sent' }));
    expect(unreadOf(all)).toBe(0);
    expect(bob(all).lines.map(({ mine }) => mine)).toEqual([false, true]);
  });

  it('end the typing, which itself is no message', () => {
    const typing = live(EMPTY, fromBob(1, { body: null, typing: 'composing' }));
    expect(bob(typing)).toMatchObject({ isTyping: true, lines: [], unread: 0 });
    expect(bob(live(typing, fromBob(2))).isTyping).toBe(false);
  });

  it('of a kind that cannot be shown are not hidden', () => {
    const all = live(EMPTY, fromBob(1, { body: null, unsupported: 'image/png' }));
    expect(bob(all).lines[0]?.unsupported).toBe('image/png');
  });
});

describe('own messages', () => {
  it('show how far they got', () => {
    const sending = takeDraft(EMPTY, draft('o1'));
    expect(progress(sending)).toEqual(['sending']);
    for (const sent of ['delivered', 'stored', 'accepted'] as const) {
      expect(progress(takeOutcome(sending, BOB, 'o1', sent))).toEqual([sent]);
    }
  });

  it('say why they were refused', () => {
    const all = takeOutcome(takeDraft(EMPTY, draft('o1')), BOB, 'o1', { reason: 'no-session' });
    expect(bob(all).lines[0]).toMatchObject({ progress: 'failed', error: 'Nobody is there to take it.' });
  });

  it('fail late when an error message says so', () => {
    const sent = takeOutcome(takeDraft(EMPTY, draft('o1')), BOB, 'o1', 'accepted');
    const all = live(sent, fromBob(9, { kind: 'error', body: null, originId: 'o1', error: { reason: 'not-found' } }));
    expect(progress(all)).toEqual(['failed']);
    expect(bob(all).lines).toHaveLength(1);
  });

  it('get further by receipts and never back', () => {
    const receipt = (kind: 'delivered' | 'displayed') => fromBob(9, { body: null, receipt: { kind, of: 'o1' } });
    const seen = live(takeDraft(EMPTY, draft('o1')), receipt('displayed'));
    expect(progress(live(seen, receipt('delivered')))).toEqual(['displayed']);
    expect(progress(takeOutcome(seen, BOB, 'o1', 'delivered'))).toEqual(['displayed']);
  });

  it('are one line when the archive has them too', () => {
    const lost = takeDraft(EMPTY, draft('o1'));
    const all = takeNewest(lost, BOB, { messages: [fromMe(1, { originId: 'o1', body: 'hello' })], complete: true });
    expect(texts(all)).toEqual(['hello']);
    expect(bob(all).lines[0]).toMatchObject({ key: 'o1', id: 'm1', progress: 'accepted' });
  });

  it('are not taken over by somebody who repeats their id', () => {
    const all = live(takeDraft(EMPTY, draft('o1')), fromBob(1, { originId: 'o1', body: 'mine now' }));
    expect(texts(all)).toEqual(['mine now', 'hello']);
    expect(bob(all).lines.map(({ mine }) => mine)).toEqual([false, true]);
  });

  it('stay refused though the archive has them', () => {
    const failed = takeOutcome(takeDraft(EMPTY, draft('o1')), BOB, 'o1', { reason: 'forbidden' });
    const all = takeNewest(failed, BOB, { messages: [fromMe(1, { originId: 'o1' })], complete: true });
    expect(bob(all).lines).toMatchObject([{ id: 'm1', progress: 'failed', error: 'This is not allowed.' }]);
  });

  it('do not come back from the archive once they are withdrawn', () => {
    const failed = takeOutcome(takeDraft(EMPTY, draft('o1')), BOB, 'o1', { reason: 'overloaded' });
    const again = takeDraft(withdraw(failed, BOB, 'o1'), draft('o2'));
    const all = takeNewest(again, BOB, { messages: [fromMe(1, { originId: 'o1' })], complete: true });
    expect(bob(all).lines).toMatchObject([{ originId: 'o2', progress: 'sending' }]);
  });

  it('to oneself are one line', () => {
    const note = { from: `${ME}/page`, to: ME, originId: 'o1', body: 'hello' };
    const all = live(takeDraft(EMPTY, { ...draft('o1'), to: ME }), fromBob(1, note));
    expect(conversationWith(all, ME).lines).toHaveLength(1);
    expect(unreadOf(all)).toBe(0);
  });
});

describe('the archive', () => {
  it('comes before what is known', () => {
    const known = takeNewest(EMPTY, BOB, { messages: [fromBob(3), fromBob(4)], complete: false });
    expect(oldestId(bob(known))).toBe('m3');
    const all = takeOlder(known, BOB, { messages: [fromBob(1), fromMe(2)], complete: true });
    expect(texts(all)).toEqual(['text 1', 'text 2', 'text 3', 'text 4']);
    expect(bob(all).complete).toBe(true);
  });

  it('leaves no gap after a long time without connection', () => {
    const before = takeDraft(takeNewest(EMPTY, BOB, { messages: [fromBob(1)], complete: true }), draft('o1'));
    const all = takeNewest(before, BOB, { messages: [fromBob(8), fromBob(9)], complete: false });
    expect(texts(all)).toEqual(['text 8', 'text 9', 'hello']);
    expect(bob(all).complete).toBe(false);
  });

  it('tells what was not read before the page was opened', () => {
    const messages = [fromBob(1), fromBob(2), fromMe(3), fromBob(4)];
    const all = takeOverview(EMPTY, messages, ME, () => fromBob(1).sent);
    expect(unreadOf(all)).toBe(2);
    expect(unreadOf(takeOverview(all, messages, ME, () => ''))).toBe(2);
  });

  it('ignores notes without words', () => {
    expect(takeOverview(EMPTY, [fromBob(1, { body: null })], ME, () => '').size).toBe(0);
  });
});
