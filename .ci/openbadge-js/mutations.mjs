// The 20 changes that make another credential of one. Each names the reason for which both sides refuse it: a check that is red for
// another reason than the one stated has proved nothing.
const changed = {theirs: /Invalid signature/, ours: /^bad-signature$/};
const elsewhere = 'did:key:z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi'; // a published test key, of nobody here

const subject = d => d.credentialSubject;
const achievement = d => subject(d).achievement;
const identifier = d => [subject(d).identifier].flat()[0];
const proof = d => [d.proof].flat()[0];
const next = c => (c === 'z' ? 'y' : 'z');

export const mutations = [
  ['the name of the achievement', d => { achievement(d).name += ' '; }, changed],
  ['a description that is gone', d => { delete achievement(d).description; }, changed],
  ['a change two levels down', d => { achievement(d).criteria.narrative = 'Rien.'; }, changed],
  ['a term added that the contexts know', d => { achievement(d).humanCode = 'L1'; }, changed],
  ['a term added that they do not', d => { d.levelOfTrust = 'high'; }, {theirs: /Safe mode validation error/, ours: /^unknown-term$/}],
  ['another recipient', d => { identifier(d).identityHash = `sha256$${'0'.repeat(64)}`; }, changed],
  ['a hash that becomes plain', d => { identifier(d).hashed = false; }, changed],
  ['other evidence', d => { d.evidence[0].narrative += '!'; }, changed],
  ['no evidence', d => { delete d.evidence; }, changed],
  ['a later end', d => { d.validUntil = '2039-01-01T00:00:00Z'; }, changed],
  ['an earlier beginning', d => { d.validFrom = '2020-01-01T00:00:00Z'; }, changed],
  ['another id', d => { d.id += '0'; }, changed],
  ['no status', d => { delete d.credentialStatus; }, changed],
  ['another issuer', d => { d.issuer.id = elsewhere; }, {theirs: /Invalid signature/, ours: /^issuer-not-trusted$/}],
  ['a type more', d => { subject(d).type = [...[subject(d).type].flat(), 'Profile']; }, changed],
  ['an unknown context', d => { d['@context'].push('https://lab.example/context.json'); }, {theirs: /nothing is known at/, ours: /^unknown-context$/}],
  ['its contexts in another order', d => { d['@context'].reverse(); }, {theirs: /needs to be first/, ours: /^unknown-context$/}],
  ['another date of the proof', d => { proof(d).created = '2026-01-02T03:04:06Z'; }, changed],
  ['another verification method', d => { proof(d).verificationMethod = `${elsewhere}#${elsewhere.slice(8)}`; }, {theirs: /Invalid signature/, ours: /^bad-signature$/}],
  ['another signature', d => { const p = proof(d); p.proofValue = p.proofValue.slice(0, 40) + next(p.proofValue[40]) + p.proofValue.slice(41); }, changed],
];

// spared are changes that mean nothing: whoever refuses these compares bytes and understands nothing.
export const spared = [
  ['as it was issued', d => d],
  ['its words in another order', backwards],
  ['one proof out of its array, or into one', d => { d.proof = Array.isArray(d.proof) ? d.proof[0] : [d.proof]; return d; }],
];

function backwards(v) {
  if (Array.isArray(v)) return v.map(backwards);
  if (v === null || typeof v !== 'object') return v;
  return Object.fromEntries(Object.keys(v).reverse().map(k => [k, backwards(v[k])]));
}
