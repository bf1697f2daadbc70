// XMPP clients for the web, which nobody here wrote: @xmpp/client and stanza.
//
// Commands are JSON lines with `do`; each is answered by a line with `ok` or `error`. What happens besides is
// told in lines with `event`. The server's certificate is one that nobody knows, so it is not checked.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';

import { createInterface } from 'node:readline';
import WebSocket from 'ws';

import { login } from './xmpp_js.mjs';

globalThis.WebSocket = WebSocket;

const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** @xmpp/client: WebSocket, and resumption by itself. */
async function xmppJs({ service, domain, username, password }) {
  const { client, xml } = await import('@xmpp/client');
  const entity = client({ service, domain, username, password });
  entity.on('error', (error) => tell({ event: 'error', text: String(error) }));
  entity.on('stanza', (stanza) => {
    if (stanza.is('message')) {
      tell({ event: 'message', from: stanza.attrs.from, body: stanza.getChildText('body') });
    }
  });
  entity.streamManagement.on('resumed', () => tell({ event: 'resumed' }));
  entity.streamManagement.on('fail', () => tell({ event: 'lost' }));
  await login(entity);
  await entity.send(xml('presence'));
  return {
    jid: entity.jid.toString(),
    say: ({ to, body }) => entity.send(xml('message', { to, type: 'chat' }, xml('body', {}, body))),
    query: ({ to, name, xmlns }) =>
      entity.iqCaller.get(xml(name, xmlns), to).then((result) => ({ result: result.toString() })),
    share: async ({ to, name, type, text }) => {
      const body = new TextEncoder().encode(text);
      const attributes = { xmlns: 'urn:xmpp:http:upload:0', filename: name, size: body.length, 'content-type': type };
      const answer = await entity.iqCaller.request(xml('iq', { type: 'get', to }, xml('request', attributes)));
      const slot = answer.getChild('slot');
      const put = await fetch(slot.getChild('put').attrs.url, {
        method: 'PUT',
        body,
        headers: { 'Content-Type': type },
      });
      const { url } = slot.getChild('get').attrs;
      const got = await fetch(url);
      return { put: put.status, url, same: (await got.text()) === text };
    },
    breakOff: () => void entity.socket.socket._socket.destroy(),
    leave: () => entity.stop(),
  };
}

/** stanza: WebSocket or BOSH. */
async function stanza({ service, domain, username, password, bosh }) {
  const XMPP = (await import('stanza')).default;
  const entity = XMPP.createClient({
    jid: `${username}@${domain}`,
    password,
    autoReconnect: false,
    transports: bosh ? { websocket: false, bosh: service } : { websocket: service, bosh: false },
  });
  if (process.env.TRACE) entity.on('*', (name, data) => tell({ trace: name, data: String(data) }));
  entity.on('message', (message) => tell({ event: 'message', from: message.from, body: message.body }));
  entity.on('disconnected', () => tell({ event: 'disconnected' }));
  await new Promise((started, failed) => {
    entity.on('session:started', started);
    entity.on('auth:failed', () => failed(new Error('authentication failed')));
    entity.on('stream:error', (error) => failed(new Error(JSON.stringify(error))));
    entity.connect();
  });
  entity.sendPresence();
  return {
    jid: entity.jid,
    say: ({ to, body }) => entity.sendMessage({ to, body, type: 'chat' }),
    roster: async () => ({ roster: await entity.getRoster() }),
    services: async ({ to }) => ({ services: await entity.getServices(to) }),
    leave: () => entity.disconnect(),
  };
}

/** Strophe.js: BOSH or WebSocket, by the address. */
async function strophe({ service, domain, username, password }) {
  const { default: strophe } = await import('./strophe.mjs');
  return strophe({ service, jid: `${username}@${domain}`, password, tell });
}

const libraries = { 'xmpp.js': xmppJs, stanza, strophe };
let session;

async function act(command) {
  if (command.do === 'connect') {
    session = await libraries[command.library](command);
    return { jid: session.jid };
  }
  return (await session[command.do](command)) ?? {};
}

process.on('unhandledRejection', (error) => tell({ event: 'error', text: String(error) }));
for await (const line of createInterface({ input: process.stdin })) {
  try {
    tell({ ok: true, ...(await act(JSON.parse(line))) });
  } catch (error) {
    tell({ ok: false, error: String(error?.stack ?? error) });
  }
}
process.exit(0);
