'use strict';
// One view in, one screen out. The machine's clock counts, not the browser's: a view says when it was made, and performance.now how long ago.
const $ = id => document.getElementById(id);
const words = {
  fr: { stale: 'Le panneau ne reçoit plus de nouvelles de la machine', staleNext: 'Se fier aux voyants de la machine', hub: 'En ligne', away: 'Hors ligne : la machine marche quand même',
    other: 'English', report: 'Signaler un problème', phone: 'Téléphone', save: 'Envoyer', well: 'Valider', cancel: 'Annuler', close: 'Fermer', minutes: 'Minutes', now: 'Arrêter tout de suite, sans attendre la fin du travail',
    code: 'Une photo, une phrase : lire ce code avec un téléphone, puis confirmer ici. Il sert une fois, pendant dix minutes.', panel: 'Ce panneau sur un téléphone', lost: 'La machine ne répond pas. Ce qui est choisi reste ici : réessayer' },
  en: { stale: 'The panel has lost touch with the machine', staleNext: 'Trust the machine’s own lights', hub: 'Online', away: 'Offline: the machine works all the same',
    other: 'Français', report: 'Report a problem', phone: 'Phone', save: 'Send', well: 'Confirm', cancel: 'Cancel', close: 'Close', minutes: 'Minutes', now: 'Stop at once, do not wait for the job to end',
    code: 'A photo, a sentence: read this code with a phone, then confirm here. It works once, for ten minutes.', panel: 'This panel on a phone', lost: 'The machine does not answer. What is chosen stays here: try again' },
};
// ms: news older than `old` is none; a form that nobody touches closes after `idle`; an answer may take `patience`; a page at the machine
// reports itself every `aliveEvery` (screens.go: silentAfter); timers that stood still for `frozen` did so with the page
const old = 5000, idle = 90000, patience = 6000, aliveEvery = 5000, frozen = 12000;
const here = document.documentElement.dataset.here === 'true', forms = ['log', 'tag', 'report']; // a screen at the machine; what opens a form
let view = null, heard = -Infinity, made = 0, lang = document.documentElement.lang, trouble = null, form = null, touched = 0, picked = new Set();
try { lang = localStorage.getItem('lang') || lang } catch { /* a kiosk may forbid it */ }
// French sets a space before : ; ? ! » and after «, at which no line may break; nor between a number and its unit, a day and its month.
const tie = s => s.replace(/« | [:;?!»]|\d (?:h|min|s|j|d|Mo|MB)\b(?: \d)?|\d(?:er)? (?:jan|fév|feb|mar|avr|apr|mai|may|jui|jun|jul|aoû|aug|sep|oct|nov|déc|dec)/gi, m => m.replaceAll(' ', '\u00a0'));
for (const l of Object.values(words)) for (const k in l) l[k] = tie(l[k]);
const text = t => t ? tie((lang === 'en' ? t.EN || t.FR : t.FR || t.EN) || '') : '';
// A page that shows this one in a frame may ask for a language: #en.
const asked = () => { const l = location.hash.slice(1); if (words[l]) lang = l };
asked();
addEventListener('hashchange', () => { asked(); draw() });
const now = () => made + performance.now() - heard, stale = () => !view || performance.now() - heard > old;
const set = (id, s) => { if ($(id).textContent !== s) $(id).textContent = s };
const button = (label, click, more = {}) => Object.assign(document.createElement('button'), { type: 'button', textContent: label, onclick: click }, more);

