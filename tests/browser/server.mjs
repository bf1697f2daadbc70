// A Rollcall server of its own for a test file: free ports, an empty data folder, cheap passwords.
//
// `ROLLCALL_BINARY` names the program; otherwise it is the debug build of this repository.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const TARGET = process.env.CARGO_TARGET_DIR ?? resolve(import.meta.dirname, '../../target');
const PROGRAM = process.env.ROLLCALL_BINARY ?? join(TARGET, 'debug/rollcall');
const PATIENCE_MS = Number(process.env.ROLLCALL_PATIENCE_MS ?? 30_000);

/** The password of an account made by [`Server.add`]. */
export const passwordOf = (name) => `the password of ${name}`;

export class Server {
  #process;
  #output = '';

  constructor(folder, port, securePort) {
    this.folder = folder;
    this.port = port;
    this.securePort = securePort;
    this.url = `http://localhost:${port}`;
    this.secureUrl = `https://localhost:${securePort}`;
  }

  /** A running server with these accounts of `localhost`; with none, it offers a setup link. */
  static start(...names) {
    return Server.startWith('', ...names);
  }

  /** The same with further lines in its configuration. */
  static async startWith(lines, ...names) {
    const server = new Server(await mkdtemp(join(tmpdir(), 'rollcall-browser-')), await freePort(), await freePort());
    await writeFile(server.#config, configuration(server) + lines);
    for (const name of names) await server.add(name);
    await server.#serve();
    return server;
  }

  get #config() {
    return join(this.folder, 'rollcall.toml');
  }

  /** Adds `name@localhost`, by the command line; `options` are further ones of it. */
  async add(name, ...options) {
    const words = ['account', 'add', `${name}@localhost`, '--password-stdin', '--config', this.#config, ...options];
    const child = spawn(PROGRAM, words, { stdio: ['pipe', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.on('data', (text) => (complaint += text));
    child.stdin.end(`${passwordOf(name)}\n`);
    const code = await ended(child);
    if (code !== 0) throw new Error(`account add ${name}: ${complaint}`);
  }

  /** The one-time link to make the first administrator, as the server prints it. */
  async setupLink() {
    const link = /https?:\/\/\S+(\/setup\?token=[^\s"]+)/;
    await this.#until(() => link.test(this.#output), 'no setup link');
    return this.url + link.exec(this.#output)[1];
  }

  async stop() {
    if (this.#process?.exitCode === null) {
      this.#process.kill('SIGTERM');
      await ended(this.#process);
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  /** What the server said, for a test that failed. */
  get output() {
    return this.#output;
  }

  /** Ends it and starts it again on the same data. */
  async restart() {
    this.#process.kill('SIGTERM');
    await ended(this.#process);
    await this.#serve();
  }

  async #serve() {
    this.#process = spawn(PROGRAM, ['serve', '--config', this.#config], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.on('data', (text) => (this.#output += text));
    }
    const isUp = () => fetch(`${this.url}/api/me`).then((response) => response.status === 401, () => false);
    await this.#until(isUp, 'the server does not answer');
  }

  async #until(happens, complaint) {
    const deadline = Date.now() + PATIENCE_MS;
    while (!(await happens())) {
      if (Date.now() > deadline || this.#process.exitCode !== null) throw new Error(`${complaint}:\n${this.#output}`);
      await new Promise((next) => setTimeout(next, 50));
    }
  }
}

function configuration({ folder, port, securePort }) {
  return `
[server]
domains = ["localhost"]
data_dir = ${JSON.stringify(join(folder, 'data'))}

[api]
http = ["127.0.0.1:${port}", "[::1]:${port}"]
https = ["127.0.0.1:${securePort}", "[::1]:${securePort}"]

[xmpp]
starttls = []
direct_tls = []

[federation]
enabled = false

[sip]
udp = []
tcp = []
tls = []


[auth]
argon2_memory_kib = 64
argon2_passes = 1
scram_iterations = 4096
`;
}

function ended(child) {
  if (child.exitCode !== null) return child.exitCode;
  return new Promise((done, fail) => child.once('exit', done).once('error', fail));
}

function freePort() {
  return new Promise((done, fail) => {
    const probe = createServer().once('error', fail);
    probe.listen(0, 'localhost', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}
