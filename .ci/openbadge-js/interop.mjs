// node interop.mjs PORTILLON: what portillon issues is verified by @digitalbazaar/vc, and what that issues by portillon; each refuses
// 20 changes of it, for the stated reasons. Then a did:web issuer, status lists both ways, and VC-JWTs of ours. Exits with 1
// where any of it does not hold.
import {badge, issue} from './badge.mjs';
import {judge, proveRed} from './judge.mjs';
import {issuer, verifier} from './theirs.mjs';
import {Portillon} from './ours.mjs';
import {picture, steps, token} from './hub-judges.mjs';
import {createCredential, createList} from '@digitalbazaar/vc-bitstring-status-list';
import {execFileSync} from 'node:child_process';
import {createPublicKey, verify} from 'node:crypto';

const {at} = badge;

async function bothWays(p) {
  const did = p.run('badge', 'keygen', '-o', 'issuer.key').trim();
  issue(p, '--key', 'issuer.key', '--status', badge.status, '-o', 'ours.json');
  const ours = JSON.parse(p.read('ours.json'));
  if (ours.issuer.id !== did) throw new Error(`the issuer is ${ours.issuer.id}, not ${did}`);
  const theyVerify = verifier({at});
  console.log(`ours, verified by @digitalbazaar/vc: accepted, ${await judge(ours, theyVerify, 'theirs')} changes refused; this check was ${await proveRed(ours, theyVerify, 'theirs')}`);

  const other = await issuer();
  const {proof: _, ...unsigned} = ours;
  const theirs = await other.sign({...unsigned, issuer: {...unsigned.issuer, id: other.did}}, badge.from);
  p.write('lists/1.json', JSON.stringify({id: badge.status, revokedCredential: []}));
  const weVerify = p.verifier(p.trust('theirs.yaml', other.did, other.did), at, '--status', p.path('lists'));
  console.log(`theirs, verified by portillon: accepted, ${await judge(theirs, weVerify, 'ours')} changes refused; this check was ${await proveRed(theirs, weVerify, 'ours')}`);
}

// expect throws where an answer is not the one wanted.
function expect(what, got, want) {
  if (!(want instanceof RegExp ? want.test(got) : got === want)) throw new Error(`${what}: ${JSON.stringify(got)}, not ${want}`);
}

// A did:web issuer with a bitstring status list: they read both as we publish them.
async function didWebAndStatusList(p) {
  const url = 'https://lab.example/status/1';
  const did = p.run('badge', 'keygen', '-o', 'web.key', '--did-web', 'lab.example', '--document', 'did.json').split('\n')[0];
  p.run('badge', 'status-list', '--key', 'web.key', '--issuer', did, '--id', url, '-o', 'list.json');
  issue(p, '--key', 'web.key', '--issuer', did, '--status-list', 'list.json', '--status-index', '94567', '-o', 'web.json');
  const credential = JSON.parse(p.read('web.json'));
  const judged = async () => {
    const documents = new Map([[did, JSON.parse(p.read('did.json'))], [url, JSON.parse(p.read('list.json'))]]);
    const {verified, why} = await verifier({at, documents})(credential);
    return verified ? 'good' : why;
  };
  const revoke = (...more) => p.run('badge', 'revoke', 'list.json', '--key', 'web.key', ...more);
  expect('a badge on a clean list', await judged(), 'good');
  const clean = JSON.parse(p.read('list.json'));
  revoke('--index', '94566', '--index', '94568');
  expect('a badge between two that are revoked', await judged(), 'good');
  revoke('--badge', 'web.json');
  expect('a badge that is revoked', await judged(), /: revoked$/);
  const forged = JSON.parse(p.read('list.json'));
  revoke('--badge', 'web.json', '--undo');
  expect('a badge that is back', await judged(), 'good');
  forged.credentialSubject.encodedList = clean.credentialSubject.encodedList;
  p.write('list.json', JSON.stringify(forged));
  expect('a list that was changed', await judged(), /Invalid signature/);
  console.log('a did:web issuer and its status list, read by @digitalbazaar/vc-bitstring-status-list: 5 of 5 answers right');
}

// A status list of theirs, read by portillon: clean, revoked, changed, another issuer's.
async function theirStatusList(p) {
  const id = 'https://lab.example/status/2';
  const [other, stranger] = [await issuer(), await issuer()];
  issue(p, '--key', 'issuer.key', '--status-list', id, '--status-index', '94567', '-o', 'listed.json');
  const {proof: _, ...unsigned} = JSON.parse(p.read('listed.json'));
  const credential = await other.sign({...unsigned, issuer: {...unsigned.issuer, id: other.did}}, badge.from);
  const list = await createList({length: 131072});
  const signed = async by => by.sign({...await createCredential({id, list, statusPurpose: 'revocation'}), issuer: by.did, validFrom: badge.from}, badge.from);
  const judged = async document => {
    p.write('theirs/2.json', JSON.stringify(document));
    return (await p.verifier(p.trust('other.yaml', other.did, other.did), at, '--status', p.path('theirs'))(credential)).why;
  };
  const clean = await signed(other);
  expect('a badge on their clean list', await judged(clean), '');
  list.setStatus(94567, true);
  const revoked = await signed(other);
  expect('a badge on their list, revoked', await judged(revoked), 'revoked');
  revoked.credentialSubject.encodedList = clean.credentialSubject.encodedList;
  expect('a list of theirs that was changed', await judged(revoked), 'status-unusable');
  expect('a list of somebody else', await judged(await signed(stranger)), 'status-unusable');
  console.log('a status list of @digitalbazaar/vc-bitstring-status-list, read by portillon: 4 of 4 answers right');
}

