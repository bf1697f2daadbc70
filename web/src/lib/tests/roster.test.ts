import { describe, expect, it } from 'vitest';

import { takePresence, type PresenceMap } from '../presence';
import { byGroups, displayName, EMPTY_ROSTER, groupNames, rosterFrom, subscriptionWords, takeRosterEvent, UNGROUPED, type RosterState } from '../roster';
import type { Contact } from '../wire';

function contact(address: string, more: Partial<Contact> = {}): Contact {
  return { address, name: null, groups: [], to: true, from: true, ask: false, approved: false, ...more };
}

const change = (version: number, of: Contact, removed = false) => ({ type: 'roster' as const, version, contact: of, removed });
const online = (map: PresenceMap, from: string) => takePresence(map, { type: 'presence', from, availability: 'online' });

describe('the roster', () => {
  it('follows additions, changes and removals', () => {
    const added = takeRosterEvent(EMPTY_ROSTER, change(1, contact('b@x')));
    const renamed = takeRosterEvent(added, change(2, contact('b@x', { name: 'Bob' })));
    expect(renamed.contacts.get('b@x')?.name).toBe('Bob');
    expect(takeRosterEvent(renamed, change(3, contact('b@x'), true)).contacts.size).toBe(0);
  });

  it('is not set back by a change from before it was fetched', () => {
    const fetched = rosterFrom({ version: 5, contacts: [contact('b@x', { name: 'New' })], requests: [] });
    expect(takeRosterEvent(fetched, change(4, contact('b@x', { name: 'Old' })))).toBe(fetched);
  });

  it('shows a request once, until it is settled', () => {
    const request = { type: 'request' as const, from: 'b@x', note: 'hi' };
    const asked = takeRosterEvent(takeRosterEvent(EMPTY_ROSTER, request), request);
    expect(asked.requests).toHaveLength(1);
    expect(takeRosterEvent(asked, { type: 'settled', from: 'b@x', granted: false }).requests).toEqual([]);
  });

  it('calls people as the owner does, else as they do themselves', () => {
    const tell = (state: RosterState, nickname: string | null) => takeRosterEvent(state, { type: 'nickname', from: 'b@x', nickname });
    const told = tell(takeRosterEvent(EMPTY_ROSTER, change(1, contact('b@x'))), 'Bobby');
    expect(displayName(told, 'b@x')).toBe('Bobby');
    expect(displayName(rosterFrom({ version: 2, contacts: [contact('b@x')], requests: [] }, told), 'b@x')).toBe('Bobby');
    expect(displayName(takeRosterEvent(told, change(2, contact('b@x', { name: 'Bob' }))), 'b@x')).toBe('Bob');
    expect(displayName(tell(told, null), 'b@x')).toBe('b');
  });

  it('stands in groups, who is there first, the nameless group last', () => {
    const contacts = [contact('z@x'), contact('a@x', { groups: ['Work'] }), contact('b@x', { groups: ['Work', 'Friends'] })];
    const groups = byGroups(rosterFrom({ version: 1, contacts, requests: [] }), online(new Map(), 'b@x/phone'));
    expect(groups.map(({ name, contacts }) => [name, contacts.map(({ address }) => address)])).toEqual([
      ['Friends', ['b@x']],
      ['Work', ['b@x', 'a@x']],
      [UNGROUPED, ['z@x']],
    ]);
    expect(groupNames(rosterFrom({ version: 1, contacts, requests: [] }))).toEqual(['Friends', 'Work']);
  });

  it('says why a presence is not seen', () => {
    expect(subscriptionWords(contact('b@x'))).toBeNull();
    expect(subscriptionWords(contact('b@x', { to: false, ask: true }))).toBe('Has not answered yet');
    expect(subscriptionWords(contact('b@x', { to: false }))).toBe('Does not share presence with you');
  });
});
