// What an administrator does with the accounts of others.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { People } from './people.mjs';
import { Server, passwordOf } from './server.mjs';

let server, people, root;

before(async () => {
  server = await Server.start('alice');
  await server.add('root', '--admin');
  people = await People.gather(server);
  root = await people.person('root');
});

after(async () => {
  await people?.leave();
  await server?.stop();
});

test('who was added can log in and administers nothing', async () => {
  await root.click('More');
  await root.click('Accounts', 'menuitem');
  const form = root.page.getByRole('region', { name: 'Add an account' });
  await form.getByLabel('Address', { exact: true }).fill('bob');
  await form.getByLabel('Password', { exact: true }).fill(passwordOf('bob'));
  await form.getByRole('button', { name: 'Add the account' }).click();
  await root.sees('bob@localhost can log in now.');
  const list = root.page.getByRole('region', { name: 'All accounts' });
  assert.deepEqual((await list.locator('li p:first-child').allInnerTexts()).map((text) => text.split(' ')[0]), [
    'alice@localhost', 'bob@localhost', 'root@localhost',
  ]);
  const bob = await people.person('bob');
  await bob.click('More');
  await bob.sees('Preferences');
  assert.equal(await bob.page.getByRole('menuitem', { name: 'Accounts' }).count(), 0);
  await bob.leave();
});

test('a new password ends the sessions of the account', async () => {
  const alice = await people.person('alice');
  await root.fill('Address of the account', 'alice');
  await root.fill('Its new password', 'from the administrator');
  await root.click('Set the password');
  await root.sees('alice@localhost has a new password');
  await alice.page.getByRole('heading', { name: 'Log in' }).waitFor();
  await alice.login('alice', 'from the administrator');
  await alice.isHome();
  await alice.leave();
});

test('a removed account is gone, for its sessions too', async () => {
  const bob = await people.person('bob');
  await root.click('Remove bob@localhost');
  await root.click('Remove');
  await root.sees('bob@localhost is removed.');
  await bob.page.getByRole('heading', { name: 'Log in' }).waitFor();
  await bob.login('bob');
  await bob.sees('The address or the password is not right.');
  await bob.leave();
});

test('the page complains about nothing', () => assert.deepEqual(people.complaints, []));
