// The first account of a server, made at the page by the link that the server prints.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { People } from './people.mjs';
import { Server } from './server.mjs';

let server, people;

before(async () => {
  server = await Server.start();
  people = await People.gather(server);
});

after(async () => {
  await people?.leave();
  await server?.stop();
});

test('the first administrator is made by the link, which works once', async () => {
  const link = await server.setupLink();
  const root = await people.visitor();
  await root.page.goto(link);
  await root.fill('Address', 'root@localhost');
  await root.fill('Password', 'correct horse battery');
  await root.fill('Password again', 'correct horse battery staple');
  await root.click('Create the account');
  await root.sees('The two passwords differ.');
  await root.fill('Password again', 'correct horse battery');
  await root.click('Create the account');
  await root.isHome();
  assert.equal(new URL(root.page.url()).search, '', 'the token is out of the address bar');
  await root.click('More');
  await root.sees('Accounts');
  await root.leave();

  const late = await people.visitor();
  await late.page.goto(link);
  await late.sees('used up or too old');
  await late.leave();
  // The browser itself tells of the refusal on the console.
  people.complaints = people.complaints.filter((line) => !line.includes('404'));
});

test('the page complains about nothing', () => assert.deepEqual(people.complaints, []));
