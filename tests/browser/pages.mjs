// A web server for pages of other people, and a way to Rollcall that can be cut: what a browser needs to use another
// web client than ours.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, createServer as createListener } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/** Serves a folder, and at `/` the given page, on a free port of the loopback. */
export async function serve(folder, page) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    try {
      const content = pathname === '/' ? page : await readFile(join(folder, normalize(pathname)));
      const type = pathname === '/' ? TYPES['.html'] : TYPES[extname(pathname)] ?? 'application/octet-stream';
      response.writeHead(200, { 'Content-Type': type }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  const port = await listening(server);
  return { url: `http://localhost:${port}`, close: () => server.close() };
}

/** Passes connections on to a port of this machine, and cuts them all when it is told to. */
export async function passage(target) {
  const open = new Set();
  const listener = createListener((socket) => {
    const further = connect(target, 'localhost');
    for (const [one, other] of [[socket, further], [further, socket]]) {
      open.add(one);
      one.on('error', () => {});
      one.on('close', () => (open.delete(one), other.destroy()));
      one.pipe(other);
    }
  });
  const port = await listening(listener);
  const cut = () => open.forEach((socket) => socket.destroy());
  return { port, cut, close: () => (listener.close(), cut()) };
}

function listening(server) {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(0, 'localhost', () => done(server.address().port));
  });
}
