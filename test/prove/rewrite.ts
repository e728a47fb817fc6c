import { open } from 'node:fs/promises';

/** Writes a file's own content over it: a sparse file has all of its blocks then. */
export async function rewrite(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const chunk = Buffer.alloc(1024 * 1024);
    for (let at = 0; ;) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) return;
      await file.write(chunk, 0, bytesRead, at);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}
