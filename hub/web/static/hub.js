// The pages work without this script. It swaps parts of a page: what changed at the site, and results while one types.
(() => {
  'use strict';
  let asked = 0;
  // swap fetches an address and puts the parts with these ids in the place of those shown. What a page asks for by
  // itself (keepAddress) is no use of the session.
  async function swap(url, ids, keepAddress) {
    const mine = ++asked;
    const headers = { Accept: 'text/html' };
    if (keepAddress) headers['Portillon-Background'] = '1';
    const answer = await fetch(url, { headers, credentials: 'same-origin' });
    if (!answer.ok || answer.redirected || mine !== asked) return;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (mine !== asked) return;
    for (const id of ids) {
      const now = document.getElementById(id), next = page.getElementById(id);
      if (!now || !next || now.innerHTML === next.innerHTML) continue;
      // Whoever is in the middle of something here keeps it: a field with focus, an open part, a selection.
      if (now.contains(document.activeElement) || now.querySelector('details[open]')) continue;
      now.replaceWith(document.importNode(next, true));
      document.getElementById(id).classList.add('fresh');
    }
    if (!keepAddress) history.replaceState(null, '', url);
  }
  // The message of what was done is not said again when the page is opened again.
  const here = new URL(location);
  if (here.searchParams.has('done')) {
    here.searchParams.delete('done');
    history.replaceState(null, '', here);
  }
  // Results while one types.
  for (const form of document.querySelectorAll('form[data-live-search]')) {
    let wait;
    const find = () => {
      const url = new URL(form.action);
      for (const [k, v] of new FormData(form)) if (v) url.searchParams.set(k, v);
      swap(url, [form.dataset.liveSearch]).catch(() => {});
    };
    form.addEventListener('input', () => { clearTimeout(wait); wait = setTimeout(find, 200) });
  }
  // A form is sent once, however often its button is pressed.
  document.addEventListener('submit', e => {
    if (e.defaultPrevented || e.target.method !== 'post') return;
    if (e.target.dataset.sent) e.preventDefault();
    e.target.dataset.sent = '1';
  });
  addEventListener('pageshow', () => document.querySelectorAll('form[data-sent]').forEach(f => delete f.dataset.sent));
  // A fault in a line of the policy: its button puts the cursor there.
  const text = document.getElementById('text');
  for (const place of text ? document.querySelectorAll('[data-line]') : []) {
    place.addEventListener('click', () => {
      const lines = text.value.split('\n'), n = Math.min(+place.dataset.line, lines.length);
      const from = lines.slice(0, n - 1).join('\n').length + (n > 1 ? 1 : 0);
      text.focus();
      text.setSelectionRange(from, from + lines[n - 1].length);
      text.scrollTop = (n - 5) * parseFloat(getComputedStyle(text).lineHeight);
    });
    place.hidden = false;
  }
  // What changes at the site changes on the page.
  const live = () => [...document.querySelectorAll('[data-live][id]')].map(e => e.id);
  const events = document.body.dataset.events;
  if (events && live().length && 'EventSource' in window) {
    let due, last = 0;
    const changed = () => {
      clearTimeout(due);
      due = setTimeout(() => { last = Date.now(); if (!document.hidden) swap(location.href, live(), true).catch(() => {}) }, Math.max(300, 2000 - (Date.now() - last)));
    };
    const source = new EventSource(events);
    source.onmessage = changed;
    for (const topic of ['directory', 'machines', 'policy', 'bundle', 'records', 'states', 'taps']) source.addEventListener(topic, changed);
    document.addEventListener('visibilitychange', () => { if (!document.hidden) changed() });
    setInterval(() => { if (!document.hidden) changed() }, 60000); // times such as "until 16:00" grow old by themselves
    addEventListener('pagehide', () => source.close());
  }
})();
