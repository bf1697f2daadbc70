import { describe, expect, it } from 'vitest';

import { presenceOf, presenceWords, takePresence, type PresenceMap } from '../presence';
import type { Presence, ServerEvent } from '../wire';

type Notice = Extract<ServerEvent, { type: 'presence' }>;

function after(...notices: Partial<Notice>[]): Presence {
  const take = (map: PresenceMap, notice: Partial<Notice>) =>
    takePresence(map, { type: 'presence', from: 'b@x', availability: 'online', ...notice });
  return presenceOf(notices.reduce(take, new Map() as PresenceMap), 'b@x');
}

describe('presence', () => {
  it('is offline for whom nothing is known', () => {
    expect(after()).toEqual({ availability: 'offline' });
  });

  it('is what the server aggregated', () => {
    const aggregate: Presence = { availability: 'busy', activities: ['on-the-phone'] };
    expect(after({ resource: 'page', aggregate })).toEqual(aggregate);
  });

  it('is the strongest of the resources where nobody aggregated', () => {
    const phone = { resource: 'phone', availability: 'away' as const };
    const page = { resource: 'page', availability: 'busy' as const };
    expect(after(phone, page).availability).toBe('busy');
    expect(after(phone, page, { ...page, availability: 'offline' }).availability).toBe('away');
    expect(after(phone, { availability: 'offline' }).availability).toBe('offline');
  });

  it('finds the resource in a full address', () => {
    expect(after({ from: 'b@x/a', availability: 'away' }, { from: 'B@X/b', availability: 'offline' }).availability).toBe('away');
  });

  it('has words that say most', () => {
    expect(presenceWords({ availability: 'busy', activities: ['on-the-phone'] })).toBe('On the phone');
    expect(presenceWords({ availability: 'away', note: 'lunch' })).toBe('Away · lunch');
    expect(presenceWords({ availability: 'online', activities: [] })).toBe('Online');
    expect(presenceWords({ availability: 'offline', activities: ['meeting'] })).toBe('Offline');
  });
});
