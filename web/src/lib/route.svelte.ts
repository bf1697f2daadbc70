// Where the person is, kept in the address bar so that back, forward and reload work.
import { parseRoute, printRoute, type Route } from './routes';

class Router {
  route = $state.raw<Route>(parseRoute(location.hash));

  constructor() {
    window.addEventListener('hashchange', () => (this.route = parseRoute(location.hash)));
  }

  go(route: Route): void {
    location.hash = printRoute(route);
  }
}

export const router = new Router();
