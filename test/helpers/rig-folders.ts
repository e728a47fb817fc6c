const folders = ['test/crash/', 'test/prove/'];

/** Whether a file of tests is run by `npm run prove` alone, and not by `npm test`. */
export function isRig(file: string): boolean {
  return folders.some((folder) => file.startsWith(folder));
}
