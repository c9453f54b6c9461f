// How others judge a mutation: what is asked of portillon, and the answer that it is held against.
import {readFileSync, existsSync} from 'node:fs';
import {createPrivateKey, sign as signBytes} from 'node:crypto';
import {join} from 'node:path';
import Ajv from 'ajv/dist/2019.js';
import jsonld from 'jsonld';
import jsigs from 'jsonld-signatures';
import * as vc from '@digitalbazaar/vc';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {checkStatus} from '@digitalbazaar/vc-bitstring-status-list';
import {loader} from './theirs.mjs';
import {isStamp, schema, stampTime} from './ob3-schema.mjs';

export const at = '2026-06-01T00:00:00Z';
const skew = 5 * 60e3; // as portillon lets an issuer's clock be ahead
const time = Date.parse(at);
// once is values without those that are there before: a statement made twice is one. Nodes without a name are never the same.
const once = v => list(v).filter((x, i, all) => typeof x === 'object' && !('@id' in x || '@value' in x) || all.findIndex(y => JSON.stringify(y) === JSON.stringify(x)) === i);
const list = v => v === undefined || v === null ? [] : [v].flat();
const json = file => JSON.parse(readFileSync(file, 'utf8'));

export class Judges {
  static async open(folder) {
    const judges = new Judges();
    const secret = new Uint8Array(32).fill(7);
    const key = await Ed25519Multikey.generate({seed: secret});
    Object.assign(judges, {folder, did: `did:key:${key.publicKeyMultibase}`});
    key.controller = judges.did;
    key.id = `${judges.did}#${key.publicKeyMultibase}`;
    judges.suite = () => new DataIntegrityProof({signer: key.signer(), cryptosuite, date: '2025-03-01T09:00:00Z'});
    judges.private = createPrivateKey({key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), secret]), format: 'der', type: 'pkcs8'});
    judges.ob2 = json(join(folder, '../contexts/ob-v2p0.json'));
    const ajv = new Ajv({strict: false, formats: {stamp: isStamp}});
    judges.conforms = ajv.compile(schema);
    return judges;
  }

  shape(name) {
    this.shapes ??= new Map();
    if (!this.shapes.has(name)) this.shapes.set(name, this.read(name));
    return this.shapes.get(name);
  }

  read(name) {
    const dir = join(this.folder, name);
    if (existsSync(join(dir, 'documents'))) return new Hosted(this, name, dir);
    if (existsSync(join(dir, 'badge.jwt'))) return new Token(this, name, dir);
    return new Credential(this, name, dir);
  }

  // signed is a credential with a proof of ours, or why none can be made.
  async signed(credential) {
    const {proof: _, ...document} = credential;
    try {
      return [await jsigs.sign(structuredClone(document), {suite: this.suite(), purpose: new jsigs.purposes.AssertionProofPurpose(), documentLoader: loader()})];
    } catch (e) {
      return [{...document, proof: {type: 'DataIntegrityProof', cryptosuite: 'eddsa-rdfc-2022', proofPurpose: 'assertionMethod', proofValue: 'z1'}}, e.message];
    }
  }

  // library is what @digitalbazaar/vc says of a signed credential.
  async library(credential, documents) {
    const r = await vc.verifyCredential({credential: structuredClone(credential), suite: new DataIntegrityProof({cryptosuite}), documentLoader: loader(documents), now: new Date(time),
      checkStatus: async o => {
        const s = await checkStatus({...o, verifyMatchingIssuers: false});
        return s.verified && s.results.some(x => x.status) ? {verified: false, error: new Error('revoked')} : s;
      }}).catch(error => ({verified: false, error}));
    return [r.verified === true, reasons(r.error ?? r.statusResult?.error)];
  }
}

function reasons(error) {
  if (!error) return '';
  return [error.message, ...[error.errors, error.cause].flat().filter(Boolean).map(reasons)].join(': ').slice(0, 200);
}

// withoutNulls is a document as JSON-LD sees it: a null is an absent value.
function withoutNulls(v) {
  if (Array.isArray(v)) return v.filter(x => x !== null).map(withoutNulls);
  if (v === null || typeof v !== 'object') return v;
  return Object.fromEntries(Object.entries(v).filter(([, x]) => x !== null).map(([k, x]) => [k, withoutNulls(x)]));
}

