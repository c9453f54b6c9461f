// Badges that the hub issued, judged by other programs than those of interop.mjs: @digitalcredentials/verifier-core (signature,
// did:web, status list, dates, schema), jose (tokens, with the keys that the hub publishes) and pngjs (the picture).
import {createLocalJWKSet, jwtVerify} from 'jose';
import {PNG} from 'pngjs';
import Ajv from 'ajv/dist/2019.js';
import {isStamp, plain, schema} from './ob3-schema.mjs';

const schemaAddress = 'https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json';

// answering replaces fetch by documents while a function runs: no request leaves this machine.
async function answering(documents, run) {
  const {fetch} = globalThis;
  globalThis.fetch = async asked => {
    const document = documents[typeof asked === 'string' ? asked : asked.url ?? String(asked)];
    return new Response(JSON.stringify(document ?? {}), {status: document ? 200 : 404, headers: {'content-type': 'application/json'}});
  };
  try {
    return await run();
  } finally {
    globalThis.fetch = fetch;
  }
}

// steps returns what verifier-core says of a badge: each step with true or false, and whether the badge fits the schema.
export async function steps(credential, {did, documents, list}) {
  const address = `https://${did.slice('did:web:'.length)}/.well-known/did.json`;
  const served = {[address]: documents[did], [list.id]: list, [schemaAddress]: plain()};
  const {verifyCredential} = await import('@digitalcredentials/verifier-core');
  const said = await answering(served, () => verifyCredential({credential, knownDIDRegistries: []}));
  const checks = (said.additionalInformation ?? []).flatMap(x => x.results ?? []).map(x => x.result.valid);
  return Object.fromEntries([...(said.log ?? []).map(x => [x.id, x.valid ?? false]), ['schema', checks.length > 0 && checks.every(x => x)],
    ['errors', (said.errors ?? []).map(e => e.name).join(' ')]]);
}

// token verifies a VC-JWT with published keys, and its credential against the schema of Open Badges 3.0.
export async function token(text, jwks, now) {
  const {payload, protectedHeader} = await jwtVerify(text.trim(), createLocalJWKSet(jwks), {currentDate: now, algorithms: ['RS256', 'EdDSA']});
  const fits = new Ajv({strict: false, formats: {stamp: isStamp}}).compile(schema);
  const credential = payload.vc ?? payload; // Open Badges 3.0, section 8.2: the credential is the payload
  if (!fits(credential)) throw new Error(`the token does not fit the schema: ${JSON.stringify(fits.errors[0])}`);
  return {alg: protectedHeader.alg, id: credential.id};
}

// picture reads a PNG, and returns its size and the number of its colours.
export function picture(base64) {
  const {width, height, data} = PNG.sync.read(Buffer.from(base64, 'base64'));
  const colours = new Set();
  for (let i = 0; i < data.length; i += 4) colours.add(data.readUInt32BE(i));
  return {width, height, colours: colours.size};
}
