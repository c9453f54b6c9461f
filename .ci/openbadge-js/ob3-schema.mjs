// What Open Badges 3.0 requires of an AchievementCredential, as a JSON Schema: the classes of its appendix B, the properties that are
// required, and the form that values have, each as 1EdTech's published schema has it. Vocabularies that issuers may extend,
// endorsements and proofs are left out; a type may be a text or a list.
const text = {type: 'string'};
const number = {type: 'number'};
const time = {type: 'string', format: 'stamp'};
const spoken = {anyOf: [text, {type: 'object', required: ['@value'], properties: {'@value': text}}]}; // VC data model 2.0, section 11.1
const list = items => ({type: 'array', items});
const ref = name => ({$ref: `#/$defs/${name}`});
const oneOrList = of => ({anyOf: [of, list(of)]});
// One node in a list of one is the same statement (JSON-LD 1.1, section 4.3).
const one = of => ({anyOf: [of, {type: 'array', minItems: 1, maxItems: 1, items: of}]});
const typed = name => ({anyOf: [{const: name}, {type: 'array', contains: {const: name}}]});
const anyType = {anyOf: [text, {type: 'array', minItems: 1}]};
const texts = (...names) => Object.fromEntries(names.map(n => [n, one(text)]));
const node = (type, required, properties) => ({type: 'object', required: [...(type ? ['type'] : []), ...required],
  properties: {...(type === true ? {type: anyType} : type ? {type: typed(type)} : {}), ...properties}});

// plain is the schema for a validator that has only the formats of JSON Schema.
export const plain = () => JSON.parse(JSON.stringify(schema).replaceAll('"stamp"', '"date-time"'));

export const schema = {
  $schema: 'https://json-schema.org/draft/2019-09/schema',
  ...node(false, ['id', 'name', 'credentialSubject', 'issuer'], {
    ...texts('id'), name: one(spoken), description: one(spoken), image: one(ref('Image')), credentialSubject: one(ref('AchievementSubject')),
    evidence: list(ref('Evidence')), endorsementJwt: list(text), issuer: one({anyOf: [text, ref('Profile')]}), awardedDate: one(time),
    credentialSchema: oneOrList(ref('Service')), credentialStatus: oneOrList(ref('Service')), refreshService: oneOrList(ref('Service')),
    termsOfUse: oneOrList(node(true, [], texts('id'))),
  }),
  $defs: {
    AchievementSubject: {...node('AchievementSubject', ['achievement'], {
      ...texts('id', 'licenseNumber', 'narrative', 'role', 'term'), activityStartDate: one(time), activityEndDate: one(time), creditsEarned: one(number),
      achievement: one(ref('Achievement')), identifier: list(ref('IdentityObject')), image: one(ref('Image')), result: list(ref('Result')), source: one(ref('Profile')),
    }), anyOf: [{required: ['id']}, {required: ['identifier'], properties: {identifier: {anyOf: [{type: 'object'}, {type: 'array', minItems: 1}]}}}]},
    IdentityObject: node('IdentityObject', ['hashed', 'identityHash', 'identityType'], {hashed: one({type: 'boolean'}), ...texts('identityHash', 'identityType', 'salt')}),
    Evidence: node('Evidence', [], texts('id', 'narrative', 'name', 'description', 'genre', 'audience')),
    Achievement: node('Achievement', ['id', 'criteria', 'description', 'name'], {
      ...texts('id', 'achievementType', 'fieldOfStudy', 'humanCode', 'specialization', 'version'), name: one(spoken), description: one(spoken),
      criteria: one(ref('Criteria')), alignment: list(ref('Alignment')), creator: one(ref('Profile')), creditsAvailable: one(number), endorsementJwt: list(text),
      image: one(ref('Image')), otherIdentifier: list(ref('IdentifierEntry')), related: list(node('Related', ['id'], texts('id', 'version'))),
      resultDescription: list(ref('ResultDescription')), tag: list(text),
    }),
    Criteria: node(false, [], texts('id', 'narrative')),
    Alignment: node('Alignment', ['targetName', 'targetUrl'], texts('targetCode', 'targetDescription', 'targetName', 'targetFramework', 'targetType', 'targetUrl')),
    IdentifierEntry: node('IdentifierEntry', ['identifier', 'identifierType'], texts('identifier', 'identifierType')),
    Image: node('Image', ['id'], texts('id', 'caption')),
    Result: node('Result', [], {...texts('achievedLevel', 'resultDescription', 'status', 'value'), alignment: list(ref('Alignment'))}),
    ResultDescription: node('ResultDescription', ['id', 'name', 'resultType'], {...texts('id', 'name', 'resultType', 'requiredLevel', 'requiredValue', 'valueMax', 'valueMin'),
      alignment: list(ref('Alignment')), allowedValue: list(text),
      rubricCriterionLevel: list(node('RubricCriterionLevel', ['id', 'name'], {...texts('id', 'name', 'description', 'level', 'points'), alignment: list(ref('Alignment'))}))}),
    Profile: node('Profile', ['id'], {
      ...texts('id', 'url', 'phone', 'email', 'official', 'familyName', 'givenName', 'additionalName', 'patronymicName', 'honorificPrefix', 'honorificSuffix', 'familyNamePrefix', 'dateOfBirth'),
      name: one(spoken), description: one(spoken), endorsementJwt: list(text), image: one(ref('Image')), otherIdentifier: list(ref('IdentifierEntry')), parentOrg: one(ref('Profile')),
      address: one(node('Address', [], {...texts('addressCountry', 'addressCountryCode', 'addressRegion', 'addressLocality', 'streetAddress', 'postOfficeBoxNumber', 'postalCode'),
        geo: one(node('GeoCoordinates', ['latitude', 'longitude'], {latitude: one(number), longitude: one(number)}))})),
    }),
    Service: node(true, ['id'], texts('id')),
  },
};

// isStamp is an xsd:dateTimeStamp of a year from 0001 to 9999 (XML Schema 1.1 part 2, section 3.4.28).
export function isStamp(s) {
  const m = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|([+-])(\d\d):(\d\d))$/.exec(s);
  if (!m) return false;
  const [y, mo, d, h, mi, se] = m.slice(1, 7).map(Number);
  const last = new Date(Date.UTC(2000, mo, 0)).getUTCDate(); // of a leap year
  const leap = y % 4 === 0 && (y % 100 !== 0 || y % 400 === 0);
  if (y < 1 || mo < 1 || mo > 12 || d < 1 || d > (mo === 2 && !leap ? 28 : last) || mi > 59 || se > 59) return false;
  if (h > 24 || h === 24 && (mi > 0 || se > 0 || /[1-9]/.test(m[7] ?? ''))) return false;
  if (m[8] !== 'Z' && (Number(m[10]) * 60 + Number(m[11]) > 14 * 60 || Number(m[11]) > 59)) return false;
  return !(y === 9999 && mo === 12 && d === 31 && h === 24);
}

// stampTime is its time in milliseconds.
export function stampTime(s) {
  if (!s.includes('T24:')) return Date.parse(s.replace(/(\.\d{3})\d+/, '$1'));
  return Date.parse(s.replace('T24:', 'T00:')) + 24 * 3600e3;
}
