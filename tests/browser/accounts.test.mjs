// What an administrator does with the accounts of others.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { People } from './people.mjs';
import { Server, passwordOf } from './server.mjs';

let server, people, root, open;

before(async () => {
  server = await Server.start('alice');
  await server.add('root', '--admin');
  people = await People.gather(server);
  root = await people.person('root');
  open = root.page.getByRole('region', { name: 'Open invitations' });
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

test('who is invited makes her account herself, and is a contact', async () => {
  const form = root.page.getByRole('region', { name: 'Invite somebody' });
  await form.getByRole('button', { name: 'Make an invitation' }).click();
  const link = await form.locator('code').first().innerText();
  await open.locator('li p:first-child').filter({ hasText: 'To make an account, by root@localhost' }).waitFor();
  const carol = await people.visitor();
  await carol.page.goto(link);
  await carol.sees('root@localhost invites you to localhost.');
  await carol.fill('Your name', 'carol');
  await carol.fill('Password', passwordOf('carol'));
  await carol.fill('Password again', passwordOf('carol'));
  await carol.click('Create the account');
  await carol.isHome();
  assert.equal(new URL(carol.page.url()).search, '', 'the token is out of the address bar');
  await carol.sees('root');
  await carol.leave();
  await root.page.reload();
  await root.click('Remove carol@localhost');
  await root.click('Remove');
  await root.sees('carol@localhost is removed.');
  await open.getByText('None.').waitFor();
});

test('an invitation to an account that is decided can be withdrawn', async () => {
  const form = root.page.getByRole('region', { name: 'Invite somebody' });
  await form.getByLabel('Address, if it is decided').fill('dave');
  await form.getByRole('button', { name: 'Make an invitation' }).click();
  const link = await form.locator('code').first().innerText();
  const dave = await people.visitor();
  await dave.page.goto(link);
  await dave.sees('Your address will be dave@localhost.');
  await root.click('Withdraw To make dave@localhost, by root@localhost');
  await open.getByText('None.').waitFor();
  await dave.fill('Password', passwordOf('dave'));
  await dave.fill('Password again', passwordOf('dave'));
  await dave.click('Create the account');
  await dave.sees('This link is used up or too old.');
  await dave.leave();
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

test('the page complains about nothing', () => {
  // That a link is of no use any more, the browser reports as well.
  assert.deepEqual(people.complaints.filter((complaint) => !complaint.includes('404')), []);
});
