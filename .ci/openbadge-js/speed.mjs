// node speed.mjs PORTILLON SPEED: verifications a second of the same credential, one core, one run: @digitalbazaar/vc, warm, and ours
// (SPEED is the program in speed/). Three turns each, one after the other, and the best of each counts, since others use the machine
// too. Exits with 1 below ten times.
import {execFileSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {Portillon} from './ours.mjs';
import {resolve} from 'node:path';
import {badge, issue} from './badge.mjs';
import {verifier} from './theirs.mjs';

const least = 10;
const [, , mode, ...rest] = process.argv;
const self = fileURLToPath(import.meta.url);

// oneCore runs a command on the first core where the system can, and gives the number that it prints.
function oneCore(...command) {
  const [name, ...args] = existsSync('/usr/bin/taskset') ? ['taskset', '-c', '0', ...command] : command;
  return Number(execFileSync(name, args, {encoding: 'utf8'}));
}

// theirs verifies the document for some seconds. It is given as an object: what JSON.parse costs is not counted against it.
async function theirs(file) {
  const {readFileSync} = await import('node:fs');
  const credential = JSON.parse(readFileSync(file, 'utf8'));
  const verify = verifier({at: badge.at});
  const rate = async ms => {
    const start = performance.now();
    let n = 0;
    for (; performance.now() - start < ms; n++) {
      const {verified, why} = await verify(credential);
      if (!verified) throw new Error(why);
    }
    return n * 1000 / (performance.now() - start);
  };
  await rate(2000);
  console.log(await rate(2000));
}

function compare(portillon, speed) {
  const p = new Portillon(portillon);
  try {
    const did = p.run('badge', 'keygen', '-o', 'issuer.key').trim();
    issue(p, '--key', 'issuer.key', '--status', badge.status, '-o', 'badge.json');
    const file = p.path('badge.json');
    let a = 0, b = 0;
    for (let turn = 0; turn < 3; turn++) {
      a = Math.max(a, oneCore(process.execPath, self, 'theirs', file));
      b = Math.max(b, oneCore(resolve(speed), file, did));
    }
    const bytes = Buffer.byteLength(JSON.stringify(JSON.parse(p.read('badge.json'))));
    console.log(`verifications a second of one badge of ${bytes} bytes, one core: @digitalbazaar/vc ${a.toFixed(0)}, portillon ${b.toFixed(0)}: ${(b / a).toFixed(1)} times`);
    if (!(b / a >= least)) throw new Error(`less than ${least} times`);
  } finally {
    p.close();
  }
}

if (mode === 'theirs') await theirs(rest[0]);
else compare(mode, rest[0]);
