import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

import { compressed } from './compress.js';

// The server sends `default-src 'self'` as content security policy: nothing may be inlined into the
// page, neither scripts nor styles nor images as data: addresses.
export default defineConfig({
  plugins: [svelte(), compressed()],
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: 'es2022' },
  // `npm run dev` shows the page as it is being written, against a server that `make run` started.
  server: { proxy: { '/api': { target: 'http://localhost:5280', ws: true } } },
});