class Credential {
  constructor(judges, name, dir) {
    const {proof: _, ...document} = json(join(dir, 'badge.json'));
    document.issuer.id = judges.did;
    Object.assign(this, {judges, name, document, kind: 'credential', trust: [{ID: judges.did, Keys: [judges.did]}], status: {}, documents: new Map()});
    if (existsSync(join(dir, 'status'))) {
      for (const [url, file] of Object.entries(json(join(dir, 'status/index.json')))) {
        const body = json(join(dir, 'status', file));
        this.status[url] = JSON.stringify(body);
        this.documents.set(url, body);
        this.trust[0].StatusIssuers = [body.issuer];
        this.trust.push({ID: body.issuer, Keys: [body.issuer]});
      }
    }
  }

  async question(changed, what) {
    const [credential, unsigned] = await this.judges.signed(changed);
    const [verified, why] = await this.judges.library(credential, this.documents);
    return {shape: this.name, kind: this.kind, what, document: changed, ask: {document: JSON.stringify(credential), trust: this.trust, status: this.status},
      valid: verified, why: unsigned ? `cannot be signed: ${unsigned}` : why, conforms: this.judges.conforms(withoutNulls(changed))};
  }
}

const types = ['', 'jwt', 'vc+jwt', 'vc+ld+jwt', 'vc+ld+json+jwt', 'jose'];

class Token {
  constructor(judges, name, dir) {
    const [header, payload] = readFileSync(join(dir, 'badge.jwt'), 'utf8').trim().split('.').slice(0, 2).map(p => JSON.parse(Buffer.from(p, 'base64url')));
    payload.issuer.id = judges.did;
    if (payload.iss) payload.iss = judges.did;
    Object.assign(this, {judges, name, document: {header, payload}, kind: 'token', trust: [{ID: judges.did, Keys: [judges.did]}]});
  }

  async question({header, payload}, what) {
    const text = [header ?? {}, payload ?? {}].map(p => Buffer.from(JSON.stringify(p)).toString('base64url')).join('.');
    const token = `${text}.${signBytes(null, Buffer.from(text), this.judges.private).toString('base64url')}`;
    const c = {shape: this.name, kind: this.kind, what, document: payload, ask: {document: token, trust: this.trust}, valid: false, conforms: false};
    const refused = refusedHeader(header) ?? (payload === null || typeof payload !== 'object' || Array.isArray(payload) ? 'no payload' : undefined);
    if (refused) return {...c, why: refused};
    const [credential, mismatch] = credentialOf(payload);
    if (mismatch) return {...c, why: mismatch};
    const [signed, unsigned] = await this.judges.signed(credential);
    const [verified, why] = await this.judges.library(signed, new Map());
    return {...c, document: credential, valid: verified, why: unsigned ? `cannot be signed: ${unsigned}` : why, conforms: this.judges.conforms(withoutNulls(credential))};
  }
}

