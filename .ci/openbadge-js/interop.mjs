// node interop.mjs PORTILLON: what portillon issues is verified by @digitalbazaar/vc, and what that issues by portillon; each refuses
// 20 changes of it, for the stated reasons. Exits with 1 where that does not hold.
import {judge, proveRed} from './judge.mjs';
import {issuer, verifier} from './theirs.mjs';
import {Portillon} from './ours.mjs';

export const at = '2026-11-23T12:00:00Z';
const list = 'https://lab.example/obv3/revoked/1';

// badge is what both sides issue: about 3 KB, as a platform writes it.
export const badge = {
  name: 'Découpe laser - Mainteneur',
  description: 'Le ou la titulaire de ce badge entretient la découpeuse laser du lieu : nettoyage de l’optique, contrôle des miroirs, remplacement des filtres, essais de coupe. ' +
    'Elle ou il consigne chaque intervention, met la machine hors service quand il le faut et la rend aux membres après un essai.',
  criteria: 'Avoir mené seul·e trois interventions consignées sur la machine, sous la responsabilité d’un mainteneur, et avoir expliqué devant lui les risques du faisceau, de l’aspiration et des matières interdites.',
  evidence: ['Nettoyage de la lentille et des trois miroirs, puis contrôle de la puissance : écart de 2 %, consigné par le mainteneur de garde.',
    'Remplacement du filtre à charbon de l’aspiration, essai de fumée fait, étanchéité vérifiée avant la remise en service.',
    'Réglage de la mise au point sur la grille d’essai : 0,2 mm d’écart sur la diagonale, corrigé puis mesuré une seconde fois par un autre membre.',
    'Changement de la courroie de l’axe Y et graissage des rails, machine consignée pendant deux heures, essai de coupe sur contreplaqué de 3 mm ; ' +
    'les chutes et les mesures sont gardées dans le classeur de la machine, à côté de la fiche de sécurité.'],
};

export function issueOurs(p, ...more) {
  p.run('badge', 'issue', '--key', 'issuer.key', '--issuer-name', 'BIK’LAB', '--achievement', 'https://lab.example/achievements/laser-maintainer', '--name', badge.name,
    '--description', badge.description, '--criteria', badge.criteria, '--recipient', 'lea@example.org', '--subject', 'urn:uuid:6f2e33e5-7a29-4155-840a-59483ba10164',
    ...badge.evidence.flatMap(e => ['--evidence-note', e]), '--from', '2026-01-02T03:04:05Z', '--until', '2028-01-01T00:00:00Z', '--id', 'https://lab.example/credentials/1', ...more);
}

async function main(binary) {
  const p = new Portillon(binary);
  try {
    const did = p.run('badge', 'keygen', '-o', 'issuer.key').trim();
    issueOurs(p, '--status', list, '-o', 'ours.json');
    const ours = JSON.parse(p.read('ours.json'));
    const theyVerify = verifier({at});
    console.log(`ours, verified by @digitalbazaar/vc: accepted; ${await judge(ours, theyVerify, 'theirs')} changes refused`);
    console.log(`  this check was ${await proveRed(ours, theyVerify, 'theirs')}`);

    const other = await issuer();
    const {proof: _, ...unsigned} = ours;
    const theirs = await other.sign({...unsigned, issuer: {...unsigned.issuer, id: other.did}}, '2026-01-02T03:04:05Z');
    p.write('lists/1.json', JSON.stringify({id: list, revokedCredential: []}));
    const weVerify = p.verifier(p.trust('theirs.yaml', other.did, other.did), at, '--status', p.path('lists'));
    console.log(`theirs, verified by portillon: accepted; ${await judge(theirs, weVerify, 'ours')} changes refused`);
    console.log(`  this check was ${await proveRed(theirs, weVerify, 'ours')}`);
  } finally {
    p.close();
  }
}

if (process.argv[1].endsWith('interop.mjs')) await main(process.argv[2]);
