// The person's session: holds what is known, joins the WebSocket, the REST calls and the pure rules.
import { bare } from './address';
import {
  conversationWith, latest, markRead, oldestId, partner, stopTyping, takeDraft, takeMessage, takeNewest, takeOlder,
  takeMarks, takeOutcome, takeOverview, unreadOf, withdraw, type Conversations, type Draft,
} from './conversation';
import { Memory, type OwnPresence } from './memory';
import { takeAvatar } from './avatars.svelte';
import { presenceOf, takePresence, type PresenceMap } from './presence';
import { errorText, path, refusalText, rest } from './rest';
import { EMPTY_ROSTER, rosterFrom, takeRosterEvent, type RosterState } from './roster';
import { Socket } from './socket';
import type { Archive, Me, Message, Preferences, Roster, ServerEvent, Typing } from './wire';

const PAGE = 50;
const OVERVIEW = 200;
/** Words of rules on messages that are kept until the messages come. */
const MARKED = 200;
/** They stopped without saying so (RFC 3994 §4 lets a composing state expire). */
const TYPING_LASTS_MS = 60_000;
/** Reasons to close a session for which connecting again helps nobody. */
const FINAL: Record<string, string> = {
  'account-gone': 'This account was removed.',
  'too-many': 'There are too many sessions of this account.',
  replaced: 'Another session took the place of this one.',
};

export class Session {
  roster = $state.raw<RosterState>(EMPTY_ROSTER);
  presence = $state.raw<PresenceMap>(new Map());
  conversations = $state.raw<Conversations>(new Map());
  preferences = $state.raw<Preferences | null>(null);
  isConnected = $state(false);
  /** It was connected before, so being without a connection is worth a word. */
  wasConnected = $state(false);
  /** Words about the last thing that went wrong beside any form. */
  trouble = $state('');
  own = $state.raw<OwnPresence>({ availability: 'online', note: '' });
  readonly unread = $derived(unreadOf(this.conversations));
  readonly address: string;
  /** What was typed and not sent yet, by partner. */
  readonly unsent = new Map<string, string>();
  /** The name of this session within the account. */
  resource = $state<string | null>(null);

  #memory: Memory;
  #socket: Socket;
  #drafts = new Map<string, Draft>();
  #open: string | null = null;
  /** Ids of messages whose senders want to know when they are seen, by sender. */
  #unseen = new Map<string, string[]>();
  /** The roster of this connection; what waited for the person comes earlier. */
  #loaded: Promise<unknown> = Promise.resolve();
  /** The password is being changed: until that is done, this browser has no valid login. */
  #renewal: Promise<unknown> = Promise.resolve();
  /** What automated rules said of messages that may still be on their way, by id. */
  #marked = new Map<string, Extract<ServerEvent, { type: 'marked' }>>();
  #typingEnds = new Map<string, ReturnType<typeof setTimeout>>();

