// One browser page driven by another program: a JSON command per line in, a JSON answer per line out.
//
// The story tests use it to let a person at the page meet people on other clients. Commands have a
// `do` and its arguments; elements are found as a person finds them, by role and name, by label or
// by visible text:
//
//   {"do":"open","url":"https://..."}
//   {"do":"fill","label":"Password","text":"secret"}
//   {"do":"click","role":"button","name":"Log in"}
//   {"do":"press","key":"Enter"}
//   {"do":"see","text":"hello"}         waits until the text is visible
//   {"do":"miss","text":"hello"}        waits until the text is not visible
//   {"do":"text","selector":"main"}     answers with the text
//   {"do":"screenshot","path":"page.png"}
//
// The answer is {"ok":true,...} or {"ok":false,"error":"...","page":"the visible text"}. The end of
// the input closes the browser.
import { createInterface } from 'node:readline';
import { context, launch } from './chromium.mjs';

const PATIENCE = Number(process.env.ROLLCALL_PATIENCE_MS ?? 30_000);

const find = (page, { role, name, label, text, selector, exact = false }) => {
  if (role) return page.getByRole(role, { name, exact });
  if (label) return page.getByLabel(label, { exact });
  if (selector) return page.locator(selector);
  return page.getByText(text, { exact });
};

const deeds = {
  open: async (page, { url }) => void (await page.goto(url)),
  fill: (page, { text, ...where }) => find(page, where).first().fill(text),
  click: (page, where) => find(page, where).first().click(),
  press: (page, { key }) => page.keyboard.press(key),
  see: (page, where) => find(page, where).first().waitFor({ state: 'visible' }),
  miss: (page, where) => find(page, where).first().waitFor({ state: 'hidden' }),
  text: async (page, where) => ({ text: await find(page, where).first().innerText() }),
  screenshot: async (page, { path }) => void (await page.screenshot({ path })),
};

const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function obey(page, line) {
  try {
    const { do: deed, ...argument } = JSON.parse(line);
    if (!Object.hasOwn(deeds, deed)) throw new Error(`no such deed: ${deed}`);
    answer({ ok: true, ...(await deeds[deed](page, argument)) });
  } catch (error) {
    const visible = await page.innerText('body').catch(() => '');
    answer({ ok: false, error: error.message, page: visible.slice(0, 4000) });
  }
}

const browser = await launch();
const page = await (await context(browser)).newPage();
page.setDefaultTimeout(PATIENCE);
page.on('console', (message) => process.stderr.write(`page: ${message.text()}\n`));
page.on('pageerror', (error) => process.stderr.write(`page error: ${error.stack}\n`));

answer({ ok: true, browser: browser.version() });
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim()) await obey(page, line);
}
await browser.close();
