// Messages between people at pages: live, for the absent, refused, and after a restart.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { People } from './people.mjs';
import { Server } from './server.mjs';

let server, people, alice, bob;

before(async () => {
  server = await Server.start('alice', 'bob', 'carol');
  people = await People.gather(server);
  [alice, bob] = await Promise.all([people.person('alice'), people.person('bob')]);
  await alice.adds('bob', 'Bob');
  await bob.accepts('alice@localhost');
  await bob.seesContact(/alice Online/);
});

after(async () => {
  await people?.leave();
  await server?.stop();
});

test('messages go both ways, with subject, links and line breaks', async () => {
  await alice.opens(/Bob/);
  await alice.writes('See https://example.org/?a=b.');
  await bob.seesContact(/alice .*1 unread/);
  await bob.page.waitForFunction(() => document.title === '(1) Rollcall');
  await bob.opens(/alice/);
  await bob.page.waitForFunction(() => document.title === 'Rollcall');
  const link = bob.page.getByRole('log').getByRole('link');
  assert.equal(await link.getAttribute('href'), 'https://example.org/?a=b');
  assert.match(await link.getAttribute('rel'), /noopener/);
  await alice.reads(/example\.org.*(Delivered|Seen)/s);

  await bob.writes('one\ntwo', 'Lines');
  await alice.reads('Lines');
  assert.deepEqual(await alice.conversation(), ['See https://example.org/?a=b.', 'one\ntwo']);
});

test('text stays text', async () => {
  await bob.writes('<img src=x onerror="document.title=\'hit\'"> javascript:alert(1)');
  await alice.reads('<img src=x');
  assert.equal(await alice.page.getByRole('log').getByRole('img').count(), 0);
  assert.equal(await alice.page.getByRole('log').locator('a[href^="javascript"]').count(), 0);
});

test('typing is shown until the message comes', async () => {
  await bob.types('I am');
  await alice.sees('Bob is typing…');
  await bob.writes('done');
  await alice.reads('done');
  await alice.misses('Bob is typing…');
});

test('what was typed waits while its writer looks elsewhere', async () => {
  await alice.types('half a thought');
  await alice.open('/#/preferences');
  await alice.sees('Who may write to you');
  await alice.opens(/Bob/);
  assert.equal(await alice.page.getByLabel(/^Message to /).inputValue(), 'half a thought');
  await alice.writes('the whole thought');
  await bob.reads('the whole thought');
});

test('what is read is told to the sender', async () => {
  await alice.writes('have you seen this?');
  await alice.reads(/have you seen this\?.*Seen/s);
});

test('another session of the sender has what was sent', async () => {
  const second = await people.person('alice');
  await second.opens(/Bob/);
  await alice.writes('from the first');
  await second.reads('from the first');
  await second.page.reload();
  await second.reads('from the first');
  await second.leave();
});

test('messages for the absent wait for the next login, in order', async () => {
  await bob.leave();
  await alice.seesContact(/Bob Offline/);
  for (const text of ['first', 'second', 'third']) await alice.writes(`the ${text}`);
  await alice.reads(/the third.*Stored until they log in/s);
  bob = await people.person('bob');
  await bob.seesContact(/alice .*\d unread/);
  await bob.opens(/alice/);
  await bob.reads('the third');
  assert.deepEqual((await bob.conversation()).slice(-3), ['the first', 'the second', 'the third']);
});

test('who takes no strangers has them told so, and nothing arrives', async () => {
  await bob.prefers('Nobody');
  await bob.page.reload();
  await bob.sees('Who may write to you');
  assert.ok(await bob.page.getByLabel('Nobody').first().isChecked());
  const carol = await people.person('carol');
  await carol.open('/#/with/bob@localhost');
  await carol.writes('hello stranger');
  await carol.reads(/hello stranger/);
  await carol.sees('Not delivered');
  await bob.prefers('Everybody');
  await carol.click('Try again');
  await carol.misses('Not delivered');
  await bob.seesContact(/carol@localhost .*1 unread/);
  await carol.leave();
});

test('older messages come when they are wanted', async () => {
  await bob.opens(/alice/);
  for (let n = 1; n <= 60; n++) await alice.writes(`number ${n}`);
  await bob.reads(/^You: number 60|number 60/);
  await bob.page.reload();
  await bob.reads('number 60');
  await bob.page.getByRole('log').evaluate((box) => (box.scrollTop = 0));
  await bob.reads('See https://example.org');
  const numbers = (await bob.conversation()).filter((text) => text.startsWith('number '));
  assert.deepEqual(numbers, Array.from({ length: 60 }, (_, n) => `number ${n + 1}`));
});

test('a restart of the server loses nothing', async () => {
  await server.restart();
  await alice.misses('The connection is lost');
  await alice.seesContact(/Bob Online/);
  await alice.writes('after the restart');
  await bob.reads('after the restart');
  // A connection that breaks is told on the console by the browser itself.
  people.complaints = people.complaints.filter((line) => !/WebSocket|ERR_CONNECTION/.test(line));
});

test('the page complains about nothing', () => assert.deepEqual(people.complaints, []));
