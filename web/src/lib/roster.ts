// Contacts and requests: pure rules over what the server tells, and the order to show them in.
import { localPart } from './address';
import { presenceOf, type PresenceMap } from './presence';
import type { Contact, Request, Roster, ServerEvent } from './wire';

export interface RosterState {
  version: number;
  contacts: ReadonlyMap<string, Contact>;
  requests: readonly Request[];
  /** Names that people of other domains gave themselves, by address. They are told apart from the roster. */
  nicknames: ReadonlyMap<string, string>;
}

export interface Group {
  name: string;
  contacts: Contact[];
}

export const EMPTY_ROSTER: RosterState = { version: 0, contacts: new Map(), requests: [], nicknames: new Map() };

/** Contacts without a group stand under this. */
export const UNGROUPED = 'Contacts';

/** The roster as it was fetched, with the nicknames that were told so far. */
export function rosterFrom({ version, contacts, requests }: Roster, { nicknames } = EMPTY_ROSTER): RosterState {
  return { version, contacts: new Map(contacts.map((contact) => [contact.address, contact])), requests, nicknames };
}

/** Takes a `roster`, `request`, `settled` or `nickname` event in; others change nothing. */
export function takeRosterEvent(state: RosterState, event: ServerEvent): RosterState {
  switch (event.type) {
    case 'roster':
      return takeChange(state, event);
    case 'request': {
      const { from, at, note } = event;
      return { ...state, requests: [...withoutRequest(state, from), { from, at, note }] };
    }
    case 'settled':
      return { ...state, requests: withoutRequest(state, event.from) };
    case 'nickname': {
      const nicknames = new Map(state.nicknames);
      if (event.nickname) nicknames.set(event.from, event.nickname);
      else nicknames.delete(event.from);
      return { ...state, nicknames };
    }
    default:
      return state;
  }
}

function takeChange(state: RosterState, change: Extract<ServerEvent, { type: 'roster' }>): RosterState {
  // A roster that was fetched meanwhile may be newer than a change that was on its way.
  if (change.version < state.version) return state;
  const contacts = new Map(state.contacts);
  if (change.removed) contacts.delete(change.contact.address);
  else contacts.set(change.contact.address, change.contact);
  return { ...state, version: change.version, contacts };
}

function withoutRequest(state: RosterState, from: string): Request[] {
  return state.requests.filter((request) => request.from !== from);
}

/** The name that the owner gave, else the one that the contact gave himself, else what his address begins with. */
export function displayName({ contacts, nicknames }: RosterState, address: string): string {
  return contacts.get(address)?.name || nicknames.get(address) || localPart(address);
}

/** Whether a contact counts as there. */
function isThere(presence: PresenceMap, contact: Contact): boolean {
  return presenceOf(presence, contact.address).availability !== 'offline';
}

/** Contacts by group: groups by name with the nameless one last, in each who is there first, then by name. */
export function byGroups(state: RosterState, presence: PresenceMap): Group[] {
  const groups = new Map<string, Contact[]>();
  for (const contact of state.contacts.values()) {
    for (const name of contact.groups.length ? contact.groups : [UNGROUPED]) {
      groups.set(name, [...(groups.get(name) ?? []), contact]);
    }
  }
  const rank = (contact: Contact) => Number(!isThere(presence, contact));
  const name = (contact: Contact) => displayName(state, contact.address);
  const order = (one: Contact, other: Contact) => rank(one) - rank(other) || name(one).localeCompare(name(other));
  return [...groups]
    .map(([group, contacts]) => ({ name: group, contacts: contacts.sort(order) }))
    .sort((one, other) => Number(one.name === UNGROUPED) - Number(other.name === UNGROUPED) || one.name.localeCompare(other.name));
}

/** All group names in use, for suggestions. */
export function groupNames(state: RosterState): string[] {
  return [...new Set([...state.contacts.values()].flatMap((contact) => contact.groups))].sort();
}

/** What there is to say about a contact whose presence we do not see. */
export function subscriptionWords({ to, ask }: Contact): string | null {
  if (to) return null;
  return ask ? 'Has not answered yet' : 'Does not share presence with you';
}
