// Coming in and leaving: right and wrong passwords, new ones, lost browsers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { People } from './people.mjs';
import { Server, passwordOf } from './server.mjs';

let server, people;

before(async () => {
  server = await Server.start('alice');
  people = await People.gather(server);
});

after(async () => {
  await people?.leave();
  await server?.stop();
});

test('a wrong password does not open the door, the right one does, until the logout', async () => {
  const alice = await people.visitor();
  await alice.open();
  await alice.login('alice', 'guessed');
  await alice.sees('The address or the password is not right.');
  await alice.login('alice');
  await alice.isHome();
  await alice.page.reload();
  await alice.isHome();
  await alice.click('More');
  await alice.click('Log out', 'menuitem');
  await alice.page.getByRole('heading', { name: 'Log in' }).waitFor();
  await alice.page.reload();
  await alice.page.getByRole('heading', { name: 'Log in' }).waitFor();
  await alice.leave();
});

test('the page works through TLS as well', async () => {
  const alice = await people.visitor();
  await alice.page.goto(server.secureUrl);
  await alice.login('alice');
  await alice.isHome();
  const cookies = await alice.page.context().cookies(`${server.secureUrl}/api`);
  assert.ok(cookies.length && cookies.every(({ secure, httpOnly }) => secure && httpOnly));
  await alice.leave();
});

test('a browser is shut out from another one', async () => {
  const here = await people.person('alice', { userAgent: 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0' });
  const lost = await people.person('alice', { userAgent: 'Mozilla/5.0 (Linux; Android 16) Firefox/140.0' });
  await here.open('/#/preferences');
  await here.click('Log out Firefox on Android');
  await here.misses('Firefox on Android');
  await lost.page.reload();
  await lost.page.getByRole('heading', { name: 'Log in' }).waitFor();
  await Promise.all([here.leave(), lost.leave()]);
});

test('a device gets a password of its own, shown once', async () => {
  const alice = await people.person('alice');
  await alice.open('/#/preferences');
  await alice.fill('Name of the device', 'Desk phone');
  await alice.click('Make a password');
  const password = await alice.page.locator('[data-password]').innerText();
  assert.match(password, /^\S{20,}$/);
  await alice.page.reload();
  await alice.sees('Never used');
  assert.equal(await alice.page.getByText(password).count(), 0);
  await alice.click('Remove Desk phone');
  await alice.misses('Never used');
  await alice.leave();
});

test('a new password ends the other sessions and keeps this one', async () => {
  const [here, elsewhere] = await Promise.all([people.person('alice'), people.person('alice')]);
  await here.open('/#/preferences');
  await here.fill('Old password', passwordOf('alice'));
  await here.fill('New password', 'another one entirely');
  await here.fill('New password again', 'another one entirely');
  await here.click('Change the password');
  await here.sees('The password is changed.');
  await elsewhere.page.getByRole('heading', { name: 'Log in' }).waitFor();
  await here.page.reload();
  await here.isHome();
  await Promise.all([here.leave(), elsewhere.leave()]);
});

test('the page complains about nothing', () => assert.deepEqual(people.complaints, []));
