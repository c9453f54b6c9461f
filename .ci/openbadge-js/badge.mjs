// The badge that both sides issue and verify: about 3 KB, as a platform writes it.
export const badge = {
  at: '2026-11-23T12:00:00Z',
  from: '2026-01-02T03:04:05Z',
  status: 'https://lab.example/obv3/revoked/1',
  description: 'Le ou la titulaire de ce badge entretient la découpeuse laser du lieu : nettoyage de l’optique, contrôle des miroirs, remplacement des filtres, essais de coupe. ' +
    'Elle ou il consigne chaque intervention, met la machine hors service quand il le faut et la rend aux membres après un essai.',
  criteria: 'Avoir mené seul·e quatre interventions consignées sur la machine, sous la responsabilité d’un mainteneur, et avoir expliqué devant lui les risques du faisceau, de l’aspiration et des matières interdites.',
  evidence: [
    'Nettoyage de la lentille et des trois miroirs, puis contrôle de la puissance : écart de 2 %, consigné par le mainteneur de garde.',
    'Remplacement du filtre à charbon de l’aspiration, essai de fumée fait, étanchéité vérifiée avant la remise en service.',
    'Réglage de la mise au point sur la grille d’essai : 0,2 mm d’écart sur la diagonale, corrigé puis mesuré une seconde fois par un autre membre.',
    'Changement de la courroie de l’axe Y et graissage des rails, machine consignée pendant deux heures, essai de coupe sur contreplaqué de 3 mm ; ' +
      'les chutes et les mesures sont gardées dans le classeur de la machine, à côté de la fiche de sécurité.',
  ],
};

// issue makes it with portillon.
export function issue(p, ...more) {
  p.run('badge', 'issue', '--issuer-name', 'BIK’LAB', '--achievement', 'https://lab.example/achievements/laser-maintainer', '--name', 'Découpe laser - Mainteneur',
    '--description', badge.description, '--criteria', badge.criteria, '--recipient', 'lea@example.org', '--subject', 'urn:uuid:6f2e33e5-7a29-4155-840a-59483ba10164',
    ...badge.evidence.flatMap(e => ['--evidence-note', e]), '--from', badge.from, '--until', '2028-01-01T00:00:00Z', '--id', 'https://lab.example/credentials/1', ...more);
}
