// Where portillon and the other judge differ, and the clause that decides. Anything else is a fault of one of them. portillon is
// stricter in all but the first two, which are what expected.tsv asks for: a warning, and a refusal with --strict.
const rules = [
  ['VC data model 2.0, 5.6 and 5.4: evidence and a refresh service have a type; a warning here without --strict', (c, o) => o.valid && !c.valid && o.warned.length > 0 &&
    /(evidence|refreshService|termsOfUse|credentialSchema)" must have property type/.test(c.why)],
  ['VC data model 2.0, 4.10: a status has an id where the library needs one; a warning here without --strict', (c, o) => o.valid && !c.valid && o.warned.some(w => w.endsWith('credentialStatus.id'))],
  ['Open Badges 3.0, B.1: a badge is an OpenBadgeCredential with an id, a validFrom, and one AchievementSubject with one Achievement; the library takes any credential',
    (c, o) => c.kind !== 'hosted badge' && !o.valid && c.valid && o.codes.includes('not-an-open-badge')],
  ['VC data model 2.0, 4.9: a date is one dateTimeStamp, and no number, list or node', (c, o) => c.kind !== 'hosted badge' && !o.valid && c.valid && /want a time with a zone/.test(o.why)],
  ['VC data model 2.0, 6.1: its words are id and type; @id, @type and other keywords of JSON-LD are not read', (c, o) => !o.valid && c.valid && /unsupported keyword "@|alias|the term "@(id|type)"/.test(o.why)],
  ['JSON-LD 1.1, 8.6 (Data Round Tripping): jsonld.js writes 1e-7 as 0; who signed 1e-7 is refused', (c, o) => !o.valid && c.valid && /so small that readers write it differently/.test(o.why)],
  ['JSON-LD 1.0 and 1.1 differ on a list within a list', (c, o) => !o.valid && c.valid && /a list within a list/.test(o.why)],
  ['VC data model 2.0, 11.1: a value object is a text with its language, where a text belongs', (c, o) => !o.valid && c.valid && /unsupported form of value object/.test(o.why)],
  ['Bitstring Status List 1.0, 2.1: statusListIndex and the others are one text; Open Badges 2.0, 4.1 and 4.2: one class and one issuer', (c, o) => !o.valid && c.valid && /^(statusListIndex|statusPurpose|statusListCredential|issuer|badge) twice$/.test(c.what)],
  ['Open Badges 2.0, 4.1: revoked is a boolean; what is neither true nor false is never good, a list of one or of none neither', (c, o) => !o.valid && c.valid && /revoked is neither true nor false/.test(o.why)],
  ['JSON-LD 1.1, 9.1: a keyword that portillon does not read, and takes no meaning from, has a value that JSON-LD does not allow', (c, o) => o.valid && !c.valid && /^"?@language/.test(c.what)],
];

export function disagreement(c, ours) {
  return rules.find(([, holds]) => holds(c, ours))?.[0];
}