  /** `over` is called when the session ended for good, with words why. */
  constructor(
    readonly me: Me,
    private readonly over: (why: string) => void,
  ) {
    this.address = bare(me.address);
    this.#memory = new Memory(this.address, new Date().toISOString());
    this.own = this.#memory.presence;
    const url = new URL('/api/ws', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    this.#socket = new Socket(url.href, {
      event: (event) => this.#take(event),
      connected: (up) => this.#connected(up),
      ended: () => this.#ended(),
    });
  }

  start(): void {
    this.#socket.start();
    document.addEventListener('visibilitychange', this.#looked);
    window.addEventListener('focus', this.#looked);
  }

  stop(): void {
    this.#socket.stop();
    document.removeEventListener('visibilitychange', this.#looked);
    window.removeEventListener('focus', this.#looked);
    for (const timer of this.#typingEnds.values()) clearTimeout(timer);
  }

  setPresence(own: OwnPresence): void {
    this.own = own;
    this.#memory.presence = own;
    this.#announce();
  }

  /** The person looks at this conversation now; null for none. */
  open(address: string | null): void {
    this.#open = address;
    if (!address) return;
    this.#looked();
    void this.#loadNewest(address);
  }

  async loadOlder(address: string): Promise<void> {
    const conversation = conversationWith(this.conversations, address);
    if (conversation.complete) return;
    const before = oldestId(conversation);
    const page = await this.#archive(address, before);
    this.conversations = before
      ? takeOlder(this.conversations, address, page)
      : takeNewest(this.conversations, address, page);
  }

  write(to: string, body: string, subject?: string): void {
    const draft: Draft = { to, body, originId: crypto.randomUUID(), at: new Date().toISOString() };
    if (subject) draft.subject = subject;
    this.#give(draft);
  }

  /** Writes a message that failed anew. */
  retry(to: string, key: string): void {
    const line = conversationWith(this.conversations, to).lines.find((one) => one.key === key);
    if (!line?.originId || line.progress !== 'failed') return;
    this.conversations = withdraw(this.conversations, to, line.originId);
    this.write(to, line.body, line.subject ?? undefined);
  }

  typing(to: string, state: Typing): void {
    this.#socket.send({ type: 'typing', to, state });
  }

  async reloadRoster(): Promise<void> {
    const fetched = await rest.get<Roster>('/api/roster');
    this.roster = rosterFrom(fetched, this.roster);
  }

  async reloadPreferences(): Promise<void> {
    this.preferences = await rest.get<Preferences>('/api/preferences');
  }

  async setPreferences(preferences: Preferences): Promise<void> {
    await rest.put('/api/preferences', preferences);
    this.preferences = preferences;
  }

  /** Adds a contact: asks for presence, and says yes before they ask back. */
  async addContact(address: string, name: string, groups: string[]): Promise<void> {
    await rest.put(path`/api/roster/${address}`, { name: name || null, groups, subscribe: true });
    await this.contact(address, 'grant');
  }

  /** Changes name and groups. */
  async setContact(address: string, name: string, groups: string[]): Promise<void> {
    await rest.put(path`/api/roster/${address}`, { name: name || null, groups });
  }

  async removeContact(address: string): Promise<void> {
    await rest.remove(path`/api/roster/${address}`);
  }

  async contact(address: string, deed: 'subscribe' | 'grant' | 'deny' | 'unsubscribe'): Promise<void> {
    await rest.post(path`/api/roster/${address}/${deed}`);
  }

  /** Ends all other sessions of the account; this one gets a new login. */
  async changePassword(old: string, fresh: string): Promise<void> {
    const change = rest.post('/api/password', { old, new: fresh });
    this.#renewal = change.catch(() => undefined);
    await change;
  }

  #give(draft: Draft): void {
    this.conversations = takeDraft(this.conversations, draft);
    this.#drafts.set(draft.originId, draft);
    this.#say(draft);
  }

  #say({ to, originId, body, subject }: Draft): void {
    const wants = { wantsDelivered: true, wantsDisplayed: true };
    this.#socket.send({ type: 'message', id: originId, originId, to, body, ...(subject ? { subject } : {}), ...wants });
  }

  #announce(): void {
    const { availability, note } = this.own;
    this.#socket.send({ type: 'presence', availability, ...(note ? { note } : {}) });
  }

  #connected(up: boolean): void {
    this.isConnected = up;
    if (up) this.wasConnected = true;
  }

  #take(event: ServerEvent): void {
    switch (event.type) {
      case 'ready':
        this.resource = event.resource;
        void this.#ready();
        break;
      case 'message':
        this.#takeMessage(event);
        break;
      case 'presence':
        this.presence = takePresence(this.presence, event);
        break;
      case 'roster':
      case 'request':
      case 'settled':
      case 'nickname':
        this.roster = takeRosterEvent(this.roster, event);
        break;
      case 'failed':
        this.trouble = `${event.contact} could not be asked: ${refusalText(event.error)}`;
        break;
      case 'avatar':
        takeAvatar(event.from, event.hash);
        break;
      case 'preferences':
        void this.reloadPreferences().catch(() => undefined);
        break;
      case 'marked':
        this.#marked.set(event.message, event);
        if (this.#marked.size > MARKED) this.#marked.delete([...this.#marked.keys()][0]!);
        this.conversations = takeMarks(this.conversations, event.message, event.marks, event.quiet);
        break;
      case 'reply':
        this.#takeReply(event);
        break;
      case 'closed':
        this.#takeClosed(event.reason);
    }
  }

  /** A new connection: everything is asked anew, since much may have changed meanwhile. */
  async #ready(): Promise<void> {
    this.#announce();
    const roster = this.reloadRoster();
    this.#loaded = roster.catch(() => undefined);
    try {
      await Promise.all([roster, this.reloadPreferences(), this.#loadOverview()]);
      if (this.#open) await this.#loadNewest(this.#open);
      await this.#sayAgain();
      this.trouble = '';
    } catch (error) {
      this.trouble = errorText(error);
    }
  }

  /** Messages without an answer are sent again, unless the archive shows that they had arrived. */
  async #sayAgain(): Promise<void> {
    const drafts = [...this.#drafts.values()];
    for (const address of new Set(drafts.map(({ to }) => to))) {
      await this.#takeNewest(address);
    }
    for (const draft of drafts) {
      const { lines } = conversationWith(this.conversations, draft.to);
      if (lines.some((line) => line.originId === draft.originId && line.progress === 'sending')) this.#say(draft);
      else this.#drafts.delete(draft.originId);
    }
  }

  #takeMessage(message: Message): void {
    const other = partner(message, this.address);
    const isSeen = this.#isLooking(other);
    const marked = this.#marked.get(message.id);
    const shown = marked ? { ...message, marks: marked.marks } : message;
    this.conversations = takeMessage(this.conversations, shown, this.address, isSeen || (marked?.quiet ?? false));
    this.#socket.send({ type: 'ack', id: message.id });
    if (isSeen) this.#looked();
    if (message.typing) this.#expectTypingToEnd(other);
    if (bare(message.from) !== this.address) void this.#confirm(message, other);
  }

  /** Tells the sender, if he may know that somebody is here (XEP-0184 §8). */
  async #confirm({ originId, wantsDelivered, wantsDisplayed, copy }: Message, from: string): Promise<void> {
    await this.#loaded;
    if (!originId || !this.roster.contacts.get(from)?.from) return;
    const isForUs = copy === 'original' || copy === 'offline';
    if (wantsDelivered && isForUs) this.#socket.send({ type: 'receipt', to: from, kind: 'delivered', of: originId });
    if (wantsDisplayed) this.#unseen.set(from, [...(this.#unseen.get(from) ?? []), originId].slice(-PAGE));
    this.#looked();
  }

  #expectTypingToEnd(address: string): void {
    clearTimeout(this.#typingEnds.get(address));
    const stop = () => void (this.conversations = stopTyping(this.conversations, address));
    this.#typingEnds.set(address, setTimeout(stop, TYPING_LASTS_MS));
  }

  #takeReply({ id, ok, sent, message, error }: Extract<ServerEvent, { type: 'reply' }>): void {
    const outcome = ok ? (sent ?? 'accepted') : (error ?? { reason: 'internal' });
    const draft = this.#drafts.get(id ?? '');
    if (draft) {
      this.#drafts.delete(draft.originId);
      this.conversations = takeOutcome(this.conversations, draft.to, draft.originId, outcome);
    } else if (!ok && message?.originId) {
      this.conversations = takeOutcome(this.conversations, bare(message.to), message.originId, outcome);
    }
  }

  #takeClosed(reason: string): void {
    const why = FINAL[reason];
    if (!why) return;
    this.stop();
    this.over(why);
  }

  async #ended(): Promise<'again' | 'stop'> {
    await this.#renewal;
    try {
      await rest.get<Me>('/api/me');
    } catch (error) {
      if ((error as { status?: number }).status !== 401) return 'again';
      this.stop();
      this.over('You were logged out.');
      return 'stop';
    }
    return 'again';
  }

  async #loadOverview(): Promise<void> {
    const { messages } = await rest.get<Archive>(`/api/archive?limit=${OVERVIEW}`);
    const readUntil = (address: string) => this.#memory.readUntil(address);
    this.conversations = takeOverview(this.conversations, messages, this.address, readUntil);
    if (this.#open) this.#looked();
  }

  async #loadNewest(address: string): Promise<void> {
    try {
      await this.#takeNewest(address);
      this.#looked();
    } catch (error) {
      this.trouble = errorText(error);
    }
  }

  async #takeNewest(address: string): Promise<void> {
    const page = await this.#archive(address);
    // Read after the wait: meanwhile more may have been said.
    this.conversations = takeNewest(this.conversations, address, page);
  }

  #archive(address: string, before?: string): Promise<Archive> {
    const query = new URLSearchParams({ with: address, limit: String(PAGE), ...(before ? { before } : {}) });
    return rest.get<Archive>(`/api/archive?${query}`);
  }

  #isLooking(address: string): boolean {
    return this.#open === address && document.visibilityState === 'visible' && document.hasFocus();
  }

  #looked = (): void => {
    if (!this.#open || !this.#isLooking(this.#open)) return;
    const newest = latest(this.conversations.get(this.#open));
    if (newest) this.#memory.markRead(this.#open, newest);
    this.conversations = markRead(this.conversations, this.#open);
    for (const of of this.#unseen.get(this.#open) ?? []) {
      this.#socket.send({ type: 'receipt', to: this.#open, kind: 'displayed', of });
    }
    this.#unseen.delete(this.#open);
  };

  /** The account's presence as others see it. */
  get aggregate() {
    return presenceOf(this.presence, this.address);
  }
}
