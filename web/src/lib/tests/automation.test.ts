import { describe, expect, test } from 'vitest';

import { draftOf, moved, newRule, ruleOf, ruleWords, verdictWords, type Rule } from '../automation';

const WHOLE: Rule = {
  id: 'r',
  name: 'All of it',
  enabled: true,
  order: 'before',
  stage: { after: 30 },
  when: [
    { kind: ['message', 'call'] },
    { sender: ['bob@example.org', 'example.net'] },
    { not: { relation: ['buddy'] } },
    { hours: { days: ['mon', 'fri'], from: '22:00', until: '06:00' } },
    { dates: { from: '2026-01-02T03:04:00.000Z', until: '2026-02-02T03:04:00.000Z' } },
    { presence: ['away', 'on-the-phone'] },
    { text: ['urgent', 'fire'] },
  ],
  then: [
    'quiet',
    { mark: 'work' },
    { fork: 'carol@example.org' },
    { reply: { text: 'Later, please', everySeconds: 3600 } },
    { webhook: { url: 'https://example.org/', secret: 'key', text: true } },
    { reject: { reason: 'busy', text: 'not now' } },
  ],
};

describe('rules', () => {
  test('come back from editing as they were', () => {
    expect(ruleOf(draftOf(WHOLE))).toEqual(WHOLE);
    for (const then of ['accept', 'discard', 'store', { redirect: 'a@b' }] as const) {
      const rule: Rule = { ...WHOLE, stage: 'busy', then: [then] };
      expect(ruleOf(draftOf(rule))).toEqual(rule);
    }
  });

  test('get an id that no other has', () => {
    const one = newRule([]);
    expect(one.id).toBe('rule-1');
    expect(newRule([one, { ...one, id: 'rule-3' }]).id).not.toMatch(/rule-[13]$/);
  });

  test('are moved up and down', () => {
    const rules = ['a', 'b', 'c'].map((id) => ({ id, then: [] }) as Rule);
    expect(moved(rules, 0, 2).map(({ id }) => id)).toEqual(['b', 'c', 'a']);
    expect(moved(rules, 2, 0).map(({ id }) => id)).toEqual(['c', 'a', 'b']);
    expect(moved(rules, 5, 0)).toHaveLength(3);
  });

  test('are told in words', () => {
    const rule: Rule = { id: 'r', when: [{ kind: ['call'] }, { not: { sender: ['x@y'] } }], then: [{ redirect: 'a@b' }] };
    expect(ruleWords(rule)).toBe('At once, calls, not (from x@y): send it to a@b instead.');
    expect(ruleWords({ id: 'r', stage: { after: 5 }, then: ['quiet'] })).toBe('After 5 seconds: make no noise.');
  });

  test('say which condition does not hold', () => {
    const rule = { scope: 'account', id: 'r', name: '', verdict: 'fails', condition: 1 } as const;
    expect(verdictWords(rule)).toContain('condition 2');
    expect(verdictWords({ ...rule, verdict: 'holds' })).toBe('applies');
  });
});
