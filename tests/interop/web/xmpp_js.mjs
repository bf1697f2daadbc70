// What @xmpp/client needs of everybody who uses it here.

/**
 * Connects and logs in; resolves to the address that the session got.
 *
 * `start()` alone is not enough: it listens for the server's stream header only when its own write is reported as
 * done, which on a busy machine comes after the header, and then it waits in vain while the login goes on. The event
 * comes in both cases.
 */
export function login(entity) {
  // Two seconds, as it has it, are short on a machine that runs other tests.
  entity.timeout = 20_000;
  return new Promise((resolve, reject) => {
    entity.once('online', resolve);
    entity.start().catch(reject);
  });
}
