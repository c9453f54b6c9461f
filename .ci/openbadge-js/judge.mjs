// judge holds a verifier against one credential: what means the same is accepted, each of 20 distinct changes is refused, and for the
// stated reason. It throws where that does not hold.
import {mutations, spared} from './mutations.mjs';

export const wanted = 20;

// verify takes a credential and answers {verified, why}; side names whose reasons are expected.
export async function judge(credential, verify, side, list = mutations) {
  for (const [name, change] of spared) {
    const {verified, why} = await verify(change(structuredClone(credential)));
    if (!verified) throw new Error(`${name}: refused (${why})`);
  }
  const seen = new Set([JSON.stringify(credential)]);
  for (const [name, change, reason] of list) {
    const mutant = structuredClone(credential);
    change(mutant);
    seen.add(JSON.stringify(mutant));
    const {verified, why} = await verify(mutant);
    if (verified) throw new Error(`${name}: accepted`);
    if (!reason[side].test(why)) throw new Error(`${name}: refused, but for another reason: ${why}`);
  }
  if (seen.size !== wanted + 1) throw new Error(`${seen.size - 1} distinct changes, not ${wanted}`);
  return `${list.length} of ${wanted}`;
}

// proveRed shows that judge can fail: with verifiers that are wrong in one way each, and with lists that are no 20 changes.
export async function proveRed(credential, verify, side) {
  const [first, ...others] = mutations;
  const text = JSON.stringify(credential);
  const ways = [
    ['accepts everything', async () => ({verified: true, why: ''})],
    ['refuses everything', async () => ({verified: false, why: 'Invalid signature'})],
    ['compares bytes', async d => JSON.stringify(d) === text ? {verified: true, why: ''} : {verified: false, why: 'bad-signature'}],
    ['is blind to evidence', async d => verify({...d, evidence: credential.evidence})],
    ['gives one reason for all', async d => { const r = await verify(d); return {...r, why: r.verified ? '' : 'Error'}; }],
    ['a list one short', verify, others],
    ['a list with one change twice', verify, [...others, others[0]]],
    ['a list with a change that changes nothing', verify, [...others, ['nothing', () => {}, first[2]]]],
  ];
  for (const [name, verifier, list] of ways) {
    const green = await judge(credential, verifier, side, list).then(() => true, () => false);
    if (green) throw new Error(`the check stays green for a verifier or list that is wrong: ${name}`);
  }
  return `seen red ${ways.length} ways of ${ways.length}`;
}