// What follows from a sign alone stands with its drawing, from the table of states (states.go). A sign that has no drawing is a refusal.
const drawings = new Map([...document.querySelectorAll('#sign .s')].map(g => [g.dataset.sign, g]));
const drawing = sign => drawings.get(sign || 'silent') || drawings.get('refused');
function draw() {
  const w = words[lang], gone = stale(), main = document.querySelector('main'), desk = !gone && view.desk;
  const state = drawing(gone ? 'stale' : view.sign), has = state.dataset, asks = desk && 'calm' in has && desk.ask; // a question goes behind whatever else the machine has to say
  document.documentElement.lang = lang;
  if (view && view.look) document.documentElement.dataset.look = view.look;
  main.dataset.sign = has.sign; main.dataset.colour = has.colour || '';
  for (const g of drawings.values()) g.classList.toggle('shown', g === state);
  set('line', !view ? 'Portillon' : gone ? suspended ? '…' : w.stale : trouble ? text(trouble) : asks ? text(desk.line) : text(view.line));
  set('next', !view ? '' : gone ? suspended ? '' : w.staleNext : trouble ? '' : text(view.next));
  set('role', gone || trouble ? '' : text(view.role));
  set('note', gone ? '' : text(view.note));
  set('hub', gone ? '' : view.hub ? w.hub : w.away);
  for (const id of ['report', 'phone']) set(id, w[id]);
  set('lang', w.other);
  set('name', $('name').dataset[lang]);
  $('report').disabled = gone;
  $('phone').hidden = !$('qr').content.querySelector('svg');
  const offers = gone ? [] : (view.offers || []).filter(() => here);
  list('offers', JSON.stringify([offers, asks, lang, picked.size]), () => [...(asks === 'vouch' ? [button(w.well, vouch, { className: 'chosen', disabled: !picked.size })] : []),
    ...offers.map(o => button(text(o.label), () => touch(o)))]);
  list('items', JSON.stringify([asks && desk.items, asks, lang, [...picked]]), () => asks ? (desk.items || []).map(c => {
    const b = button(text(c.label), () => asks === 'vouch' ? toggle(c.id) : open({ do: 'log', item: c.id }));
    if (asks === 'vouch') b.setAttribute('aria-pressed', picked.has(c.id));
    return b;
  }) : []);
  if (!asks) picked.clear();
  main.classList.toggle('asks', !!asks && !trouble);
  main.classList.toggle('busy', offers.length > 0);
  if (form && (performance.now() > form.ends || performance.now() - touched > idle || desk && desk.at !== (form.at || 0) || 'urgent' in has)) shut();
  if ($('sheet').open && !form && (gone || 'urgent' in has)) $('sheet').close();
  if (form && gone) set('trouble', w.lost);
  if (desk && desk.report && desk.at !== told && here) { told = desk.at; open({ do: 'report' }) } // they were asked for their card to report
  tick(main, gone, 'saysTime' in has);
}
let told = 0;
const shown = {};
function list(id, key, make) { // buttons are made anew only when they change: a finger may be on one
  if (shown[id] === key) return;
  shown[id] = key;
  const at = [...$(id).children].indexOf(document.activeElement);
  $(id).replaceChildren(...make());
  if (at >= 0) $(id).children[at]?.focus();
}

function tick(main, gone, said) {
  let s = '';
  const until = !gone && view.until ? Date.parse(view.until) : 0;
  if (until) {
    const left = Math.max(0, Math.ceil((until - now()) / 1000)), min = Math.ceil(left / 60), h = Math.floor(min / 60), m = min % 60;
    s = h ? `${h} h ${String(m).padStart(2, '0')}` : left >= 120 ? `${m} min` : `${left} s`;
    s = lang === 'en' ? s + ' left' : 'encore ' + s;
    const all = (until - Date.parse(view.since || view.now)) / 1000;
    $('arc').style.strokeDasharray = `${all > 0 ? Math.min(100, 100 * left / all) : 0} 100`;
  }
  if (until) main.dataset.timed = ''; else delete main.dataset.timed;
  set('left', said ? '' : s);
}

// What people do. Every answer that is no is shown in the machine's words.
async function send(path, what) {
  const body = what instanceof FormData ? what : JSON.stringify(what);
  try {
    const r = await fetch(path, { method: 'POST', body, headers: { Accept: 'application/json' }, signal: AbortSignal.timeout(patience) });
    if (r.ok) return r.status === 204 ? {} : await r.json();
    return { no: await r.json().catch(() => ({ FR: words.fr.lost, EN: words.en.lost })) };
  } catch { return { no: { FR: words.fr.lost, EN: words.en.lost } } }
}
let quiet = 0;
function say(t) { trouble = t; clearTimeout(quiet); quiet = setTimeout(() => { trouble = null; draw() }, 5000); draw() }
async function touch(o) {
  if (forms.includes(o.do)) return open({ do: o.do });
  const r = await send('do', { do: o.do, arg: o.arg || '', at: at() });
  if (r.no) say(r.no);
}
const at = () => view && view.desk ? view.desk.at : 0; // whose screen this was when they touched it
function toggle(id) { picked.has(id) ? picked.delete(id) : picked.add(id); draw() }
async function vouch() { const r = await send('do', { do: 'vouch', items: [...picked], at: at() }); if (r.no) say(r.no) }

