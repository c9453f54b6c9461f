'use strict';
// One view in, one screen out. The machine's clock counts, not the browser's.
const $ = id => document.getElementById(id);
const words = {
  fr: { stale: 'Le panneau ne reçoit plus de nouvelles de la machine', staleNext: 'Se fier aux voyants de la machine', hub: 'hub relié', away: 'hub absent, la machine fonctionne', left: 'encore', other: 'English', roleFailed: 'Choix non pris : ' },
  en: { stale: 'The panel has lost touch with the machine', staleNext: 'Trust the machine’s own lights', hub: 'hub reached', away: 'hub away, the machine works', left: '', other: 'Français', roleFailed: 'Not taken: ' },
};
let view = null, skew = 0, heard = 0, lang = document.documentElement.lang;
try { lang = localStorage.getItem('lang') || lang } catch { /* a kiosk may forbid it */ }
// French sets a space before : ; ? ! » and after «, at which no line may break.
const tie = s => s.replace(/« /g, '«\u00a0').replace(/ ([:;?!»])/g, '\u00a0$1');
const text = t => t ? tie((lang === 'en' ? t.EN || t.FR : t.FR || t.EN) || '') : '';
// A page that shows this one in a frame may ask for a language: #en.
const asked = () => { const l = location.hash.slice(1); if (words[l]) lang = l };
asked();
addEventListener('hashchange', () => { asked(); draw() });

function draw() {
  const w = words[lang], stale = !view || performance.now() - heard > 12000;
  document.documentElement.lang = lang;
  document.querySelector('main').dataset.sign = stale ? 'stale' : view.sign || 'silent';
  set('line', !view ? 'Portillon' : stale ? w.stale : text(view.line));
  set('next', !view ? '' : stale ? w.staleNext : text(view.next));
  set('note', stale ? '' : text(view.note));
  set('hub', stale ? '' : view.hub ? w.hub : w.away);
  set('lang', w.other);
  set('name', $('name').dataset[lang]);
  roles(stale ? [] : view.roles || []);
  tick();
}
function set(id, s) { if ($(id).textContent !== s) $(id).textContent = s }

function tick() {
  let s = '';
  if (view && view.until && performance.now() - heard <= 12000) {
    const left = Math.max(0, Math.round((Date.parse(view.until) - (Date.now() + skew)) / 1000));
    const h = Math.floor(left / 3600), m = Math.floor(left / 60) % 60;
    s = h ? `${h} h ${String(m).padStart(2, '0')}` : left >= 120 ? `${m} min` : `${left} s`;
    if (lang === 'en') s += ' left'; else s = 'encore ' + s;
  }
  set('left', s);
}

let shown = '';
function roles(list) {
  const key = JSON.stringify([list, lang]);
  if (key === shown) return;
  shown = key;
  $('roles').replaceChildren(...list.map(c => {
    const b = document.createElement('button');
    b.type = 'button';
    b.textContent = text(c.label);
    b.onclick = () => fetch('role', { method: 'POST', body: c.role })
      .then(async r => { if (!r.ok) set('next', words[lang].roleFailed + await r.text()) })
      .catch(() => { heard = -1e9; draw() });
    return b;
  }));
}

$('lang').onclick = () => { lang = lang === 'en' ? 'fr' : 'en'; try { localStorage.setItem('lang', lang) } catch { /* as above */ } draw() };
function listen() {
  const es = new EventSource('events');
  es.onmessage = e => { view = JSON.parse(e.data); skew = Date.parse(view.now) - Date.now(); heard = performance.now(); draw() };
  es.onerror = () => { if (es.readyState === 2) { es.close(); setTimeout(listen, 3000) } };
}
listen();
setInterval(draw, 1000);
