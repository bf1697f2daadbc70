// Converse.js, a web client that nobody here wrote, as its users have it: a page of another web server that speaks
// XMPP over a WebSocket or by BOSH. Bob is at Rollcall's own page meanwhile.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { resolve } from 'node:path';

import { passage, serve } from './pages.mjs';
import { People } from './people.mjs';
import { Server, passwordOf } from './server.mjs';

const DIST = resolve(import.meta.dirname, 'node_modules/converse.js/dist');

const PAGE = `<!doctype html>
<link rel="stylesheet" href="/converse.min.css">
<script type="module" src="/converse.min.js"></script>
<body class="converse-fullscreen">
<script type="module">
  const service = new URLSearchParams(location.search);
  converse.initialize({
    websocket_url: service.get('websocket') ?? undefined,
    bosh_service_url: service.get('bosh') ?? undefined,
    discover_connection_methods: false,
    view_mode: 'fullscreen',
    assets_path: '/',
    i18n: 'en',
    play_sounds: false,
    show_desktop_notifications: false,
    clear_cache_on_logout: true,
  });
</script>`;

let server, people, bob, way, site;

before(async () => {
  server = await Server.start('alice', 'bob');
  people = await People.gather(server);
  [way, site] = await Promise.all([passage(server.port), serve(DIST, PAGE)]);
  bob = await people.person('bob');
  const alice = await people.person('alice');
  await alice.adds('bob', 'Bob from work');
  await bob.accepts('alice@localhost');
  await alice.leave();
});

after(async () => {
  await people?.leave();
  way?.close();
  site?.close();
  await server?.stop();
});

/** Alice at Converse.js. */
class Converse {
  static async login(query) {
    const { page } = await people.visitor();
    const converse = Object.assign(new Converse(), { page });
    await page.goto(`${site.url}/?${new URLSearchParams(query)}`);
    await page.getByLabel('XMPP Address').fill('alice@localhost');
    await page.getByLabel('Password').fill(passwordOf('alice'));
    await page.getByRole('button', { name: 'Log in' }).click();
    return converse;
  }

  opens(name) {
    return this.page.locator('a.open-chat', { hasText: name }).click();
  }

  async writes(text) {
    await this.page.locator('textarea.chat-textarea').fill(text);
    await this.page.keyboard.press('Enter');
  }

  /** Says good-bye; a page that is only closed may come back to its stream for a while. */
  async leaves() {
    await this.page.locator('a.show-profile').click();
    await this.page.getByRole('button', { name: 'Log out' }).click();
    await this.page.getByRole('button', { name: 'Confirm' }).click();
    await this.page.getByLabel('Password').waitFor();
    await this.page.context().close();
  }

  reads(text) {
    return this.page.locator('.chat-msg__text', { hasText: text }).waitFor();
  }

  async retracts(text) {
    const message = this.page.locator('.chat-msg', { hasText: text });
    await message.hover();
    await message.locator('.chat-msg__actions button').first().click();
    await message.locator('.chat-msg__action-retract').click();
    await this.page.getByRole('button', { name: 'Confirm' }).click();
  }
}

for (const [name, query] of [
  ['a WebSocket', () => ({ websocket: `ws://localhost:${way.port}/xmpp-websocket` })],
  ['BOSH', () => ({ bosh: `http://localhost:${way.port}/http-bind` })],
]) {
  test(`Converse.js talks over ${name}, and goes on when the connection is cut`, async () => {
    const alice = await Converse.login(query());
    await bob.seesContact(/alice Online/);
    await alice.opens('Bob from work');
    await bob.opens(/alice/);
    await alice.writes(`hello over ${name}`);
    await bob.reads(`hello over ${name}`);
    await bob.writes(`hello to ${name}`);
    await alice.reads(`hello to ${name}`);

    way.cut();
    await bob.writes(`said to ${name} while it was cut`);
    await alice.reads(`said to ${name} while it was cut`);
    await alice.writes(`back over ${name}`);
    await bob.reads(`back over ${name}`);
    const texts = await alice.page.locator('.chat-msg__text').allInnerTexts();
    assert.equal(new Set(texts).size, texts.length, `each message once: ${texts}`);
    await alice.leaves();
    await bob.seesContact(/alice Offline/);
  });
}

test('what is taken back at Converse.js is gone from the page, now and later', async () => {
  const alice = await Converse.login({ websocket: `ws://localhost:${way.port}/xmpp-websocket` });
  await alice.opens('Bob from work');
  await bob.opens(/alice/);
  await alice.writes('said in haste');
  await bob.reads('said in haste');
  await alice.writes('said with care');
  await alice.retracts('said in haste');
  const isGone = async () => {
    await bob.sees('alice took this message back.');
    await bob.reads('said with care');
    const texts = await bob.conversation();
    assert.ok(!texts.some((text) => text.includes('in haste')), `${texts}`);
  };
  await isGone();
  await bob.page.reload();
  await bob.opens(/alice/);
  await isGone();
  await alice.leaves();
});
