// The page fits narrow and wide screens, light and dark, and is usable by everybody.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { isAccessible } from './accessible.mjs';
import { People } from './people.mjs';
import { Server } from './server.mjs';

let server, people;

before(async () => {
  server = await Server.start('alice', 'bob');
  people = await People.gather(server);
});

after(async () => {
  await people?.leave();
  await server?.stop();
});

const SCREENS = [
  { width: 320, height: 568, colorScheme: 'dark' },
  { width: 390, height: 844, colorScheme: 'light' },
  { width: 1280, height: 720, colorScheme: 'dark' },
];

for (const { width, height, colorScheme } of SCREENS) {
  test(`the page is sound at ${width} pixels, ${colorScheme}`, async () => {
    const alice = await people.visitor({ viewport: { width, height }, colorScheme });
    await alice.open();
    await alice.page.getByRole('heading', { name: 'Log in' }).waitFor();
    await isSound(alice);
    await alice.login('alice');
    await alice.isHome();
    await isSound(alice);
    await alice.open('/#/with/bob@localhost');
    await alice.writes(`a long word: ${'x'.repeat(300)}`);
    await alice.reads('a long word');
    await isSound(alice);
    await alice.open('/#/preferences');
    await alice.sees('Who may write to you');
    await isSound(alice);
    const ground = await alice.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(isDark(ground), colorScheme === 'dark', ground);
    await alice.leave();
  });
}

test('the presence menu is used by keyboard alone', async () => {
  const bob = await people.person('bob');
  await bob.page.getByRole('button', { name: /^Your presence/ }).focus();
  for (const key of ['Enter', 'ArrowDown', 'Enter']) await bob.page.keyboard.press(key);
  await bob.page.getByRole('button', { name: 'Your presence: Away', exact: true }).waitFor();
  for (const key of ['Enter', 'Escape']) await bob.page.keyboard.press(key);
  assert.equal(await bob.page.getByRole('menu').count(), 0);
  await bob.leave();
});

test('the page complains about nothing', () => assert.deepEqual(people.complaints, []));

async function isSound({ page }) {
  await fits(page);
  await isAccessible(page);
}

async function fits(page) {
  const wide = await page.evaluate(() =>
    [...document.querySelectorAll('body *:not(.spoken)')]
      .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
      .map((one) => `${one.tagName}.${one.className}: ${one.textContent.slice(0, 40)}`),
  );
  assert.deepEqual(wide, []);
}

function isDark(colour) {
  const [red, green, blue] = colour.match(/[\d.]+/g).map(Number);
  return red + green + blue < 384;
}
