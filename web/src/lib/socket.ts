// The WebSocket session: connects, connects again with growing pauses, and notices a dead connection.
import type { ClientEvent, ServerEvent } from './wire';

export interface SocketEvents {
  event(event: ServerEvent): void;
  /** Whether the session is up; told on every change. */
  connected(up: boolean): void;
  /** The connection ended; whether to try again is for the listener to say. */
  ended(): Promise<'again' | 'stop'>;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const PING_EVERY_MS = 25_000;

/** The pause before try number `tries` (from 0): doubling, with jitter `0 <= chance < 1`. */
export function pause(tries: number, chance: number): number {
  const full = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(tries, 10));
  return full / 2 + (full / 2) * chance;
}

export class Socket {
  #socket: WebSocket | null = null;
  #tries = 0;
  #stopped = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #pings: ReturnType<typeof setInterval> | undefined;
  /** A ping has had no answer, nor anything else come since. */
  #isSilent = false;

  constructor(
    private readonly url: string,
    private readonly events: SocketEvents,
  ) {}

  start(): void {
    this.#stopped = false;
    this.#connect();
    window.addEventListener('online', this.#hurry);
  }

  stop(): void {
    this.#stopped = true;
    window.removeEventListener('online', this.#hurry);
    clearTimeout(this.#retry);
    this.#drop();
  }

  /** Says something; false when there is no connection. */
  send(event: ClientEvent): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(event));
    return true;
  }

  #connect(): void {
    clearTimeout(this.#retry);
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    this.#isSilent = false;
    this.#pings = setInterval(() => this.#ping(), PING_EVERY_MS);
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#take(String(data));
    };
    socket.onclose = () => {
      if (socket === this.#socket) void this.#lost();
    };
  }

  #take(data: string): void {
    this.#isSilent = false;
    const event = JSON.parse(data) as ServerEvent;
    if (event.type === 'ready') {
      this.#tries = 0;
      this.events.connected(true);
    }
    this.events.event(event);
  }

  /** Counts pings and not seconds, since browsers slow the clocks of hidden pages down. */
  #ping(): void {
    if (this.#isSilent) return void this.#lost();
    this.#isSilent = true;
    this.send({ type: 'ping' });
  }

  #drop(): void {
    clearInterval(this.#pings);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  async #lost(): Promise<void> {
    this.#drop();
    this.events.connected(false);
    if (this.#stopped || (await this.events.ended()) === 'stop' || this.#stopped) return;
    this.#retry = setTimeout(() => this.#connect(), pause(this.#tries++, Math.random()));
  }

  /** The network is back: no need to wait for the pause to end. */
  #hurry = (): void => {
    if (!this.#socket && !this.#stopped) this.#connect();
  };
}
