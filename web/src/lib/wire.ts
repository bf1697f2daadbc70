// What the page and the server say to each other: JSON in camelCase, times in RFC 3339. Types only.

export type Availability = 'online' | 'away' | 'extended-away' | 'busy' | 'offline';

/** The presence of a session or, as aggregate, of an account. */
export interface Presence {
  availability: Availability;
  note?: string | null;
  /** Names of RFC 4480, such as `on-the-phone`. */
  activities?: string[];
}

export interface Contact {
  address: string;
  name?: string | null;
  groups: string[];
  /** We see their presence. */
  to: boolean;
  /** They see ours. */
  from: boolean;
  /** We asked and have no answer yet. */
  ask: boolean;
  approved: boolean;
}

/** Somebody asks to see our presence. */
export interface Request {
  from: string;
  at?: string;
  note?: string | null;
}

export interface Roster {
  version: number;
  contacts: Contact[];
  requests: Request[];
}

export interface Refusal {
  reason: string;
  text?: string | null;
}

export type Typing = 'active' | 'composing' | 'paused' | 'inactive' | 'gone';
export type ReceiptKind = 'delivered' | 'displayed';

/** What became of a sent message: a session has it, it waits for the next login, or it was passed on. */
export type Sent = 'delivered' | 'stored' | 'accepted';

export interface Message {
  id: string;
  from: string;
  to: string;
  kind: 'chat' | 'normal' | 'headline' | 'group' | 'error';
  sent: string;
  body?: string | null;
  subject?: string | null;
  lang?: string | null;
  thread?: string | null;
  /** The id that the sender's client gave it; receipts and errors name it. */
  originId?: string | null;
  typing?: Typing | null;
  receipt?: { kind: ReceiptKind; of: string } | null;
  /** The `originId` of an earlier message that its sender takes back. */
  retracts?: string;
  /** Its sender took it back: nothing of it is left. */
  retracted?: boolean;
  /** The sender asks to be told. */
  wantsDelivered?: boolean;
  wantsDisplayed?: boolean;
  copy?: 'original' | 'received' | 'sent' | 'offline';
  error?: Refusal | null;
  /** A content that this page cannot show, by its media type. */
  unsupported?: string | null;
  /** Labels that automated rules gave it. */
  marks?: string[];
}

export interface Archive {
  messages: Message[];
  /** There is nothing beyond this page. */
  complete: boolean;
}

export interface SessionView {
  resource: string;
  kind: string;
  since?: string;
  presence?: Presence | null;
  current?: boolean;
}

export interface Me {
  address: string;
  isAdmin: boolean;
  domain: string;
  /** People of the domain can look for each other. */
  hasDirectory?: boolean;
  /** May invite people to make accounts. */
  invitesNewcomers?: boolean;
  aggregate?: Presence | null;
  sessions: SessionView[];
}

export interface Device {
  id: string;
  label: string;
  created?: string;
  lastUsed?: string | null;
}

/** A device's password, readable this once. */
export interface NewDevice {
  id: string;
  label: string;
  password: string;
}

/** An invitation, readable this once. */
export interface NewInvitation {
  token: string;
  /** For chat programs. */
  uri: string;
  /** For browsers. */
  link: string;
}

/** An invitation that nobody used yet. */
export interface OpenInvitation {
  id: string;
  makesAccount: boolean;
  /** The account to be made, where that is decided. */
  address: string | null;
  /** Who invited; nobody where an operator did. */
  from: string | null;
  created: string;
  expires: string;
}

/** An invitation as who was invited sees it. */
export interface Invitation {
  domain: string;
  makesAccount: boolean;
  address: string | null;
  from: string | null;
  /** For chat programs. */
  uri: string;
  expires: string;
}

/** Something that has access to the account. */
export interface Access {
  id: string;
  kind: 'client' | 'device' | 'browser' | 'script' | 'session';
  software: string | null;
  name: string | null;
  firstSeen: string;
  lastSeen: string | null;
  isConnected: boolean;
  knowsPassword: boolean;
  hasToken: boolean;
}

export interface Account {
  address: string;
  isAdmin: boolean;
  disabled?: boolean;
  created?: string;
}

/** What an owner reported about somebody whom she blocked. */
export interface Report {
  id: number;
  from: string;
  about: string;
  at: string;
  reason: 'spam' | 'abuse';
  text: string;
  /** Ids of those that are meant. */
  messages: string[];
  mayTellOrigin: boolean;
  mayTellOthers: boolean;
}

export interface AccountPage {
  accounts: Account[];
  /** There are further ones. */
  more?: boolean;
}

export type AcceptedSenders = 'everybody' | 'authenticated' | 'same-domain' | 'nobody';

export interface Preferences {
  acceptedSenders: AcceptedSenders;
  offlineStorage: boolean;
  deviceMessages: boolean;
  deviceCopies: boolean;
  temporaryPresence: TemporaryPresence;
  /** Found in the directory of the domain. */
  listed: boolean;
}

/** Somebody in the directory of one's domain. */
export interface Person {
  address: string;
  name: string;
  nickname: string;
}

export type Audience = 'nobody' | 'same-domain' | 'everybody';

/** Who of those who are no contacts is shown that one is there, for one conversation. */
export interface TemporaryPresence {
  to: Audience;
  also: string[];
  media: boolean;
  text: boolean;
  file: boolean;
}

/** What the server tells over the WebSocket. */
export type ServerEvent =
  | { type: 'ready'; address: string; resource: string | null; me: Me }
  | ({ type: 'message' } & Message)
  | ({ type: 'presence'; from: string; resource?: string | null; aggregate?: Presence | null } & Presence)
  | { type: 'roster'; version: number; contact: Contact; removed: boolean }
  | ({ type: 'request' } & Request)
  /** Our question to become a contact could not be passed on, or their server does not take it. */
  | { type: 'failed'; contact: string; error: Refusal }
  | { type: 'settled'; from: string; granted: boolean }
  | { type: 'avatar'; from: string; hash: string | null }
  /** The name that somebody gave himself; null: none. */
  | { type: 'nickname'; from: string; nickname: string | null }
  | { type: 'preferences'; preferences: Preferences }
  /** Automated rules gave a message labels, or want no attention called to it. */
  | { type: 'marked'; message: string; marks: string[]; quiet: boolean }
  /** Without `id`: something sent earlier failed after all. */
  | { type: 'reply'; id: string | null; ok: boolean; sent?: Sent; message?: Message; error?: Refusal }
  | { type: 'closed'; reason: string };

/** What the page says over the WebSocket; `id` comes back in the reply. */
export type ClientEvent =
  | {
      type: 'message';
      id: string;
      originId: string;
      to: string;
      body: string;
      subject?: string;
      wantsDelivered: boolean;
      wantsDisplayed: boolean;
    }
  | { type: 'typing'; to: string; state: Typing }
  | { type: 'receipt'; to: string; kind: ReceiptKind; of: string }
  | { type: 'presence'; availability: Availability; note?: string }
  | { type: 'ack'; id: string }
  | { type: 'ping' };
