import { describe, expect, it } from 'vitest';

import { bare, complete } from '../address';
import { path, refusalText } from '../rest';
import { parseRoute, printRoute } from '../routes';
import { pause } from '../socket';
import { browserWords, dayWords, initials, pieces } from '../text';

/** The text with its links in brackets. */
const links = (text: string) => pieces(text).map(({ text, href }) => (href ? `[${href}]` : text)).join('');

describe('links', () => {
  it.each([
    ['no link here', 'no link here'],
    ['see https://a.example/b?c=d#e now', 'see [https://a.example/b?c=d#e] now'],
    ['(https://a.example), https://b.example.', '([https://a.example]), [https://b.example].'],
    ['https://a.example/x_(y)', '[https://a.example/x_(y)]'],
    ['sip:bob@a.example or tel:+123!', '[sip:bob@a.example] or [tel:+123]!'],
    ['javascript:alert(1) data:text/html,x', 'javascript:alert(1) data:text/html,x'],
    ['"https://a.example"<b>', '"[https://a.example]"<b>'],
  ])('in %j', (text, expected) => expect(links(text)).toBe(expected));
});

describe('addresses', () => {
  it.each([
    ['bob', 'bob@home.example'],
    [' Bob@Other.example/phone ', 'bob@other.example'],
    ['sip:bob@other.example', 'bob@other.example'],
    ['bob@', null],
    ['a b@c', null],
    ['a@b@c', null],
    ['', null],
  ])('typed as %j', (typed, expected) => expect(complete(typed, 'home.example')).toBe(expected));

  it('lose their resource', () => expect(bare('Alice@X/Phone/1')).toBe('alice@x'));

  it('are escaped in paths', () => expect(path`/api/roster/${'a/b?@x'}/grant`).toBe('/api/roster/a%2Fb%3F%40x/grant'));
});

describe('places', () => {
  it.each(['#/', '#/preferences', '#/accounts', '#/with/bob%40x'])('%s is read and printed', (hash) =>
    expect(printRoute(parseRoute(hash))).toBe(hash));

  it.each(['', '#/elsewhere', '#/with/'])('%j is home', (hash) => expect(parseRoute(hash)).toEqual({ view: 'home' }));

  it('survive broken escapes', () => expect(parseRoute('#/with/%zz')).toEqual({ view: 'conversation', with: '%zz' }));
});

describe('words', () => {
  it('say what a refusal means', () => {
    expect(refusalText({ reason: 'forbidden', text: 'bob takes no messages' })).toBe('Bob takes no messages.');
    expect(refusalText({ reason: 'no-session', text: null })).toBe('Nobody is there to take it.');
    expect(refusalText({ reason: 'something-new' })).toBe('Something new.');
  });

  it('name days near and far', () => {
    const now = new Date(2030, 0, 2, 12);
    const day = (...date: [number, number, number]) => dayWords(new Date(...date).toISOString(), now);
    expect(day(2030, 0, 2)).toBe('Today');
    expect(day(2030, 0, 1)).toBe('Yesterday');
    expect(day(2029, 11, 31)).toContain('2029');
    expect(dayWords('nonsense', now)).toBe('');
  });

  it.each([
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux'],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari', 'Chrome on Windows'],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari', 'Safari on iOS'],
    ['curl/8.5', 'curl/8.5'],
  ])('name the browser in %j', (agent, expected) => expect(browserWords(agent)).toBe(expected));

  it('shorten names to initials', () => {
    expect(initials('Bob van Builder')).toBe('BB');
    expect(initials('alice')).toBe('A');
    expect(initials('')).toBe('?');
  });
});

describe('connecting again', () => {
  it('waits longer and longer, within bounds and never in step', () => {
    expect([0, 1, 2, 20].map((tries) => pause(tries, 0))).toEqual([250, 500, 1000, 15_000]);
    expect(pause(99, 1)).toBe(30_000);
  });
});