// VC-JWTs of both kinds of keys, verified by OpenSSL with the keys that we publish.
function tokens(p) {
  const id = 'https://lab.example/issuer';
  p.run('badge', 'keygen', '-o', 'rsa.key', '--rsa');
  p.write('jwks.json', p.run('badge', 'publish', '--issuer', id, '--form', 'jwks', '--key', 'rsa.key', '--key', 'issuer.key'));
  for (const [key, alg, hash] of [['rsa.key', 'RS256', 'sha256'], ['issuer.key', 'EdDSA', null]]) {
    issue(p, '--key', key, '--issuer', id, '--jwt', '-o', `${alg}.jwt`);
    const [header, payload, signature] = p.read(`${alg}.jwt`).trim().split('.');
    const {kid, alg: said} = JSON.parse(Buffer.from(header, 'base64url'));
    expect('the algorithm', said, alg);
    const jwk = JSON.parse(p.read('jwks.json')).keys.find(k => k.kid === kid);
    const good = text => verify(hash, Buffer.from(text), createPublicKey({key: jwk, format: 'jwk'}), Buffer.from(signature, 'base64url'));
    expect(`a VC-JWT with ${alg}`, good(`${header}.${payload}`), true);
    expect(`another VC-JWT with ${alg}`, good(`${header}.${payload}A`), false);
  }
  console.log('VC-JWTs with RS256 and EdDSA, verified by OpenSSL with our JWKS: 2 of 2 accepted, 2 of 2 changes refused');
}

// A badge that the hub issued, with a picture, an alignment and evidence, verified with the documents that the hub serves.
async function hubBadge() {
  const {badge: credential, documents, list} = JSON.parse(execFileSync('go', ['run', './.ci/openbadge-js/hubbadge'], {encoding: 'utf8', cwd: `${import.meta.dirname}/../..`}));
  const now = new Date(Date.now() + 60_000).toISOString();
  const judged = async (c, more = {}) => {
    const {verified, why} = await verifier({at: now, documents: new Map(Object.entries({...documents, ...more}))})(c);
    return verified ? 'good' : why;
  };
  const clean = {[list.id]: list};
  expect('a badge of the hub', await judged(credential, clean), 'good');
  expect('a badge of the hub, revoked', await judged(credential), /: revoked$/);
  const changed = structuredClone(credential);
  changed.credentialSubject.achievement.alignment[0].targetName = 'other';
  expect('a badge of the hub that was changed', await judged(changed, clean), /Invalid signature/);
  console.log('a badge that the hub issued, and its status list, verified by @digitalbazaar/vc: 3 of 3 answers right');
}

// The same badge judged by other programs, and a token of a hub with an RSA key.
async function otherJudges() {
  const issued = more => JSON.parse(execFileSync('go', ['run', './.ci/openbadge-js/hubbadge', ...more], {encoding: 'utf8', cwd: `${import.meta.dirname}/../..`}));
  const now = new Date(Date.now() + 60_000), hub = issued([]), {badge: credential, documents, list} = hub;
  const good = await steps(credential, hub);
  for (const step of ['valid_signature', 'revocation_status', 'expiration', 'schema']) expect(`verifier-core, ${step}`, good[step], true);
  expect('verifier-core, revoked', (await steps(credential, {...hub, list: documents[list.id]})).revocation_status, false);
  const changed = structuredClone(credential), poor = structuredClone(credential);
  changed.credentialSubject.achievement.name += '!';
  expect('verifier-core, changed', (await steps(changed, hub)).errors, /invalid_signature/);
  delete poor.credentialSubject.achievement.criteria;
  expect('verifier-core, without criteria', (await steps(poor, hub)).schema, false);
  console.log('a badge that the hub issued, verified by @digitalcredentials/verifier-core with the schema: 4 steps good; revoked, changed and incomplete ones refused');

  const rsa = issued(['rsa']), jwks = rsa.documents.jwks;
  const {alg, id} = await token(rsa.badge, jwks, now);
  expect('the algorithm of a token of the hub', alg, 'RS256');
  expect('the id of a token of the hub', id, /^https:\/\/hub\.lab\.example\/issuer\/badges\/[a-z2-7]{16}$/);
  const parts = rsa.badge.trim().split('.');
  parts[1] = Buffer.from(Buffer.from(parts[1], 'base64url').toString().replace('laser-user', 'laser-other')).toString('base64url');
  for (const [what, text] of [['changed', parts.join('.')], ['unsigned', `${Buffer.from('{"alg":"none"}').toString('base64url')}.${parts[1]}.`]]) {
    expect(`jose, ${what}`, await token(text, jwks, now).then(() => 'accepted', e => e.code ?? e.message), /^ERR_J/);
  }
  console.log('a token that the hub issued, verified by jose with the published keys and the schema: accepted; 2 of 2 changes refused');

  for (const [what, {picture: png}] of Object.entries({badge: hub, token: rsa})) {
    const {width, height, colours} = picture(png);
    if (width < 100 || width !== height || colours < 3) throw new Error(`the picture of a ${what} is ${width} x ${height} with ${colours} colours`);
  }
  console.log('the pictures of both, which contain the badge, read by pngjs: 2 of 2');
}

const p = new Portillon(process.argv[2]);
try {
  await bothWays(p);
  await didWebAndStatusList(p);
  await theirStatusList(p);
  tokens(p);
  await hubBadge();
  await otherJudges();
} finally {
  p.close();
}
