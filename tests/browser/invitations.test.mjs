// Invitations that people make for each other at the page, and what comes of their links.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { isAccessible } from './accessible.mjs';
import { People } from './people.mjs';
import { Server, passwordOf } from './server.mjs';

let server, people, alice;

before(async () => {
  server = await Server.startWith('[account]\ninviters = "everybody"\n', 'alice', 'bob', 'carol', 'dave');
  people = await People.gather(server);
  alice = await people.person('alice');
  await alice.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
});

after(async () => {
  await people?.leave();
  await server?.stop();
});

const open = (person) => person.page.getByRole('region', { name: 'Open invitations' });

/** What the open ones are to. */
const listed = (person) => open(person).locator('li p:first-child');

/** Makes an invitation and gives its link. */
async function invites(person) {
  const form = person.page.getByRole('region', { name: 'Invite somebody' });
  const made = person.page.waitForResponse((response) => response.request().method() === 'POST');
  await form.getByRole('button', { name: 'Make an invitation' }).click();
  const { link } = await (await made).json();
  await form.getByText(link, { exact: true }).waitFor();
  return link;
}

test('who is logged in here accepts by a click, and both are contacts', async () => {
  await alice.click('Add contact');
  await alice.click('Invite by a link', 'link');
  await open(alice).getByText('None.').waitFor();
  const link = await invites(alice);
  assert.ok(link.startsWith(`${server.url}/join?token=`), link);
  await alice.click('Copy the link');
  await alice.sees('Copied');
  assert.equal(await alice.page.evaluate(() => navigator.clipboard.readText()), link);
  await listed(alice).filter({ hasText: 'To become a contact' }).waitFor();
  await isAccessible(alice.page);

  const bob = await people.person('bob');
  await bob.page.goto(link);
  await bob.sees('alice@localhost wants you as a contact.');
  const uri = await bob.page.getByRole('link', { name: 'Open the invitation in a chat program' }).getAttribute('href');
  assert.equal(uri, `xmpp:alice@localhost?roster;preauth=${new URL(link).searchParams.get('token')}`);
  await isAccessible(bob.page);
  await bob.click('Accept as bob@localhost');
  await bob.isHome();
  assert.equal(new URL(bob.page.url()).search, '', 'the token is out of the address bar');
  await bob.seesContact(/alice Online/);
  await alice.seesContact(/bob Online/);
  await alice.page.reload();
  await open(alice).getByText('None.').waitFor();
  await bob.leave();
});

test('who is not logged in does so with the invitation, and nobody uses it twice', async () => {
  const link = await invites(alice);
  const carol = await people.visitor();
  await carol.page.goto(link);
  await carol.fill('Address', 'carol');
  await carol.fill('Password', passwordOf('carol'));
  await carol.click('Log in and accept');
  await carol.isHome();
  await carol.seesContact(/alice Online/);
  await alice.seesContact(/carol Online/);
  await carol.page.goto(link);
  await carol.sees('This link is used up or too old.');
  await carol.leave();
});

test('an invitation that makes an account is good for one who has an account as well', async () => {
  await alice.page.getByLabel('With an account').check();
  const [first, second] = [await invites(alice), await invites(alice)];
  await listed(alice).filter({ hasText: 'To make an account' }).nth(1).waitFor();
  const erin = await people.visitor();
  await erin.page.goto(first);
  await erin.sees('alice@localhost invites you to localhost.');
  await erin.fill('Your name', 'erin');
  await erin.fill('Password', passwordOf('erin'));
  await erin.fill('Password again', passwordOf('erin'));
  await erin.click('Create the account');
  await erin.seesContact(/alice Online/);
  await erin.leave();

  const dave = await people.person('dave');
  await dave.page.goto(second);
  await dave.click('I have an account');
  await dave.click('Accept as dave@localhost');
  await dave.seesContact(/alice Online/);
  await alice.seesContact(/dave Online/);
  await dave.leave();
});

test('an invitation is withdrawn, and nobody is his own guest', async () => {
  await alice.page.reload();
  const link = await invites(alice);
  await alice.page.goto(link);
  await alice.sees('This is your own invitation');
  await alice.click('To your contacts', 'link');
  await alice.isHome();
  await alice.open('/#/invitations');
  await alice.click('Withdraw To become a contact');
  await open(alice).getByText('None.').waitFor();
  const nobody = await people.visitor();
  await nobody.page.goto(link);
  await nobody.sees('This link is used up or too old.');
  await nobody.leave();
});

test('the page complains about nothing', () => {
  // That a link is of no use any more, the browser reports as well.
  assert.deepEqual(people.complaints.filter((complaint) => !complaint.includes('404')), []);
});
