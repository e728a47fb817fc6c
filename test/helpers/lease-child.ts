import { connectRunner } from '../../src/runner/client.ts';

/** Holds a lease on the runner of the state folder it is given, says so on stdout, and stays until it is killed. */
const runner = await connectRunner({ stateFolder: process.argv[2] ?? '', version: '1.2.3', who: 'a child', deadline: 5_000 });
if (runner === null) throw new Error('No runner');
await runner.hold('testing');
process.stdout.write('held\n');
await runner.closed;
