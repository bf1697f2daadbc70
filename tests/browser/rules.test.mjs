// Automated rules: made, ordered, switched, tried and removed at the page; the list of what was refused.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { isAccessible } from './accessible.mjs';
import { People } from './people.mjs';
import { Server } from './server.mjs';

let server, people, alice;

before(async () => {
  server = await Server.start('alice', 'bob');
  await server.add('root', '--admin');
  people = await People.gather(server);
  alice = await people.person('alice');
});

after(async () => {
  await people?.leave();
  await server?.stop();
});

const rules = (person) => person.page.getByRole('region', { name: 'All rules' });
const names = async (person) => (await rules(person).locator('li strong').allInnerTexts()).join(' ');

async function saved(person) {
  await person.page.getByRole('dialog').waitFor({ state: 'detached' });
  await person.sees('Saved. The rules apply from now on.');
}

test('a rule is made and holds at once', async () => {
  await alice.click('More');
  await alice.click('Rules', 'menuitem');
  await alice.sees('No rules yet');
  await alice.click('Add a rule');
  await alice.fill('Name', 'No lottery');
  await alice.click('Add a condition');
  await alice.page.getByLabel('Kind of condition 1').selectOption('text');
  await alice.fill('Words', 'lottery, casino');
  await alice.page.getByLabel('Kind of action 1').selectOption('reject');
  await isAccessible(alice.page);
  await alice.click('Save');
  await saved(alice);
  await alice.sees('the text has “lottery” or “casino”');

  const bob = await people.person('bob');
  await bob.open('/#/with/alice@localhost');
  await bob.writes('You won the lottery');
  await bob.sees('This is not allowed.');
  await bob.leave();
  await alice.click('Look again');
  await alice.sees('bob@localhost · Messages');
  await alice.click('Clear the list');
  await alice.sees('Nothing.');
});

test('rules are ordered, switched off, edited and removed', async () => {
  await alice.click('Add a rule');
  await alice.fill('Name', 'Second');
  await alice.page.getByLabel('Kind of action 1').selectOption('quiet');
  await alice.click('Save');
  await saved(alice);
  assert.equal(await names(alice), 'No lottery Second');
  await alice.click('Up Second');
  await alice.page.waitForFunction(() => document.querySelector('ol strong')?.textContent === 'Second');
  await alice.click('Switch off Second');
  await alice.sees('switched off');
  await alice.click('Edit Second');
  assert.equal(await alice.page.getByLabel('Kind of action 1').inputValue(), 'quiet');
  await alice.fill('Name', 'First');
  await alice.click('Save');
  await saved(alice);
  await alice.page.reload();
  await alice.sees('No lottery');
  assert.equal(await names(alice), 'First No lottery');
  await alice.click('Remove First');
  await alice.click('Remove');
  await saved(alice);
  assert.equal(await names(alice), 'No lottery');
});

test('what would happen is told, and nothing does', async () => {
  const form = alice.page.getByRole('region', { name: 'Try the rules' });
  await form.getByLabel('From').fill('bob');
  await form.getByLabel('Text').fill('a casino');
  await form.getByRole('button', { name: 'Try' }).click();
  await alice.sees('refuse it as “not allowed”');
  await alice.sees('“No lottery” applies.');
  await form.getByLabel('Text').fill('hello');
  await form.getByRole('button', { name: 'Try' }).click();
  await alice.sees('It takes its ordinary way.');
  await alice.sees('“No lottery” does not apply: condition 1 does not hold.');
});

test('an administrator sets the rules of the domain', async () => {
  const root = await people.person('root');
  await root.open('/#/rules');
  await root.click('Rules of localhost');
  await root.sees('No rules yet');
  await root.click('Add a rule');
  await root.fill('Name', 'For all');
  await root.page.getByLabel('Kind of action 1').selectOption('mark');
  await root.fill('Label', 'seen');
  await root.click('Save');
  await saved(root);
  await root.click('My rules');
  await root.sees('No rules yet');
  await root.leave();
  assert.equal(await alice.page.getByRole('group', { name: 'Whose rules' }).count(), 0);
});

test('the page is usable by everybody, on a small screen too', async () => {
  const small = await people.visitor({ viewport: { width: 320, height: 568 }, colorScheme: 'dark' });
  await small.open();
  await small.login('alice');
  await small.isHome();
  await small.open('/#/rules');
  await small.sees('No lottery');
  await isAccessible(small.page);
  const wide = await small.page.evaluate(() =>
    [...document.querySelectorAll('body *:not(.spoken)')]
      .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
      .map((one) => one.outerHTML.slice(0, 80)),
  );
  assert.deepEqual(wide, []);
  await small.leave();
});

test('the page complains about nothing', () => assert.deepEqual(people.complaints, []));
