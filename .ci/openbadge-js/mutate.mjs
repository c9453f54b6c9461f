// Mutations of a JSON document, always the same for the same seed.

// generator is mulberry32: 32 bits of state, enough to draw a few thousand mutations.
export function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const values = ['', 'x', 'https://x.example/y', 'urn:x:1', 'relative', 'true', '1', '2025-03-01T24:00:00Z', '2025-03-01T09:00:00,5Z', '2025-03-01T09:00:00+15:00',
  '2025-03-01T09:00:00+14:00', '2025-03-01T09:00:00.25Z', '2025-02-30T09:00:00Z', '2020-01-01T00:00:00Z', '2030-01-01T00:00:00Z', '0000-01-01T00:00:00Z',
  0, 1, -1, 1.5, 1e21, 1e20, 12345678901234567000, 1e-7, 1.5e-9, 1740819600, 1900000000, true, false, null, {}, [], {'@value': 'x'}, {'@value': 'x', '@language': 'fr'},
  {id: 'https://x.example/i', type: 'Image'}, {id: 'urn:x:2'}, ['x', 'y'], [null]];

const added = [['validUntil', '2030-01-01T00:00:00Z'], ['validUntil', '2026-01-01T00:00:00Z'], ['validUntil', '2026-05-31T24:00:00Z'], ['name', 'x'], ['description', 'x'],
  ['evidence', [{id: 'https://e.example/1', type: ['Evidence']}]], ['evidence', {type: 'Evidence'}], ['evidence', [{narrative: 'x'}]], ['image', 'https://x.example/i'],
  ['image', {id: 'https://x.example/i', type: 'Image'}], ['image', {id: 'https://x.example/i'}], ['revoked', true], ['revoked', 'true'], ['revoked', 1], ['revoked', false],
  ['revoked', 'false'], ['revoked', {}], ['cnf', {kid: 'x'}], ['exp', 1900000000], ['exp', 1700000000], ['exp', 1.9e9], ['exp', '1900000000'], ['nbf', 1740819600], ['nbf', 1740819600.5],
  ['nbf', 1900000000], ['iat', 1740819600], ['sub', 'urn:x:1'], ['jti', 'urn:x:1'], ['uid', 'u-7'], ['expires', '2030-01-01T00:00:00Z'], ['expires', '2026-01-01T00:00:00Z'],
  ['verify', {type: 'hosted'}], ['verification', {type: 'hosted'}], ['refreshService', {id: 'https://x.example/r', type: '1EdTechCredentialRefresh'}], ['refreshService', {id: 'https://x.example/r'}],
  ['credentialSchema', {id: 'https://x.example/s', type: '1EdTechJsonSchemaValidator2019'}], ['termsOfUse', {type: 'IssuerPolicy'}], ['creditsAvailable', 1.5], ['creditsAvailable', '1.5'],
  ['tag', 'x'], ['tag', ['x']], ['achievementType', 'Badge'], ['hashed', false], ['salt', 'x'], ['awardedDate', '2025-03-01T24:00:00Z'], ['awardedDate', 'yesterday'], ['unknownWord', 'x'],
  ['alignment', [{type: 'Alignment', targetName: 'n'}]], ['creator', {id: 'https://x.example/c', type: ['Profile']}], ['url', 'https://x.example'], ['narrative', 'x']];

const renamed = {verify: 'verification', verification: 'verify', id: '@id', type: '@type', '@id': 'id', '@type': 'type', expires: 'Expires', issuedOn: 'issuedon', validUntil: 'expires'};

// places are all that can be changed: [object or array, key].
function places(v, out = []) {
  if (v === null || typeof v !== 'object') return out;
  for (const k of Object.keys(v)) {
    if (k === 'proof') continue;
    out.push([v, Array.isArray(v) ? Number(k) : k]);
    places(v[k], out);
  }
  return out;
}

// mutate changes a copy of a document in one place, and gives it with a word for what was done.
export function mutate(document, draw) {
  const copy = structuredClone(document);
  const pick = list => list[Math.floor(draw() * list.length)];
  const [at, key] = pick(places(copy));
  const kind = Math.floor(draw() * 7);
  const name = Array.isArray(at) ? `[${key}]` : key;
  const remove = () => { if (Array.isArray(at)) at.splice(key, 1); else delete at[key]; };
  switch (kind) {
    case 0: remove(); return [copy, `${name} removed`];
    case 1: case 2: { const v = structuredClone(pick(values)); at[key] = v; return [copy, `${name} = ${JSON.stringify(v)}`]; }
    case 3: at[key] = Array.isArray(at[key]) && at[key].length === 1 ? at[key][0] : [at[key]]; return [copy, `${name} wrapped or unwrapped`];
    case 4: at[key] = [at[key], structuredClone(at[key])].flat(); return [copy, `${name} twice`];
    case 5: if (typeof key === 'string' && renamed[key]) { at[renamed[key]] = at[key]; remove(); return [copy, `${name} renamed ${renamed[key]}`]; }
  }
  const holders = [copy, ...places(copy).map(([o, k]) => o[k])].filter(o => o !== null && typeof o === 'object' && !Array.isArray(o));
  const [word, v] = pick(added);
  const holder = pick([copy, ...holders]);
  holder[word] = structuredClone(v);
  return [copy, `${word}: ${JSON.stringify(v)} added`];
}
