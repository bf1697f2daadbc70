// Account addresses, as people write them.

/** `alice@example.org/phone` without what follows the slash, in lower case. */
export function bare(address: string): string {
  return (address.split('/', 1)[0] ?? '').toLowerCase();
}

export function localPart(address: string): string {
  return address.split('@', 1)[0] ?? address;
}

/** What a person typed as a whole address: without a domain, the own one is meant. `null` if hopeless. */
export function complete(typed: string, domain: string): string | null {
  const text = bare(typed.trim().replace(/^(sips?|xmpp|im|pres):/i, ''));
  const address = text.includes('@') ? text : `${text}@${domain}`;
  return /^[^\s@/<>"'&:]+@[^\s@/<>"'&]+$/.test(address) ? address : null;
}
