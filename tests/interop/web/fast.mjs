// @xmpp/client over TCP: how it logs in the first time and later, and what its token is good for.
//
// Commands are JSON lines with `do`; each is answered by a line with `ok`. What happens besides is told in lines
// with `event`. The server's certificate is one that nobody knows, so it is not checked.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
process.env.NODE_NO_WARNINGS = '1';

import { createInterface } from 'node:readline';
import { client, xml } from '@xmpp/client';

import { login } from './xmpp_js.mjs';

const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

let entity;

const deeds = {
  /** Logs in; how, and what came with it, is told by events. */
  async login({ service, domain, username, password }) {
    const userAgent = xml('user-agent', { id: 'd4565fa7-4d72-4749-b3d3-740edbf87770' }, xml('software', {}, 'xmpp.js'));
    entity = client({ service, domain, username, password, userAgent, resource: 'tested' });
    entity.on('error', (error) => tell({ event: 'error', text: String(error) }));
    entity.on('send', (element) => {
      if (element.is('authenticate') || element.is('auth')) {
        const wishes = element.children.filter((child) => child.name).map((child) => child.name);
        tell({ event: 'authenticate', name: element.name, mechanism: element.attrs.mechanism, wishes });
      }
    });
    entity.on('element', (element) => {
      if (element.is('success')) tell({ event: 'success', text: element.toString() });
    });
    entity.on('stanza', (stanza) => {
      if (stanza.is('message')) tell({ event: 'message', body: stanza.getChildText('body') });
    });
    entity.streamManagement.on('resumed', () => tell({ event: 'resumed' }));
    await login(entity);
    await entity.send(xml('presence'));
    return { jid: entity.jid.toString() };
  },
  /** Loses the connection; the library connects again. */
  async break() {
    entity.socket.socket.destroy();
  },
  /** Leaves, and comes back as the same program. */
  async again() {
    await entity.stop();
    await login(entity);
    return { jid: entity.jid.toString() };
  },
  async leave() {
    await entity.stop();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: deed, ...command } = JSON.parse(line);
  try {
    tell({ ok: true, ...(await deeds[deed](command)) });
  } catch (error) {
    tell({ ok: false, error: String(error) });
  }
}
