// The places of the page and their form in the address bar.

export type Route =
  | { view: 'home' }
  | { view: 'conversation'; with: string }
  | { view: 'preferences' }
  | { view: 'rules' }
  | { view: 'invitations' }
  | { view: 'accounts' }
  | { view: 'reports' };

export function parseRoute(hash: string): Route {
  const [view, rest] = hash.replace(/^#\/?/, '').split('/', 2);
  if (view === 'with' && rest) return { view: 'conversation', with: decode(rest) };
  return PLACES.find((place) => place.view === view) ?? { view: 'home' };
}

/** Those that are but a name. */
const PLACES: Route[] = [
  { view: 'preferences' }, { view: 'rules' }, { view: 'invitations' }, { view: 'accounts' }, { view: 'reports' },
];

export function printRoute(route: Route): string {
  if (route.view === 'conversation') return `#/with/${encodeURIComponent(route.with)}`;
  return route.view === 'home' ? '#/' : `#/${route.view}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
