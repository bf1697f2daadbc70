// Writes compressed twins (.br, .gz) beside the built files that are worth it; the server sends them
// to browsers that take them.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';

const ENCODERS = { '.br': promisify(brotliCompress), '.gz': promisify(gzip) };
/** Smaller files fit into one packet anyway. */
const WORTH_BYTES = 1024;

async function compress(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((one) => one.isFile() && /\.(js|css|html|svg)$/.test(one.name))) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const bytes = await readFile(path);
    if (bytes.length < WORTH_BYTES) continue;
    for (const [ending, encode] of Object.entries(ENCODERS)) await writeFile(path + ending, await encode(bytes));
  }
}

export function compressed() {
  let folder;
  return {
    name: 'compressed-twins',
    apply: 'build',
    configResolved: (config) => void (folder = config.build.outDir),
    closeBundle: () => compress(folder),
  };
}
