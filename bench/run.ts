/** `npm run bench -- <name> [arguments]`; without a name it lists what there is. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const names = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith('.ts') && !file.endsWith('-child.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -'.ts'.length));
const [name = '', ...args] = process.argv.slice(2);
if (names.includes(name)) {
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL(`./${name}.ts`, import.meta.url)), ...args], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
} else {
  console.log(`Benches: ${names.join(', ')}. Run one: npm run bench -- ${names[0]}`);
  process.exitCode = name === '' ? 0 : 2;
}