async function open(ask) {
  const sent = now(), r = await send('form', { ...ask, at: at() });
  if (r.no) return say(r.no);
  form = Object.assign(r, { item: r.item || '', by: r.minutes || 0, ends: performance.now() + Date.parse(r.ends) - sent });
  $('now').checked = false; set('trouble', '');
  touched = performance.now();
  sheet();
  $('sheet').showModal();
}
function sheet() {
  const w = words[lang];
  set('title', text(form.title)); set('save', w.save); set('minutes-label', w.minutes); set('cancel', w.cancel); set('minutes', String(form.by));
  $('stop').querySelector('span').textContent = w.now;
  $('time').hidden = !form.parts;
  $('stop').hidden = !form.stop || form.stop !== '*' && form.item !== form.stop;
  $('save').hidden = false; $('save').disabled = !form.item;
  $('choices').replaceChildren(...form.items.map(c => {
    const b = button(text(c.label), () => { form.item = c.id; sheet(); $('choices').querySelector('[aria-checked=true]').focus() });
    b.setAttribute('role', 'radio'); b.setAttribute('aria-checked', form.item === c.id);
    return b;
  }));
  $('code').className = '';
  $('code').replaceChildren(...form.qr ? code(form.qr, w.code) : []);
}
function code(qr, what) {
  const ns = 'http://www.w3.org/2000/svg', svg = document.createElementNS(ns, 'svg'), path = document.createElementNS(ns, 'path');
  svg.setAttribute('viewBox', `0 0 ${qr.size} ${qr.size}`); svg.setAttribute('aria-hidden', 'true'); path.setAttribute('d', qr.path);
  svg.append(path);
  return [svg, Object.assign(document.createElement('p'), { textContent: what, className: 'url' })];
}
async function save() {
  const f = new FormData(), mine = form;
  f.set('item', form.item); f.set('minutes', form.by);
  if ($('now').checked && !$('stop').hidden) f.set('now', 'on');
  $('save').disabled = true;
  const r = await send('form/' + form.token, f);
  if (form !== mine) return;
  if (r.no) { set('trouble', text(r.no)); $('save').disabled = false } else { shut(); if (r.FR) say(r) } // it waits for its member
}
function shut() { form = null; if ($('sheet').open) $('sheet').close() }
function phone() { // this panel's own address
  const w = words[lang];
  set('title', w.panel); set('cancel', w.close); set('trouble', '');
  $('choices').replaceChildren(); $('time').hidden = $('stop').hidden = $('save').hidden = true;
  $('code').className = 'big';
  $('code').replaceChildren($('qr').content.cloneNode(true));
  $('sheet').showModal();
}
$('sheet').addEventListener('close', () => { form = null });
$('sheet').addEventListener('pointerdown', () => { touched = performance.now() });
$('sheet').addEventListener('keydown', e => {
  touched = performance.now();
  const all = [...$('choices').children], n = all.indexOf(document.activeElement), step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
  if (n < 0 || !step) return;
  e.preventDefault();
  const next = all[(n + step + all.length) % all.length];
  next.focus(); next.click();
});
$('save').onclick = save; $('cancel').onclick = shut; $('report').onclick = () => open({ do: 'report' }); $('phone').onclick = phone;
for (const b of document.querySelectorAll('[data-add]')) b.onclick = () => { const by = Number(b.dataset.add); form.by = Math.min(1440, Math.max(0, by > 0 ? Math.floor(form.by / 5) * 5 + by : Math.ceil(form.by / 5) * 5 + by)); set('minutes', String(form.by)) };
addEventListener('visibilitychange', () => { if (!document.hidden) { heard = -Infinity; draw() } }); // a phone that slept: what it knows is old, whatever its clock says
$('lang').onclick = () => { lang = lang === 'en' ? 'fr' : 'en'; try { localStorage.setItem('lang', lang) } catch { /* as above */ } draw(); if (form) sheet() };

// Sounds, where the screen has a loudspeaker and is not one of several: data-beeps has milliseconds on, off, on.
let last = '', sound = null;
function beep(sign) {
  if (sign === last || !last || self !== top) { last = sign; return }
  last = sign;
  try {
    sound ||= new AudioContext();
    let t = sound.currentTime;
    (drawing(sign).dataset.beeps || '').split(' ').forEach((ms, i) => {
      if (i % 2 === 0 && ms) {
        const o = sound.createOscillator();
        o.frequency.value = 880; o.connect(sound.destination); o.start(t); o.stop(t + ms / 1000);
      }
      t += ms / 1000;
    });
  } catch { /* no sound here */ }
}

// A page whose timers stood still (a suspended computer, a frozen tab) must not show what it knew before, nor what waited for it meanwhile:
// it shows "…" until the first word of a new stream.
let pulse = performance.now(), suspended = false, stream = null;
function stoodStill() {
  const t = performance.now(), gap = t - pulse;
  pulse = t;
  if (gap <= frozen) return false;
  suspended = true; heard = -Infinity;
  draw(); listen();
  return true;
}
// At the machine's own screen the page reports that it runs, and which view it shows; 0: it shows that it knows none.
let reported = performance.now();
function alive(leaves) {
  if (!here) return;
  reported = performance.now();
  fetch('alive', { method: 'POST', keepalive: leaves, body: JSON.stringify({ rev: stale() ? 0 : view.rev, leaves }), signal: leaves ? undefined : AbortSignal.timeout(patience) }).catch(() => {});
}
const report = () => { if (performance.now() - reported >= aliveEvery) alive(false) };
addEventListener('pagehide', () => alive(true));

function listen() {
  stream?.close();
  const es = stream = new EventSource('events');
  es.onmessage = e => {
    if (es !== stream || stoodStill()) return;
    suspended = false;
    view = JSON.parse(e.data); made = Date.parse(view.now); heard = performance.now();
    if (view.build !== document.documentElement.dataset.build && heard > 10000) return location.reload(); // the machine was upgraded while this page was open
    draw(); beep(view.sign); report();
  };
  es.onerror = () => { if (es === stream && es.readyState === 2) setTimeout(() => { if (es === stream) listen() }, 3000) };
}
listen();
setInterval(() => { if (!stoodStill()) draw(); report() }, 1000);
