// What this browser remembers: until when conversations were read, and the presence chosen last.
// Nothing here matters to the account, and everything works without it (private windows).
import { isAvailability } from './presence';
import type { Availability } from './wire';

/** The presence that the person chose for this browser. */
export interface OwnPresence {
  availability: Availability;
  note: string;
}

export class Memory {
  #read: Record<string, string>;
  #since: string;

  constructor(
    private readonly me: string,
    now: string,
  ) {
    this.#read = (this.#load('read') as Record<string, string> | null) ?? {};
    // In a new browser, old messages count as read.
    const since = this.#load('since');
    this.#since = typeof since === 'string' ? since : now;
    if (since === null) this.#store('since', now);
  }

  /** Messages until this time were read. */
  readUntil(address: string): string {
    return this.#read[address] ?? this.#since;
  }

  markRead(address: string, at: string): void {
    if (at <= this.readUntil(address)) return;
    this.#read[address] = at;
    this.#store('read', this.#read);
  }

  get presence(): OwnPresence {
    const { availability, note } = (this.#load('presence') ?? {}) as Partial<OwnPresence>;
    return { availability: isAvailability(availability) ? availability : 'online', note: note ?? '' };
  }

  set presence(presence: OwnPresence) {
    this.#store('presence', presence);
  }

  #load(what: string): unknown {
    try {
      return JSON.parse(localStorage.getItem(`rollcall:${this.me}:${what}`) ?? 'null');
    } catch {
      return null;
    }
  }

  #store(what: string, value: unknown): void {
    try {
      localStorage.setItem(`rollcall:${this.me}:${what}`, JSON.stringify(value));
    } catch {
      // Full or forbidden: then it is forgotten.
    }
  }
}
