// Whether everybody can use a page.
import assert from 'node:assert/strict';

import axe from 'axe-core';

/** The mistakes that a machine can find: contrast, names, roles, structure (WCAG 2.2 AA). */
export async function isAccessible(page) {
  const faults = await page.evaluate(async (source) => {
    (0, eval)(source);
    const runOnly = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
    const { violations } = await globalThis.axe.run(document, { runOnly });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`));
  }, axe.source);
  assert.deepEqual(faults, []);
}
