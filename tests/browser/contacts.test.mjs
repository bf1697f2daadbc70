// Contacts and presence between two people at two pages.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { People } from './people.mjs';
import { Server } from './server.mjs';

let server, people, alice, bob;

before(async () => {
  server = await Server.start('alice', 'bob');
  people = await People.gather(server);
  [alice, bob] = await Promise.all([people.person('alice'), people.person('bob')]);
});

after(async () => {
  await people?.leave();
  await server?.stop();
});

test('a contact is asked, accepts, and both see each other', async () => {
  await alice.adds('bob', 'Bob Builder', 'Friends');
  await alice.sees('Has not answered yet');
  await bob.sees('wants to be your contact');
  await bob.accepts('alice@localhost');
  await bob.misses('wants to be your contact');
  await alice.seesContact(/Bob Builder Online/);
  await bob.seesContact(/alice Online/);
  await alice.page.getByRole('region', { name: 'Friends' }).getByRole('link', { name: /Bob Builder/ }).waitFor();
});

test('presence and its note are seen as they change', async () => {
  await bob.isNow('Busy');
  await alice.seesContact(/Bob Builder Busy/);
  await bob.fill('Presence note', 'on the roof');
  await bob.page.keyboard.press('Enter');
  await alice.seesContact(/Bob Builder Busy · on the roof/);
  await bob.isNow('Away');
  await alice.seesContact(/Bob Builder Away · on the roof/);
  await bob.page.reload();
  await bob.isHome();
  await alice.seesContact(/Bob Builder Away · on the roof/);
});

test('of two sessions the stronger presence is seen', async () => {
  const second = await people.person('bob');
  await alice.seesContact(/Bob Builder Online/);
  await second.leave();
  await alice.seesContact(/Bob Builder Away/);
});

test('name and groups change everywhere at once', async () => {
  const second = await people.person('alice');
  await alice.opens(/Bob Builder/);
  await alice.click('Contact menu');
  await alice.click('Edit contact', 'menuitem');
  await alice.fill('Name', 'Robert');
  await alice.fill('Groups', 'Work, Friends');
  await alice.click('Save');
  for (const group of ['Work', 'Friends']) {
    await second.page.getByRole('region', { name: group }).getByRole('link', { name: /Robert/ }).waitFor();
  }
  await second.leave();
});

test('a removed contact sees no presence any more', async () => {
  await alice.click('Contact menu');
  await alice.click('Remove contact', 'menuitem');
  await alice.click('Remove');
  await alice.sees('No contacts yet');
  await bob.sees('Does not share presence with you');
});

test('an address that is none is refused in words', async () => {
  await alice.click('Add contact');
  await alice.fill('Address', 'not an address');
  await alice.click('Add');
  await alice.sees('An address looks like alice@example.org.');
  await alice.page.keyboard.press('Escape');
});

test('the page complains about nothing', () => assert.deepEqual(people.complaints, []));
