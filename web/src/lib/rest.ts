// Requests to the server. Every failure is an `ApiError` with words for the person at the page.
import type { Refusal } from './wire';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    text: string,
  ) {
    super(text);
  }
}

const PATIENCE_MS = 20_000;

async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, credentials: 'same-origin', signal: AbortSignal.timeout(PATIENCE_MS) };
  if (body !== undefined) {
    const isFile = body instanceof Blob;
    init.headers = { 'content-type': isFile ? body.type || 'application/octet-stream' : 'application/json' };
    init.body = isFile ? body : JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError(0, 'unreachable', 'The server cannot be reached. Is it running?');
  }
  const answer: unknown = await response.json().catch(() => null);
  if (!response.ok) throw refused(response.status, answer);
  return answer as T;
}

function refused(status: number, answer: unknown): ApiError {
  const refusal = (answer as { error?: Refusal } | null)?.error;
  const text = refusal ? refusalText(refusal) : `The server answered with an error (${status}).`;
  return new ApiError(status, refusal?.reason ?? `http-${status}`, text);
}

/** What a refusal means to somebody who knows no protocol. The server's own words go first. */
export function refusalText({ reason, text }: Refusal): string {
  return sentence(text || MEANINGS[reason] || reason.replaceAll('-', ' '));
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

const MEANINGS: Record<string, string> = {
  malformed: 'This makes no sense as it stands',
  'not-authenticated': 'Please log in first',
  forbidden: 'This is not allowed',
  'not-found': 'There is no such address',
  'no-session': 'Nobody is there to take it',
  'not-acceptable': 'They do not take this',
  'unsupported-media': 'None of their devices can show this',
  'too-large': 'This is too long',
  'policy-violation': 'This breaks a rule of the server',
  overloaded: 'Too much at once: please try again in a moment',
  timeout: 'They took too long to answer',
  'remote-not-found': 'Their domain cannot be reached from here',
  'remote-timeout': 'Their domain took too long to answer',
  gone: 'This address is no longer in use',
  conflict: 'It exists already',
  unsupported: 'The server cannot do this',
  unexpected: 'This cannot be done now',
  busy: 'They are busy',
  declined: 'They said no',
  internal: 'Something broke on the server',
  blocked: 'You have blocked this address',
};

export const rest = {
  get: <T>(path: string) => request<T>('GET', path),
  post: <T = unknown>(path: string, body?: unknown) => request<T>('POST', path, body ?? {}),
  put: <T = unknown>(path: string, body: unknown) => request<T>('PUT', path, body),
  /** Sends a file as it is. */
  upload: <T = unknown>(path: string, file: Blob) => request<T>('PUT', path, file),
  remove: <T = unknown>(path: string) => request<T>('DELETE', path),
};

/** A path with its parts escaped: ``path`/api/roster/${address}` ``. */
export function path(strings: TemplateStringsArray, ...parts: string[]): string {
  return strings.reduce((whole, piece, index) => whole + encodeURIComponent(parts[index - 1] ?? '') + piece);
}

/** The words of any failure. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