function refusedHeader(h) {
  if (h === null || typeof h !== 'object' || Array.isArray(h)) return 'no header';
  if (h.alg !== 'EdDSA') return 'another algorithm';
  if (h.typ === undefined || h.typ === null) return undefined;
  if (typeof h.typ !== 'string' || !types.includes(h.typ.toLowerCase().replace(/^application\//, ''))) return 'another type';
}

// credentialOf is the credential that a payload makes: what it does not say its claims set (Open Badges 3.0, JSON Web Token Claims), and
// where both speak they must say the same.
function credentialOf(payload) {
  const {iss, jti, sub, nbf, exp, iat, aud, cnf, ...doc} = withoutNulls(payload);
  const put = (o, key, v) => { if (v !== undefined && o[key] === undefined) o[key] = v; };
  const subject = list(doc.credentialSubject).length === 1 ? list(doc.credentialSubject)[0] : undefined;
  put(doc, 'id', jti);
  put(doc, 'issuer', iss);
  if (doc.issuer !== null && typeof doc.issuer === 'object' && !Array.isArray(doc.issuer)) put(doc.issuer, 'id', iss);
  if (subject !== null && typeof subject === 'object') put(subject, 'id', sub);
  for (const [claim, word] of [[nbf, 'validFrom'], [iat, 'validFrom'], [exp, 'validUntil']]) {
    if (claim === undefined) continue;
    const ms = claim * 1000;
    if (typeof claim !== 'number' || !(ms > -62135596800e3 && ms < 253402300800e3)) return [doc, 'a claim that is no NumericDate'];
    put(doc, word, new Date(ms).toISOString());
  }
  const says = (claim, value) => claim === undefined || claim === value;
  const same = (claim, word) => claim === undefined || typeof doc[word] === 'string' && isStamp(doc[word]) && Math.floor(claim) === Math.floor(stampTime(doc[word]) / 1000);
  const issuer = typeof doc.issuer === 'string' ? doc.issuer : doc.issuer?.id;
  if (!says(iss, issuer) || !says(jti, doc.id) || !says(sub, subject?.id) || !same(nbf, 'validFrom') || !same(exp, 'validUntil')) return [doc, 'a claim says another thing'];
  return [doc];
}

const obi = 'https://w3id.org/openbadges#';

class Hosted {
  constructor(judges, name, dir) {
    const index = json(join(dir, 'documents/index.json'));
    const documents = Object.fromEntries(Object.entries(index).map(([url, file]) => [url, json(join(dir, 'documents', file))]));
    const [at, document] = Object.entries(documents).find(([, d]) => d.type === 'Assertion');
    const issuer = Object.keys(documents).find(url => documents[url].type === 'Issuer');
    delete document.revoked;
    Object.assign(this, {judges, name, at, document, documents, issuer, kind: 'hosted badge', trust: [{ID: issuer, Keys: [issuer]}]});
  }

  async question(changed, what) {
    const documents = Object.fromEntries(Object.entries({...this.documents, [this.at]: changed}).map(([url, d]) => [url, JSON.stringify(d)]));
    const why = await this.refused(changed).catch(e => e.message);
    return {shape: this.name, kind: this.kind, what, document: changed, ask: {document: JSON.stringify(this.document), trust: this.trust, documents},
      valid: !why, why: why ?? '', conforms: true};
  }

  // refused says why an assertion that stands at its address is not good, by what the published context makes of it; undefined: it is.
  async refused(document) {
    const documentLoader = async url => {
      if (url !== 'https://w3id.org/openbadges/v2') throw new Error(`nothing is known at ${url}`);
      return {document: this.judges.ob2, documentUrl: url, contextUrl: null};
    };
    const nodes = await jsonld.expand(structuredClone(document), {documentLoader, safe: false});
    const a = nodes[0] ?? {};
    const all = name => once(a[name]);
    const value = name => all(name)[0]?.['@value'];
    if (nodes.length !== 1 || !list(a['@type']).includes(`${obi}Assertion`)) return 'no assertion';
    if (a['@id'] !== this.at) return 'another id';
    if (all(`${obi}revoked`).some(v => v['@value'] !== false)) return 'revoked, or not said';
    const verification = all(`${obi}verify`);
    const kinds = list(verification[0]?.['@type']);
    if (verification.length !== 1 || !kinds.includes(`${obi}HostedBadge`) || kinds.includes(`${obi}SignedBadge`)) return 'not hosted';
    const issued = value(`${obi}issueDate`), expires = value('https://w3id.org/security#expiration');
    if (all(`${obi}issueDate`).length !== 1 || typeof issued !== 'string' || !isStamp(issued) || stampTime(issued) > time + skew) return 'not issued';
    if (all('https://w3id.org/security#expiration').length > 1 || expires !== undefined && (typeof expires !== 'string' || !isStamp(expires) || stampTime(expires) < time)) return 'expired';
    const recipient = all(`${obi}recipient`);
    const identity = once(recipient[0]?.[`${obi}identityHash`]);
    const hashed = once(recipient[0]?.[`${obi}hashed`]);
    if (recipient.length !== 1 || identity.length !== 1 || typeof identity[0]['@value'] !== 'string' || identity[0]['@value'] === '') return 'nobody’s';
    if (once(recipient[0]?.['@type']).length !== 1) return 'a recipient of no type';
    if (hashed.length > 1 || hashed.length === 1 && typeof hashed[0]['@value'] !== 'boolean') return 'hashed or not';
    return this.classRefused(all(`${obi}badge`));
  }

  // classRefused follows the badge to its class and its issuer.
  async classRefused(badges) {
    if (badges.length !== 1) return 'not one class';
    let c = badges[0];
    if (Object.keys(c).length === 1) {
      const found = this.documents[c['@id']];
      if (!found) return 'no class';
      const documentLoader = async url => ({document: this.judges.ob2, documentUrl: url, contextUrl: null});
      c = (await jsonld.expand(structuredClone(found), {documentLoader, safe: false}))[0];
    }
    const has = name => once(c[name]).length === 1;
    if (!list(c['@type']).includes(`${obi}BadgeClass`) || !c['@id'] || !has('http://schema.org/name') || !has(`${obi}criteria`)) return 'no class';
    if (list(c[`${obi}issuer`])[0]?.['@id'] !== this.issuer) return 'another issuer';
  }
}
