'use strict';
// The page of the demo: it asks the demo's server to present a card, and shows what came of it.
const $ = id => document.getElementById(id);
const words = {
  fr: {
    what: 'Trois machines, leurs gardiens de relais, un hub et ses membres, sur des broches simulées.',
    other: 'English', clock: 'Dans la démo\u00a0: ', cards: m => tie(`Cartes des membres : un clic présente la carte à « ${m} »`),
    lit: 'machine alimentée', dark: 'machine coupée', alone: 'Panneau seul', choose: 'Présenter les cartes ici', chosen: 'Les cartes vont ici',
    log: k => 'Noter\u00a0: ' + k, estop: 'Arrêt d’urgence', release: 'Déverrouiller l’arrêt', kill: 'Couper le programme', tag: 'Mettre hors service', untag: 'Remettre en service',
    records: 'Ce que le hub a reçu par MQTT', heads: ['machine', 'n°', 'heure', 'quoi', 'qui', 'détail'], evidence: 'Preuves pour un badge de mainteneur',
    none: 'Personne n’a encore aidé à une maintenance.', of: 'sur', issue: 'Émettre le badge signé', issued: 'Badge émis : il ouvre la maintenance', nocard: 'sans carte', unknown: 'Carte inconnue', stranger: 'n’est à personne',
    hub: 'Les pages du hub', hubWhat: 'Un clic ouvre le hub dans un autre onglet, connecté comme cette personne. Un navigateur est une seule personne à la fois. Ce qu’on y change agit sur les machines d’ici.',
    atHub: who => `Sa page au hub (${who})`,
    foot: 'Portillon règle un accès ; ce n’est pas une fonction de sécurité. Ctrl-C dans le terminal arrête tout et efface tout.',
    lost: 'La démo est arrêtée.',
    try: ['Cliquer sur la carte de Léa : elle est autonome à la découpe laser, la machine démarre. Cliquer encore : elle s’arrête.',
      'Cliquer sur Jules : 1er pas. La machine attend un mentor : cliquer sur Karim. Encore Karim : le panneau lui demande ce que Jules a réussi.',
      'Cliquer sur Inès (mainteneuse), puis sur Léa qui vient l’aider, puis une fois sur chaque « Noter » ; Inès termine, et on recommence jusqu’à cinq. Sur le panneau : arrêter la machine, mettre hors service, signaler un problème.',
      'La preuve est complète : émettre le badge. Terminer avec la carte d’Inès, puis Léa peut choisir « Faire la maintenance ».',
      'Cliquer sur la carte inconnue, ouvrir le hub comme Olivia : la carte est sous « Aujourd’hui ». L’attribuer à Tom, puis cliquer ici sur Tom.'],
  },
  en: {
    what: 'Three machines, their relay guards, a hub and its members, on simulated pins.',
    other: 'Français', clock: 'In the demo: ', cards: m => `Members’ cards: a click taps the card at “${m}”`,
    lit: 'machine powered', dark: 'machine off', alone: 'Panel alone', choose: 'Tap cards here', chosen: 'Cards go here',
    log: k => 'Log: ' + k, estop: 'Emergency stop', release: 'Release the stop', kill: 'Crash the daemon', tag: 'Tag out', untag: 'Return to service',
    records: 'What the hub has received over MQTT', heads: ['machine', 'no.', 'time', 'what', 'who', 'detail'], evidence: 'Evidence towards a maintainer’s badge',
    none: 'Nobody has helped with maintenance yet.', of: 'of', issue: 'Issue the signed badge', issued: 'Badge issued: it opens maintenance', nocard: 'no card', unknown: 'Unknown card', stranger: 'belongs to nobody',
    hub: 'The hub’s pages', hubWhat: 'A click opens the hub in another tab, signed in as that person. A browser is one person at a time. What is changed there acts at the machines here.',
    atHub: who => `Its page at the hub (${who})`,
    foot: 'Portillon is access control, not a safety function. Ctrl-C in the terminal stops everything and leaves nothing behind.',
    lost: 'The demo has stopped.',
    try: ['Click Léa’s card: she may use the laser alone, the machine comes on. Click again: it stops.',
      'Click Jules: first steps only. The machine waits for a mentor: click Karim. Karim again: the panel asks him what Jules did well.',
      'Click Inès (maintainer), then Léa who comes to help, then each “Log” once; Inès ends, and they begin again until five count. At the panel: stop the machine, take out of service, report a problem.',
      'The evidence is complete: issue the badge. End with Inès’s card; now Léa can choose “Do maintenance”.',
      'Click the unknown card, open the hub as Olivia: the card is under “Today”. Give it to Tom, then click Tom here.'],
  },
};
let lang = navigator.language && !navigator.language.startsWith('fr') ? 'en' : 'fr', state = null, chosen = null, answer = null, as = null;
const w = () => words[lang], tie = s => s.replace(/« | [:;?!»]|\d (?:h|min|s|j|d|Mo|MB)\b(?: \d)?/g, m => m.replaceAll(' ', '\u00a0')), text = t => t ? tie((lang === 'en' ? t.EN || t.FR : t.FR || t.EN) || '') : '';

