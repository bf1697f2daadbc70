// Starts the system's Chromium, quiet and without any service of its maker. Nothing is downloaded.
import { chromium } from 'playwright-core';

const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser; `ROLLCALL_CHROMIUM` names another executable than Debian's. */
export function launch() {
  const executablePath = process.env.ROLLCALL_CHROMIUM ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, args: ARGUMENTS });
}

/** A fresh browser profile that accepts the server's self-signed certificate. */
export function context(browser) {
  return browser.newContext({ ignoreHTTPSErrors: true, locale: 'en' });
}
