// The presence of others as the server tells it, and the words to show it.
import { bare } from './address';
import type { Availability, Presence, ServerEvent } from './wire';

/** Address to aggregated presence. Who is not in it is offline. */
export type PresenceMap = ReadonlyMap<string, Known>;

interface Known {
  shown: Presence;
  /** Per resource, for senders whose server tells no aggregate. */
  resources: ReadonlyMap<string, Presence>;
}

type Notice = Extract<ServerEvent, { type: 'presence' }>;

const STRENGTH: Record<Availability, number> = { offline: 0, 'extended-away': 1, away: 2, online: 3, busy: 4 };
export const OFFLINE: Presence = { availability: 'offline' };

/** Takes one presence event in. */
export function takePresence(map: PresenceMap, notice: Notice): PresenceMap {
  const from = bare(notice.from);
  const { availability, note, activities } = notice;
  const resources = new Map(map.get(from)?.resources);
  const resource = notice.resource ?? notice.from.split('/')[1];
  if (resource) resources.set(resource, { availability, note, activities });
  if (resource && availability === 'offline') resources.delete(resource);
  if (!resource && availability === 'offline') resources.clear();
  const own = resource ? strongest(resources.values()) : { availability, note, activities };
  return new Map(map).set(from, { shown: notice.aggregate ?? own, resources });
}

export function presenceOf(map: PresenceMap, address: string): Presence {
  return map.get(bare(address))?.shown ?? OFFLINE;
}

export function isAvailability(text: unknown): text is Availability {
  return typeof text === 'string' && Object.hasOwn(STRENGTH, text);
}

function strongest(all: Iterable<Presence>): Presence {
  let best = OFFLINE;
  for (const presence of all) if (STRENGTH[presence.availability] > STRENGTH[best.availability]) best = presence;
  return best;
}

/** The colour that stands for a presence, as the name of a style. */
export function tone(presence: Presence): string {
  return presence.availability;
}

export function availabilityWords(availability: Availability): string {
  return WORDS[availability];
}

/** A presence in words: what they do says more than that they are busy, and a note more still. */
export function presenceWords(presence: Presence): string {
  const state = activityWords(presence) ?? WORDS[presence.availability];
  return presence.note ? `${state} · ${presence.note}` : state;
}

function activityWords({ availability, activities }: Presence): string | null {
  const activity = activities?.find((name) => name !== 'unknown' && name !== 'other');
  if (!activity || availability === 'offline') return null;
  const words = activity.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const WORDS: Record<Availability, string> = {
  online: 'Online',
  away: 'Away',
  'extended-away': 'Away for long',
  busy: 'Busy',
  offline: 'Offline',
};