function el(tag, cls, kids) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  for (const k of [].concat(kids ?? [])) e.append(k);
  return e;
}
function button(label, id, run) {
  const b = el('button', '', label);
  b.type = 'button';
  b.dataset.id = id;
  b.onclick = run;
  return b;
}
// A button that opens a page of the hub in another tab, as somebody. It is a form, because it begins a session there.
function opens(label, id, person, page) {
  const b = el('button', '', label), f = el('form', '', b);
  f.method = 'post';
  f.action = 'as';
  f.target = 'hub';
  b.dataset.id = id;
  for (const [k, v] of Object.entries({ person, page, lang })) {
    const i = el('input');
    i.type = 'hidden';
    i.name = k;
    i.value = v;
    f.append(i);
  }
  f.addEventListener('submit', () => { as = person; setTimeout(draw) });
  return f;
}
async function post(path, body) {
  try {
    const r = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    answer = await r.json();
  } catch { answer = { FR: words.fr.lost, EN: words.en.lost } }
  $('answer').textContent = text(answer);
}

// A part of the page is built again only where what it shows has changed: an open button must not jump.
const built = {};
function part(id, key, make) {
  const k = JSON.stringify([key, lang, chosen, as]);
  if (built[id] === k) return;
  built[id] = k;
  $(id).replaceChildren(...make());
}

function draw() {
  document.documentElement.lang = lang;
  $('what').textContent = w().what;
  $('lang').textContent = w().other;
  $('foot').textContent = w().foot;
  $('records-title').textContent = w().records;
  $('evidence-title').textContent = w().evidence;
  $('answer').textContent = text(answer);
  part('try', 0, () => w().try.map(t => el('li', '', tie(t))));
  part('heads', 0, () => w().heads.map(t => el('th', '', t)));
  if (!state) return;
  chosen ??= state.machines[0].id;
  as ??= state.people[0].id;
  $('clock').textContent = w().clock + text(state.clock);
  machines();
  $('cards-title').textContent = w().cards(text(state.machines.find(m => m.id === chosen).name));
  part('cards', state.members, () => state.members.map(card));
  $('hub-title').textContent = w().hub;
  $('hub-what').textContent = w().hubWhat;
  part('people', state.people, () => state.people.map(p => {
    const f = opens([el('b', '', p.name), el('span', '', text(p.does))], 'as-' + p.id, p.id, '/');
    f.firstChild.className = p.id === as ? 'card picked' : 'card';
    return f;
  }));
  part('rows', state.records, () => state.records.map(r => el('tr', '', [r.machine, String(r.seq), r.time, r.kind, r.who, text(r.detail)].map(x => el('td', '', x)))));
  part('progress', state.evidence, progress);
}

