// The directory of a domain at the page: who wants to be found is found, and nobody else.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { People } from './people.mjs';
import { Server } from './server.mjs';

let server, people, alice, bob;

before(async () => {
  server = await Server.startWith('[account]\ndirectory = true\n', 'alice', 'bob', 'bobby');
  people = await People.gather(server);
  [alice, bob] = await Promise.all([people.person('alice'), people.person('bob')]);
});

after(async () => {
  await people?.leave();
  await server?.stop();
});

const found = (person) => person.page.getByRole('list', { name: 'People found' }).getByRole('button');

/** Looks for somebody in a dialog that is new. */
async function looksFor(person, text) {
  await person.page.keyboard.press('Escape');
  await person.page.getByRole('dialog').waitFor({ state: 'detached' });
  await person.click('Add contact');
  const answer = person.page.waitForResponse((response) => response.url().includes('/api/directory'));
  await person.fill('Find people', text);
  await answer;
}

test('nobody is found who does not want to be', async () => {
  await looksFor(alice, 'bob');
  await alice.sees('Nobody is found by that.');
});

test('who is listed is found, chosen and becomes a contact', async () => {
  await bob.prefers('Listed in the directory');
  await bob.page.reload();
  assert.ok(await bob.page.getByLabel('Listed in the directory').isChecked());
  await looksFor(alice, 'bob');
  await found(alice).first().waitFor();
  assert.deepEqual(await found(alice).allInnerTexts(), ['bob@localhost']);
  await found(alice).first().click();
  assert.equal(await alice.page.getByLabel('Address', { exact: true }).inputValue(), 'bob@localhost');
  await alice.click('Add');
  await alice.page.getByRole('dialog').waitFor({ state: 'detached' });
  await bob.open('/');
  await bob.accepts('alice@localhost');
  await alice.seesContact(/bob Online/);
});

test('who is listed no more is not found', async () => {
  await bob.prefers('Listed in the directory');
  await looksFor(alice, 'bob');
  await alice.sees('Nobody is found by that.');
});

test('a server without a directory does not speak of one', async () => {
  const other = await Server.start('carol');
  const others = await People.gather(other);
  try {
    const carol = await others.person('carol');
    await carol.click('Add contact');
    await carol.page.getByLabel('Address', { exact: true }).waitFor();
    assert.equal(await carol.page.getByLabel('Find people').count(), 0);
    await carol.open('/#/preferences');
    await carol.sees('Who may write to you');
    assert.equal(await carol.page.getByLabel('Listed in the directory').count(), 0);
  } finally {
    await others.leave();
    await other.stop();
  }
});

test('the page complains about nothing', () => assert.deepEqual(people.complaints, []));
