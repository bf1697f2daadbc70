// People at the page: each has a browser profile of his own. They find things as people do, by role,
// label and visible text.
import { launch } from './chromium.mjs';
import { passwordOf } from './server.mjs';

const PATIENCE_MS = Number(process.env.ROLLCALL_PATIENCE_MS ?? 30_000);

/** The browser of a test file, with everybody who uses it. */
export class People {
  /** What the pages complained about; a sound page complains about nothing. */
  complaints = [];

  static async gather(server) {
    return Object.assign(new People(), { server, browser: await launch() });
  }

  /** Somebody who has opened the page. `options` are those of a browser profile. */
  async visitor(options = {}) {
    const context = await this.browser.newContext({ ignoreHTTPSErrors: true, locale: 'en', ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    page.on('pageerror', (error) => this.complaints.push(error.stack));
    // Before the login, that the server says so is no fault of the page.
    page.on('console', (line) => {
      if (line.type() === 'error' && !line.text().includes('401')) this.complaints.push(line.text());
    });
    return new Person(page, this.server);
  }

  /** Somebody who is logged in. */
  async person(name, options) {
    const person = await this.visitor(options);
    await person.open();
    await person.login(name);
    await person.isHome();
    return person;
  }

  async leave() {
    await this.browser.close();
  }
}

export class Person {
  constructor(page, server) {
    this.page = page;
    this.server = server;
  }

  open(path = '/') {
    return this.page.goto(this.server.url + path);
  }

  async login(name, password = passwordOf(name)) {
    await this.fill('Address', `${name}@localhost`);
    await this.fill('Password', password);
    await this.click('Log in');
  }

  isHome() {
    return this.page.getByRole('button', { name: 'Your presence: ', exact: false }).waitFor();
  }

  /** Closes the page and ends the session with it. */
  leave() {
    return this.page.context().close();
  }

  fill(label, text) {
    return this.page.getByLabel(label, { exact: true }).fill(text);
  }

  click(name, role = 'button') {
    return this.page.getByRole(role, { name, exact: true }).click();
  }

  /** Waits until the text can be seen. */
  sees(text) {
    return this.page.getByText(text).filter({ visible: true }).first().waitFor();
  }

  /** Waits until the text cannot be seen any more. */
  misses(text) {
    return this.page.getByText(text).first().waitFor({ state: 'hidden' });
  }

  async adds(address, name = '', groups = '') {
    await this.click('Add contact');
    await this.fill('Address', address);
    await this.fill('Name', name);
    await this.fill('Groups', groups);
    await this.click('Add');
    await this.page.getByRole('dialog').waitFor({ state: 'detached' });
  }

  accepts(address) {
    return this.click(`Accept ${address}`);
  }

  /** Waits until the contact stands in the list with these words beside the name. */
  seesContact(words) {
    return this.page.getByRole('navigation').getByRole('link', { name: words }).waitFor();
  }

  async isNow(availability) {
    await this.page.getByRole('button', { name: /^Your presence/ }).click();
    await this.click(availability, 'menuitemradio');
  }

  async opens(name) {
    await this.page.getByRole('navigation').getByRole('link', { name }).click();
    await this.page.getByRole('log').waitFor();
  }

  async writes(text, subject = '') {
    if (subject) {
      await this.click('Add a subject');
      await this.fill('Subject', subject);
    }
    await this.#field.fill(text);
    await this.page.keyboard.press('Enter');
  }

  /** Types without sending. */
  types(text) {
    return this.#field.pressSequentially(text);
  }

  /** Waits until a message of the open conversation has these words in it. */
  reads(text) {
    return this.page.getByRole('log').getByRole('article').filter({ hasText: text }).first().waitFor();
  }

  /** The texts of the open conversation, top to bottom, without times. */
  async conversation() {
    return this.page.getByRole('log').locator('article .body').allInnerTexts();
  }

  get #field() {
    return this.page.getByLabel(/^Message to /);
  }

  /** Chooses something in the preferences: what stands first under that label. */
  async prefers(label) {
    await this.open('/#/preferences');
    const saved = this.page.waitForResponse((response) => response.request().method() === 'PUT');
    await this.page.getByLabel(label).first().click();
    await saved;
    await this.sees('Saved.');
  }
}
