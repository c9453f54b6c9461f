// node second.mjs JUDGE [FOLDER]: 1,000 mutations of the fourteen badges in ../shared/openbadges/second, always the same ones, signed
// anew and judged by JUDGE (the program in judge/) and by others: credentials by @digitalbazaar/vc, with what their standard
// requires by a JSON Schema (ob3-schema.mjs); tokens by what their claims make of the credential; hosted badges of Open Badges 2.0 by
// what jsonld makes of them under the published context. Exits with 1 at a disagreement that agreed.mjs does not list with its clause.
import {readFileSync} from 'node:fs';
import {execFileSync} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import {join} from 'node:path';
import {generator, mutate} from './mutate.mjs';
import {Judges, at} from './second-judges.mjs';
import {disagreement} from './agreed.mjs';

const [, , judge, folder = fileURLToPath(new URL('../../../shared/openbadges/second', import.meta.url))] = process.argv;
const wanted = 1000, seed = 20260601;
const started = Date.now();

const shapes = readFileSync(join(folder, 'expected.tsv'), 'utf8').trim().split('\n').map(row => row.split('\t')[0]);
const judges = await Judges.open(folder);
const draw = generator(seed);
const cases = [];
for (let n = 0; cases.length < wanted; n++) {
  const shape = judges.shape(shapes[n % shapes.length]);
  const [changed, what] = mutate(shape.document, draw);
  cases.push(await shape.question(changed, what));
}

// One process answers all questions, a line each.
const lines = execFileSync(judge, {input: cases.map(c => JSON.stringify({at, ...c.ask})).join('\n'), encoding: 'utf8', maxBuffer: 1 << 28}).trim().split('\n');
const counts = {}, open = [], listed = new Map();
for (const [i, c] of cases.entries()) {
  const v = JSON.parse(lines[i]);
  const ours = {valid: v.verdict === 'valid', strict: v.verdict === 'valid' && !v.warnings, codes: v.reasons.map(r => r.code), warned: (v.warnings ?? []).map(w => `${w.code} ${w.path}`), why: v.reasons.map(r => `${r.code}: ${r.detail ?? ''}`).join('; ')};
  for (const [how, here, there] of [['verdict', ours.valid, c.valid], ['strict', ours.strict, c.valid && c.conforms]]) {
    if (here === there || how === 'strict' && ours.valid !== c.valid) continue;
    const clause = disagreement(c, ours, how);
    if (clause) listed.set(clause, (listed.get(clause) ?? 0) + 1);
    else open.push(`${c.shape}: ${c.what}: ${how} ${here} here (${ours.why}${ours.warned}), ${there} there (${c.why})`);
  }
  const key = `${c.kind} ${c.valid ? (c.conforms ? 'valid' : 'valid, not conformant') : 'invalid'}`;
  counts[key] = (counts[key] ?? 0) + 1;
}
console.log(`${cases.length} mutations of ${shapes.length} badges in ${((Date.now() - started) / 1000).toFixed(1)} s`, counts);
for (const [clause, n] of listed) console.log(`  ${n} judged otherwise: ${clause}`);
if (open.length > 0) {
  console.log(open.slice(0, 60).join('\n'));
  console.log(`${open.length} disagreements that no clause is listed for`);
  process.exit(1);
}