function machines() {
  const box = $('machines');
  for (const m of state.machines) {
    let a = document.getElementById('m-' + m.id);
    if (!a) {
      a = el('article', 'machine');
      a.id = 'm-' + m.id;
      const frame = el('iframe');
      const alone = el('a', 'alone');
      alone.target = '_blank';
      a.append(el('header', '', [el('b'), alone, el('span', 'lamp')]), frame, el('div', 'tools'));
      box.append(a);
    }
    const src = m.panel + '#' + lang, frame = a.querySelector('iframe');
    if (frame.getAttribute('src') !== src) frame.src = src;
    a.classList.toggle('chosen', m.id === chosen);
    a.querySelector('b').textContent = frame.title = text(m.name);
    const alone = a.querySelector('.alone');
    alone.href = m.panel + '#' + lang;
    alone.textContent = w().alone;
    const lamp = a.querySelector('.lamp');
    lamp.classList.toggle('lit', m.relay);
    lamp.replaceChildren(el('i'), m.relay ? w().lit : w().dark);
    const key = JSON.stringify([m.phase, m.estop, m.tagged, m.kinds, lang, chosen, as]);
    if (a.dataset.key === key) continue;
    a.dataset.key = key;
    const tools = [];
    const pick = button(m.id === chosen ? w().chosen : w().choose, 'choose', () => { chosen = m.id; draw() });
    pick.disabled = m.id === chosen;
    tools.push(pick);
    if (m.phase === 'maintenance') tools.push(...m.kinds.map(k => button(w().log(text(k.name)), 'log-' + k.id, () => post('log', { machine: m.id, kind: k.id }))));
    tools.push(m.tagged ? button(w().untag, 'untag', () => post('untag', { machine: m.id })) : button(w().tag, 'tag', () => post('tag', { machine: m.id })));
    tools.push(button(m.estop ? w().release : w().estop, 'estop', () => post('estop', { machine: m.id, open: !m.estop })));
    tools.push(button(w().kill, 'kill', () => post('kill', { machine: m.id })));
    tools.push(opens(w().atHub(state.people.find(p => p.id === as).name), 'hub', as, m.page));
    a.querySelector('.tools').replaceChildren(...tools);
  }
}

function card(m) {
  const b = button([el('b', '', m.name), el('span', '', text(m.badges))], 'card-' + m.id, () => tap(m.id));
  b.className = 'card';
  b.disabled = !m.card;
  if (!m.card) b.append(el('span', '', w().nocard));
  return b;
}

// On a narrow screen the cards lie over the machines: the machine that was tapped comes into view.
function tap(member) {
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (innerWidth < 900) document.getElementById('m-' + chosen).scrollIntoView({ block: 'start', behavior: still ? 'auto' : 'smooth' });
  return post('tap', { machine: chosen, member });
}

function progress() {
  if (!state.evidence.length) return [el('p', 'whys', w().none)];
  return state.evidence.flatMap(e => {
    const bar = el('div', 'bar', Array.from({ length: e.needed }, (_, i) => el('i', i < e.counted ? 'full' : '')));
    bar.setAttribute('role', 'img');
    bar.setAttribute('aria-label', `${e.counted} ${w().of} ${e.needed}`);
    const out = [el('div', '', [el('b', '', e.name), ` · ${text(e.badge)} · ${e.counted} ${w().of} ${e.needed}`]), bar];
    if (e.whys.length) out.push(el('ul', 'whys', e.whys.map(x => el('li', '', text(x)))));
    if (e.issued) out.push(el('p', '', w().issued));
    else if (e.complete) out.push(button(w().issue, 'issue', () => post('issue', { member: e.member, badge: e.id })));
    return out;
  });
}

$('lang').onclick = () => { lang = lang === 'en' ? 'fr' : 'en'; draw() };
const es = new EventSource('events');
es.onmessage = e => { state = JSON.parse(e.data); draw() };
es.onerror = () => { $('answer').textContent = w().lost };
draw();
