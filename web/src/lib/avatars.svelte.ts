// The pictures of people as the server tells of them: address to hash. Who is not in it has none.
import { SvelteMap } from 'svelte/reactivity';

export const avatars = new SvelteMap<string, string>();

/** Somebody has this picture now, or none. */
export function takeAvatar(address: string, hash: string | null): void {
  if (hash) avatars.set(address, hash);
  else avatars.delete(address);
}
