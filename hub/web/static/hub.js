// The pages work without this script. The script replaces parts of a page: changed data, and results of a live search.
(() => {
  'use strict';
  let asked = 0;
  // swap fetches an address and replaces the parts of the page with these ids. A background request (keepAddress)
  // does not extend the session. The result is the status of the answer.
  async function swap(url, ids, keepAddress) {
    const mine = ++asked;
    const headers = { Accept: 'text/html' };
    if (keepAddress) headers['Portillon-Background'] = '1';
    const answer = await fetch(url, { headers, credentials: 'same-origin' });
    if (!answer.ok || answer.redirected || mine !== asked) return answer.status;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (mine !== asked) return;
    for (const id of ids) {
      const now = document.getElementById(id), next = page.getElementById(id);
      if (!now || !next || now.innerHTML === next.innerHTML) continue;
      // Do not replace a part that the user is working in: it has the focus or an open details element.
      if (now.contains(document.activeElement) || now.querySelector('details[open]')) continue;
      now.replaceWith(document.importNode(next, true));
      document.getElementById(id).classList.add('fresh');
    }
    if (!keepAddress) history.replaceState(null, '', url);
    return 200;
  }
  // Remove the confirmation from the address, so that a reload does not show it again.
  const here = new URL(location);
  if (here.searchParams.has('done')) {
    here.searchParams.delete('done');
    history.replaceState(null, '', here);
  }
  // Show search results while the user types.
  for (const form of document.querySelectorAll('form[data-live-search]')) {
    let wait;
    const find = () => {
      const url = new URL(form.action);
      for (const [k, v] of new FormData(form)) if (v) url.searchParams.set(k, v);
      swap(url, [form.dataset.liveSearch], 'keep' in form.dataset).catch(() => {});
    };
    form.addEventListener('input', () => { clearTimeout(wait); wait = setTimeout(find, 200) });
  }
  // Send a form only once, even if its button is pressed repeatedly.
  document.addEventListener('submit', e => {
    if (e.defaultPrevented || e.target.method !== 'post') return;
    if (e.target.dataset.sent) e.preventDefault();
    e.target.dataset.sent = '1';
  });
  addEventListener('pageshow', () => document.querySelectorAll('form[data-sent]').forEach(f => delete f.dataset.sent));
  // The button of a fault in the policy selects the line with the fault.
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
  // Update the page when data of the site changes.
  const live = () => [...document.querySelectorAll('[data-live][id]')].map(e => e.id);
  // A wall screen updates itself, and says when it cannot. A screen whose key was revoked shows nobody's name any more.
  const every = +document.body.dataset.every, old = is => document.body.classList.toggle('old', is);
  if (every) setInterval(() => swap(location.href, live(), true).then(s => { if (s === 404) location.reload(); old(s !== 200) }, () => old(true)), every * 1000);
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
    setInterval(() => { if (!document.hidden) changed() }, 60000); // update times such as "until 16:00"
    addEventListener('pagehide', () => source.close());
  }
})();
