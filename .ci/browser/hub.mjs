// The hub's pages in Chromium: node hub.mjs HUBPAGES OUTDIR [all [PICTURES]]
// Every page in French and English, by day and by night, on a phone and on a laptop: axe-core finds no violation of WCAG 2.2 AA, nothing
// is wider than the screen, targets are 24 px, no request leaves the hub, the content policy refuses nothing. The keyboard alone reaches
// every control. The main flows work without JavaScript, and with it the page changes by itself. With "all", every page is looked at in
// every combination, and on a screen of 320 px; without it, each page on both screens in one pair of language and scheme, in turn,
// and axe-core on one of the screens.
// PICTURES is a regular expression: of the combinations whose name it fits ("me-phone-dark-fr"), a picture is kept.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const [program, out, mode, pictures] = process.argv.slice(2), all = mode === 'all', wanted = pictures && new RegExp(pictures);
const require = createRequire(import.meta.url);
const axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
const server = spawn(program, [], { stdio: ['ignore', 'pipe', 'inherit'] });
const url = await new Promise((done, fail) => {
  server.stdout.on('data', b => { const m = String(b).match(/hub (http:\S+)\//); if (m) done(m[1]) });
  server.on('exit', c => fail(new Error(`the server ended with ${c}`)));
});
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
const failures = [], complaints = [];
let passed = 0, total = 0;
const ok = what => { passed++; console.log('ok', what) };
const reset = (query = '') => fetch(`${url}/test/reset${query}`, { method: 'POST' });
const screens = { phone: { width: 390, height: 844 }, laptop: { width: 1280, height: 800 } };
const wallScreen = { width: 1920, height: 1080 };
const pages = {
  'sign-in': ['', '/sign-in'], link: ['', '/sign-in/link?code=shared-code'], 'old-link': ['', '/sign-in/link?code=x'], code: ['', '/code'], owner: ['', '/code/owner'], 'new-password': ['', '/code/password'],
  today: ['a-olivia', '/today'], me: ['a-lea', '/me'], 'me-owner': ['a-olivia', '/me'], 'me-cards': ['a-lea', '/me/cards'], 'me-data': ['a-lea', '/me/data'], 'me-erasure': ['a-lea', '/me/erasure'], 'me-machines': ['a-lea', '/me/machines'], 'me-path': ['a-lea', '/me/path'], 'me-trainings': ['a-lea', '/me/trainings'], 'me-hours': ['a-lea', '/me/hours'], 'me-card-lost': ['a-lea', '/me/cards/c-lea/lost'], 'today-mentor': ['a-karim', '/today'], 'today-member': ['a-lea', '/today'], denied: ['a-lea', '/members'], nowhere: ['a-lea', '/nowhere'],
  members: ['a-olivia', '/members'], 'members-none': ['a-olivia', '/members?q=zzz'], 'member-new': ['a-olivia', '/members/new'], member: ['a-olivia', '/members/m-lea'], merge: ['a-olivia', '/members/m-lea/merge'],
  'merge-two': ['a-olivia', '/members/m-lea/merge?drop=m-tom'], erase: ['a-olivia', '/members/m-lea/erase'], import: ['a-olivia', '/members/import'],
  machines: ['a-olivia', '/machines'], machine: ['a-olivia', '/machines/laser'], 'machine-off': ['a-ines', '/machines/vinyl'], 'card-key': ['a-olivia', '/card-key'],
  awards: ['a-olivia', '/awards'], award: ['a-olivia', '/awards/new?badge=laser-user&member=m-lea&q=t'], 'award-decide': ['a-olivia', '/awards/new?badge=laser-user&member=m-lea&member=m-tom&step=decide'],
  trainings: ['a-olivia', '/trainings'], 'trainings-mentor': ['a-karim', '/trainings'],
  training: ['a-karim', '/trainings/t-open'], 'training-card': ['a-karim', '/trainings/t-open?tap=u-1&q=tom'], 'training-awarded': ['a-olivia', '/trainings/t-done'],
  'me-badges': ['a-karim', '/me/badges'], 'me-badge': ['a-karim', '/me/badges/aw-first'], 'badge': ['', '/issuer/badges/aw-first?verify=1'], 'badge-revoked': ['', '/issuer/badges/aw-karim'],
  'badge-class': ['a-olivia', '/badge-classes/laser-user'],
  'try': ['a-olivia', '/policy/try'], 'try-answer': ['a-olivia', '/policy/try?member=m-tom&machine=laser&at=2026-11-23T10:00'], 'try-own': ['a-karim', '/policy/try?machine=laser'], 'try-found': ['a-olivia', '/policy/try?member=a&machine=laser'],
  edit: ['a-olivia', '/policy/edit'], 'edit-grant': ['a-olivia', '/policy/edit?at=laser.0'], 'edit-several': ['a-olivia', '/policy/edit?at=laser.2'], 'edit-hours': ['a-olivia', '/policy/edit?at=laser.hours'],
  'edit-machine': ['a-olivia', '/policy/edit?at=machine'], 'edit-badge': ['a-olivia', '/policy/edit?at=badge'],
  policy: ['a-olivia', '/policy'], version: ['a-olivia', '/policy/versions/1'], cards: ['a-olivia', '/cards'], assign: ['a-olivia', '/cards/unknown/u-1'], 'assign-search': ['a-olivia', '/cards/unknown/u-1?q=tom'],
  maintenance: ['a-olivia', '/maintenance'], 'maintenance-own': ['a-ines', '/maintenance?show=due'], upkeep: ['a-olivia', '/machines/laser/maintenance'],
  'upkeep-maintainer': ['a-ines', '/machines/laser/maintenance?show=reports'], 'upkeep-none': ['a-olivia', '/machines/fdm/maintenance'],
  reports: ['a-olivia', '/reports'], 'reports-bad': ['a-olivia', '/reports?from=x'], settings: ['a-olivia', '/settings'], tokens: ['a-olivia', '/settings/tokens'],
  accounts: ['a-olivia', '/settings/accounts'], audit: ['a-olivia', '/settings/audit'], about: ['a-olivia', '/about'],
  visitors: ['a-olivia', '/visitors'], visit: ['a-olivia', '/visitors/v-nora'], 'visit-in': ['a-olivia', '/visitors/v-in'], arrival: ['', '/visit'], 'arrival-confirm': ['', '/visit/v-nora'],
  search: ['a-olivia', '/search?q=la'], 'search-none': ['a-lea', '/search?q=zzz'], 'public-display': ['a-olivia', '/settings/public'], status: ['', '/status'], wall: ['', '/wall?key=WALLKEYWALLKEYWALLKEYWALLK'],
};
// blank empties a field that the browser would not send empty.
const blank = (p, field) => p.locator(field).evaluate(e => { e.required = false; e.value = '' });
// posted are pages that only a form makes: what is filled in, and the button that sends it. before makes the site new first, with a query.
const posted = {
  'member-faults': ['/members/m-lea', async p => { await blank(p, '#person-name'); await p.fill('#person-emails', 'nobody'); await p.click('#person button') }],
  conflict: ['/members/m-lea', async p => {
    await send('/members/m-lea', { version: await p.inputValue('#person [name=version]'), name: 'Léa Morvan-Diaz', 'was.name': await p.inputValue('#person-name') });
    await p.fill('#person-name', 'Léa M.'); await p.click('#person button');
  }, ''],
  'card-faults': ['/members/m-lea', async p => { await p.fill('#card-number', 'x'); await p.click('#card button') }],
  'badge-faults': ['/members/m-lea', async p => { await p.fill('#url-url', 'http://x'); await p.click('#url button') }],
  'wrong-password': ['/sign-in', async p => { await p.fill('#password-name', 'x'); await p.fill('#password-password', 'x'); await p.click('#password button') }],
  'wrong-code': ['/code', async p => { await p.fill('#code-code', 'x'); await p.click('#code button') }],
  preview: ['/members/import', async p => { await p.setInputFiles('#import-file', { name: 'list.csv', mimeType: 'text/csv', buffer: Buffer.from('Ada Exemple\nBob Exemple\n') }); await p.click('#import button') }],
  'list-fetched': ['/members/import', async p => { await p.click('form[action$="/fab"] button') }],
  'list-silent': ['/members/import', async p => { await p.click('form[action$="/atelier"] button') }],
  code: ['/machines/laser', async p => { await p.click('form[action$="/code"] button') }],
  'tag-faults': ['/machines/laser', async p => { await blank(p, '#tag-reason'); await p.click('#tag button') }],
  'report-close-faults': ['/machines/laser/maintenance', async p => { await blank(p, '[id="close-412-words"]'); await p.click('form[action*="/close"] button') }],
  'hours-faults': ['/machines/laser/maintenance', async p => { await blank(p, '#hours-hours'); await blank(p, '#hours-day'); await p.click('#hours button') }],
  'policy-faults': ['/policy', async p => { await p.fill('#text', 'portillon: 1\nmachines?:\n'); await p.click('#policy button') }],
  'policy-effect': ['/policy', async p => { await p.fill('#text', 'portillon: 1\n'); await p.click('#policy button') }],
  'edit-faults': ['/policy/edit?at=laser.0', async p => { await p.fill('#edit-d-tu', 'matin'); await p.fill('#edit-max', 'x?'); await p.click('button[value=save]') }],
  'edit-effect': ['/policy/edit?at=laser.0', async p => { await p.fill('#edit-d-su', '10h-12h'); await p.click('button[value=save]') }],
  'try-draft': ['/policy', async p => { await p.fill('#text', 'portillon: 1\n'); await Promise.all([p.waitForNavigation(), p.click('#policy button')]); await p.click('button[formaction="/policy/try"]') }],
  'edit-draft': ['/policy', async p => { await p.fill('#text', 'portillon: 1\n'); await Promise.all([p.waitForNavigation(), p.click('#policy button')]); await p.click('button[formaction="/policy/edit"]') }],
  'policy-stale': ['/policy', async p => { await send('/policy/publish', { text: 'portillon: 1\nsite: biklab\n', of: '2' }); await p.evaluate(() => { document.querySelector('#policy').action = '/policy/publish' }); await p.click('#policy button') }, ''],
  'policy-waits': ['/policy', async p => {
    await p.fill('#text', 'portillon: 1\n');
    await Promise.all([p.waitForNavigation(), p.click('#policy button')]);
    await p.click('button[formaction]');
  }, '?sign=1'],
  token: ['/settings/tokens', async p => { await p.fill('#token-name', 'script'); await p.check('input[value="members.read"]'); await p.click('#token button') }, ''],
  'token-faults': ['/settings/tokens', async p => { await blank(p, '#token-name'); await p.click('#token button') }],
  'password-faults': ['/settings', async p => { await p.fill('#password-old', 'x'); await p.fill('#password-password', 'x'); await p.click('#password button') }],
  'account-faults': ['/settings/accounts', async p => { await blank(p, '#account-name'); await p.click('#account button') }],
  'account-code': ['/settings/accounts', async p => { await p.locator('form[action$="/reset"] button').first().click() }],
  'card-key-faults': ['/card-key', async p => { await blank(p, '#rotate-reason'); await p.click('#rotate button') }],
  'card-key-begun': ['/card-key', async p => { await p.fill('#rotate-reason', 'laser'); await p.click('#rotate button') }, ''],
  'award-faults': ['/awards/new?badge=laser-user&member=m-lea&step=decide', async p => { await blank(p, '#award-why'); await p.click('#award button') }],
  'revoke-faults': ['/awards', async p => { await p.locator('form[action="/awards/aw-lea/revoke"]').evaluate(f => f.submit()) }],
  'training-faults': ['/trainings/t-open', async p => { await p.locator('#award').evaluate(f => f.submit()) }],
  'training-new-faults': ['/trainings/t-open?tap=u-1', async p => { await p.locator('#new').evaluate(f => { f.querySelector('#new-email').type = 'text' }); await p.fill('#new-name', 'Nina'); await p.fill('#new-email', 'x'); await p.click('#new button') }],
  'checks-faults': ['/trainings', async p => { await p.fill('#checks-laser-user-items', 'x\n'.repeat(21)); await p.click('#checks-laser-user button') }],
  'class-faults': ['/badge-classes/laser-user', async p => { await blank(p, '#class-criteria'); await p.click('#class button') }],
  'visitor-refused': ['/visitors', async p => { await p.fill('#bring-badge', 'unknown'); await p.click('#bring button') }],
  'visitor-expired': ['/visitors', async p => { await p.fill('#bring-badge', 'expired'); await p.click('#bring button') }],
  'visit-faults': ['/visitors/v-nora', async p => { await blank(p, '#letin-name'); await p.fill('#letin-code', 'x'); await p.fill('#letin-until', '2026-12-24'); await p.click('#letin button.main') }],
  'visitor-settings-faults': ['/visitors', async p => { await p.fill('#settings-days', '0'); await p.click('#settings button') }],
  printed: ['/members/m-lea', async p => { await p.click('form[action$="/codes"] button') }],
};
// The pages that the hub has, of which each is to be looked at; files are none.
const missed = (await (await fetch(`${url}/test/routes`)).json()).filter(r => r.startsWith('GET /') && !/\.[a-z]+$|\/\{file\}$|\/\{\$\}$|\/export$/.test(r))
  .filter(r => !Object.values(pages).some(([, path]) => new RegExp('^' + r.slice(4).replace(/\{[a-z]+\}/g, '[^/]+') + '$').test(path.split('?')[0])));
assert.deepEqual(missed, [], 'pages that nothing looks at');
const send = (path, values, who = 'a-olivia') => fetch(url + path, { method: 'POST', body: new URLSearchParams(values), redirect: 'manual',
  headers: { cookie: `portillon-session=${who}`, 'sec-fetch-site': 'same-origin' } });

async function open(who, lang, colorScheme, size, more = {}) {
  const context = await browser.newContext({ viewport: screens[size], colorScheme, locale: lang === 'fr' ? 'fr-FR' : 'en-GB', ...more });
  if (who) await context.addCookies([{ name: 'portillon-session', value: who, url }]);
  const page = await context.newPage();
  page.on('console', m => { if (m.type() === 'error' && !/Failed to load resource/.test(m.text())) complaints.push(`${page.url()}: ${m.text()}`) });
  page.on('pageerror', e => complaints.push(`${page.url()}: ${e}`));
  page.on('request', r => { if (!r.url().startsWith(url + '/')) complaints.push('left the hub: ' + r.url()) });
  return page;
}
const shape = () => {
  const seen = e => { const r = e.getBoundingClientRect(), s = getComputedStyle(e); return r.width > 1 && r.height > 1 && s.visibility !== 'hidden' && !e.closest('.skip') && (e.matches('summary') || !e.closest('details:not([open])')) };
  // WCAG 2.2, 2.5.8: 24 by 24 px, but for links within a sentence.
  const small = [...document.querySelectorAll('a, button, input, select, textarea, summary')].filter(seen).filter(e => {
    const r = (/^(checkbox|radio)$/.test(e.type) ? e.closest('label') : e).getBoundingClientRect();
    return r.height < 23.5 || r.width < 23.5;
  }).map(e => `${e.tagName} ${e.textContent.trim().slice(0, 30) || e.id}`);
  const cut = [...document.querySelectorAll('h1, h2, p, li, button, .button, .state, dd, label')].filter(e => seen(e) && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline' && !e.closest('.scroll'))
    .map(e => `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 40)}`);
  return { wide: document.documentElement.scrollWidth - innerWidth, small, cut, h1: document.querySelectorAll('h1').length, lang: document.documentElement.lang };
};
async function look(page, where, lang, audit) {
  const s = await page.evaluate(shape);
  if (s.wide > 0) failures.push(`${where}: wider than the screen by ${s.wide} px`);
  if (s.small.length) failures.push(`${where}: small targets: ${s.small.join('; ')}`);
  if (s.cut.length) failures.push(`${where}: cut off: ${s.cut.join('; ')}`);
  if (s.h1 !== 1 || s.lang !== lang) failures.push(`${where}: ${s.h1} h1, lang ${s.lang}`);
  if (!audit) return;
  if (!await page.evaluate(() => 'axe' in window)) await page.evaluate(axe);
  const r = await page.evaluate(() => axe.run(document, { runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }, resultTypes: ['violations'] }));
  for (const v of r.violations) failures.push(`${where}: axe ${v.id}: ${v.nodes.map(n => n.target.join(' ') + ' ' + (n.any[0]?.message || n.failureSummary)).join('; ').slice(0, 300)}`);
}
const languages = ['fr', 'en'], schemes = ['light', 'dark'];
// matrix looks at every page: it is loaded once a language, and then looked at by day and by night on both screens.
async function matrix() {
  const list = [...Object.entries(pages).map(([name, [who, path]]) => ({ name, who, path })),
    ...Object.entries(posted).map(([name, [path, act, before]]) => ({ name: 'form-' + name, who: /^\/(sign-in|code)$/.test(path) ? '' : 'a-olivia', path, act, before }))];
  let looked = 0;
  for (const [l, lang] of languages.entries()) {
    await reset();
    const page = await open('', lang, 'light', 'phone');
    for (const [n, { name, who, path, act, before }] of list.entries()) {
      if (!all && n % 2 !== l) continue;
      if (before !== undefined) await reset(before);
      await page.setViewportSize(screens.phone);
      await page.context().clearCookies();
      if (who) await page.context().addCookies([{ name: 'portillon-session', value: who, url }]);
      await page.goto(url + path);
      const unfold = () => page.evaluate(() => { for (const d of document.querySelectorAll('details')) d.open = true }); // what is folded away is looked at too
      await unfold();
      if (act) await Promise.all([page.waitForNavigation(), act(page)]).catch(e => { throw new Error(`form-${name}: ${e.message}`) });
      if (act) await unfold();
      for (const [z, size] of Object.keys(screens).entries()) {
        await page.setViewportSize(screens[size]);
        for (const scheme of all ? schemes : [schemes[(n >> 1) % 2]]) {
          await page.emulateMedia({ colorScheme: scheme });
          await look(page, `${name} (${lang}, ${scheme}, ${size})`, lang, all || z === (n >> 2) % 2);
          const picture = `${name}-${size}-${scheme}-${lang}`;
          if (wanted?.test(picture)) await page.screenshot({ path: `${out}/hub-${picture}.png`, fullPage: true });
          looked++;
        }
      }
      if (all) { // 1280 px at 400 % (WCAG 1.4.10)
        await page.setViewportSize({ width: 320, height: 640 });
        await look(page, `${name} (${lang}, 320 px)`, lang, false);
      }
      if (before !== undefined) await reset();
    }
    await page.context().close();
  }
  await reset();
  return { count: list.length, looked };
}
// press presses Tab until the control that a selector or locator names has the focus.
async function press(page, control, key = 'Tab') {
  if (typeof control === 'string') control = page.locator(control);
  for (let i = 0; i < 200; i++) {
    if (await control.evaluate(e => e === document.activeElement)) return;
    await page.keyboard.press(key);
  }
  assert.fail(`the keyboard does not come to ${control}`);
}

try {
  const began = Date.now(), { count, looked } = await matrix();
  total = count;
  ok(`${count} pages, ${looked} screens in ${Math.round((Date.now() - began) / 1000)} s: nothing is cut off, targets of 24 px, axe finds no violation`);

  { // the keyboard reaches every control in the order of the page, leaves the page behind the last one, and its place is seen
    let controls = 0;
    const few = ['today', 'member', 'machine', 'policy', 'reports', 'tokens', 'assign', 'card-key'];
    const page = await open('', 'fr', 'light', 'laptop');
    for (const [name, [who, path]] of Object.entries(pages)) {
      if (!all && !few.includes(name)) continue;
      await page.context().clearCookies();
      if (who) await page.context().addCookies([{ name: 'portillon-session', value: who, url }]);
      await page.goto(url + path);
      const want = await page.evaluate(() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
        .filter(e => !e.closest('details:not([open])') || e.matches('details > summary')).map((e, i) => { e.dataset.n = i; return e.outerHTML.slice(0, 80) }));
      const got = new Set();
      for (let i = 0; i < want.length * 4 + 10 && got.size < want.length; i++) { // a date has several stops
        await page.keyboard.press('Tab');
        const f = await page.evaluate(() => { const e = document.activeElement, s = getComputedStyle(e); return { n: e.dataset.n, seen: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 } });
        if (f.n === undefined) continue;
        if (!f.seen) failures.push(`${path}: the place of the keyboard is not seen at ${want[f.n]}`);
        got.add(f.n);
      }
      for (const i of want.keys()) if (!got.has(String(i))) failures.push(`${path}: the keyboard does not reach ${want[i]}`);
      let left = false;
      for (let i = 0; i < want.length * 4 + 10 && !left; i++) { // a page with faults begins at their list, in its middle
        await page.keyboard.press('Tab');
        left = await page.evaluate(() => document.activeElement === document.body || document.activeElement.dataset.n === '0');
      }
      if (!left) failures.push(`${path}: the keyboard does not leave the last control`);
      controls += want.length;
    }
    await page.context().close();
    ok(`the keyboard alone reaches ${controls} controls and is held by none`);
  }
  { // the keyboard alone: skip to the content, sign in, assign a card, choose in a list, open a part, take a machine out of service, sign out
    await reset();
    const page = await open('', 'en', 'light', 'phone');
    const enter = async (control, gone = true) => {
      await press(page, control);
      await (gone ? Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]) : page.keyboard.press('Enter'));
    };
    const said = text => page.getByRole('status').filter({ hasText: text }).waitFor();
    await page.goto(url + '/today');
    await press(page, '#password-name');
    await page.keyboard.type('olivia@lab.example');
    await press(page, '#password-password');
    await page.keyboard.type('an invented passphrase');
    await enter('#password-password');
    await page.getByRole('heading', { name: 'Today', level: 1 }).waitFor();
    await enter('a.skip', false);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main', 'the first link does not skip to the content');
    await enter(page.getByRole('link', { name: 'Assign K7QD2M' }));
    await press(page, '#q');
    await page.keyboard.type('tom');
    await enter('#q');
    await enter(page.getByRole('button', { name: 'Assign Tom Le Goff' }));
    await said('Card assigned');
    await page.goto(url + '/members/m-lea');
    await press(page, page.locator('#cards select').first());
    await page.keyboard.press('ArrowDown');
    await enter(page.locator('#cards .line button').first());
    await said('State of the card changed');
    await press(page, '#badges details summary >> nth=0');
    await page.keyboard.press('Space');
    await page.locator('#badges details[open]').first().waitFor();
    await page.goto(url + '/machines/laser');
    await press(page, '#tag-reason');
    await page.keyboard.type('worn belt');
    await enter('#tag button');
    await said('Machine taken out of service');
    await enter(page.getByRole('button', { name: 'Sign out' }));
    await said('Signed out');
    await page.context().close();
    ok('the keyboard alone: sign in, assign, change a card, open a part, tag out, sign out');
  }
  { // without JavaScript
    await reset();
    const page = await open('', 'fr', 'light', 'phone', { javaScriptEnabled: false });
    const said = text => page.getByRole('status').filter({ hasText: text }).waitFor();
    await page.goto(url + '/members?lang=fr');
    await page.fill('#password-name', 'olivia@lab.example');
    await page.fill('#password-password', 'wrong');
    await page.click('#password button');
    await page.getByText('Nom ou mot de passe incorrect').waitFor();
    assert.equal(await page.inputValue('#password-name'), 'olivia@lab.example', 'the name is lost');
    assert.deepEqual((await page.context().cookies()).map(c => c.name), [], 'a cookie before sign-in');
    await page.fill('#password-password', 'an invented passphrase');
    await page.click('#password button');
    await page.getByRole('heading', { name: 'Membres', level: 1 }).waitFor();
    await page.getByLabel('Nom, adresse ou identifiant').fill('morvan');
    await page.getByRole('button', { name: 'Rechercher' }).click();
    await page.getByRole('link', { name: 'Léa Morvan' }).click();
    await page.fill('#person-until', '2028-08-31');
    await page.click('#person button');
    await said('Enregistré');
    await page.goto(url + '/today');
    await page.getByRole('link', { name: 'Attribuer K7QD2M' }).click();
    await page.fill('#q', 'tom');
    await page.getByRole('button', { name: 'Rechercher' }).click();
    await page.getByRole('button', { name: 'Attribuer Tom Le Goff' }).click();
    await said('Carte attribuée');
    await page.goto(url + '/members/import');
    await page.setInputFiles('#import-file', { name: 'list.csv', mimeType: 'text/csv', buffer: Buffer.from('Ada Exemple\n') });
    await page.click('#import button');
    await page.getByText('Ada Exemple').first().waitFor();
    await page.getByRole('button', { name: 'Importer' }).click();
    await said('Liste importée');
    await page.goto(url + '/policy');
    await page.fill('#text', 'portillon: 1\n');
    await page.fill('#comment', 'essai');
    await page.getByRole('button', { name: 'Vérifier' }).click();
    await page.getByText('Perdent un accès').waitFor();
    assert.equal(await page.inputValue('#comment'), 'essai', 'the comment is lost');
    await page.getByRole('button', { name: 'Publier' }).click();
    await said('Règles publiées');
    await page.goto(url + '/machines');
    await page.fill('#add-id', 'cnc');
    await page.click('#add button');
    await said('Machine ajoutée');
    await page.getByRole('button', { name: 'Créer un code' }).click();
    await page.getByText('sudo portillond enrol https://hub.local:8443').waitFor();
    await page.goto(url + '/machines/laser');
    await page.fill('#tag-reason', 'courroie usée');
    await page.click('#tag button');
    await said('Machine mise hors service');
    await page.goto(url + '/trainings/t-open');
    await page.getByRole('button', { name: 'Ôter de la liste Binta Sow' }).click();
    await said('Personne ôtée de la liste');
    for (const box of await page.locator('#award input[type=checkbox]').all()) await box.check();
    await page.getByRole('button', { name: 'Délivrer les badges' }).click();
    await said('Badges délivrés');
    await page.goto(url + '/members/m-maud/erase');
    await page.getByRole('button', { name: 'Effacer Maud Pichon' }).click();
    await said('effacées');
    await page.getByRole('button', { name: 'Se déconnecter' }).click();
    await said('Déconnecté');
    ok('without JavaScript: sign in, change, assign, import, publish, enrol, tag out, train, erase, sign out');
    await page.context().close();
  }
  { // a visitor with another lab's badge: at most 6 clicks, by a mailed code, by an identity, and from the visitor's own phone
    const badge = { name: 'badge.png', mimeType: 'image/png', buffer: Buffer.from('a valid badge') };
    for (const how of ['code', 'identity']) {
      await reset();
      const page = await open('a-olivia', 'en', 'light', 'laptop', { javaScriptEnabled: how === 'code' });
      let clicks = 0;
      const click = async control => { clicks++; await control.click() };
      await page.goto(url + '/today');
      await click(page.getByRole('link', { name: 'Visitors', exact: true }));
      clicks++; // the button of the file, or a drop on it
      await page.setInputFiles('#bring-file', badge);
      await page.fill('#bring-address', 'lea@other.example');
      await click(page.getByRole('button', { name: 'Check the badge' }));
      await page.getByText('The badge is valid').waitFor();
      assert.deepEqual(await page.locator('.state', { hasText: /opens|mentor|does not open/ }).count(), 3, 'not every machine is told');
      await page.fill('#letin-name', 'Léa Dubois');
      if (how === 'code') await page.fill('#letin-code', 'K7QF2-M9X'); else await click(page.getByLabel('I have seen an identity document'));
      await click(page.getByLabel('I agree that this site keeps'));
      assert.ok(await page.locator('#card input').first().isChecked(), 'the card that was just tapped is not chosen');
      await click(page.getByRole('button', { name: 'Let in' }));
      await page.getByRole('status').filter({ hasText: 'The visitor is in' }).waitFor();
      assert.equal(await page.locator('#inside li').count(), 2);
      assert.ok(clicks <= 6, `a visitor is let in with ${clicks} clicks`);
      ok(`a visitor is let in with ${clicks} clicks (${how}), and no word is typed but name, address and code`);
      await page.context().close();
    }
    await reset();
    const phone = await open('', 'fr', 'light', 'phone', { javaScriptEnabled: false }), desk = await open('a-olivia', 'fr', 'light', 'laptop');
    await phone.goto(url + '/visit');
    await phone.fill('#bring-name', 'Léa Dubois');
    await phone.setInputFiles('#bring-file', badge);
    await phone.fill('#bring-address', 'lea@other.example');
    await phone.getByRole('button', { name: 'Vérifier le badge' }).click();
    await phone.fill('#confirm-code', 'K7QF2-M9X');
    await phone.getByLabel('J’accepte que ce lieu garde').check();
    await phone.getByRole('button', { name: 'Envoyer' }).click();
    await phone.getByText('Présentez-vous à l’accueil').waitFor();
    assert.deepEqual((await phone.context().cookies()).map(c => c.name), [], 'a cookie for a visitor');
    await look(phone, 'visit on a phone', 'fr', false);
    await desk.goto(url + '/visitors');
    await desk.getByRole('link', { name: 'Léa Dubois' }).click();
    await desk.getByRole('button', { name: 'Accueillir', exact: true }).click();
    await desk.getByRole('status').filter({ hasText: 'Visiteur accueilli' }).waitFor();
    ok('a visitor brings the badge on a phone, and gets a card at the desk with two clicks there');
    await phone.context().close(); await desk.context().close();
  }
  { // with JavaScript, what changes at the site changes on the page, and results come while one types
    await reset();
    const page = await open('a-olivia', 'en', 'light', 'laptop');
    await page.goto(url + '/today');
    await page.locator('#now strong', { hasText: 'K7QD2M' }).waitFor();
    await send('/cards/unknown/u-1', { member: 'm-tom' });
    await fetch(url + '/test/tell', { method: 'POST' });
    await page.locator('#now strong', { hasText: 'K7QD2M' }).waitFor({ state: 'detached', timeout: 15000 });
    await page.goto(url + '/members?done=imported');
    assert.equal(new URL(page.url()).search, '', 'what was done is said again when the page is opened again');
    await page.locator('#q').pressSequentially('haddad');
    await page.getByRole('link', { name: 'Karim Benali' }).waitFor({ state: 'detached' });
    assert.equal(await page.locator('#found li').count(), 1);
    assert.equal(new URL(page.url()).searchParams.get('q'), 'haddad', 'the address does not follow the search');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'q', 'the search loses the focus');
    await page.goto(url + '/machines'); // the box in the navigation shows results below it, and the page stays
    await page.locator('#find').pressSequentially('haddad');
    await page.locator('#finds').getByRole('link').first().waitFor();
    assert.equal(new URL(page.url()).pathname, '/machines', 'the search leaves the page');
    await look(page, 'results of the search in the navigation', 'en', true);
    await page.locator('#find').fill('');
    await page.locator('#finds section').first().waitFor({ state: 'detached' });
    await reset('?sign=1');
    await page.goto(url + '/policy');
    await page.fill('#text', 'portillon: 1\n');
    await page.getByRole('button', { name: 'Check' }).click();
    await page.getByRole('button', { name: 'Publish' }).click();
    await page.getByText('portillon policy sign policy.yaml --key policy.key --number 3 -o site.policy').waitFor();
    await look(page, 'policy that waits for a signature', 'en', true);
    await page.screenshot({ path: `${out}/hub-policy-waits.png`, fullPage: true });
    await page.setInputFiles('#signature', { name: 'policy.sig', mimeType: 'application/octet-stream', buffer: Buffer.from('signed') });
    await page.getByRole('button', { name: 'Send the signature' }).click();
    await page.getByRole('status').filter({ hasText: 'Policy published' }).waitFor();
    ok('with JavaScript: the page follows the site, results follow the typing');
    await page.context().close();
  }
  { // two who change the same person
    await reset();
    const one = await open('a-olivia', 'fr', 'light', 'phone'), two = await open('a-adele', 'fr', 'dark', 'laptop');
    for (const p of [one, two]) await p.goto(url + '/members/m-lea');
    await one.fill('#person-name', 'Léa Morvan-Diaz');
    await one.click('#person button');
    await two.fill('#person-note', 'clé du local');
    await two.click('#person button');
    await two.getByText('Quelqu’un d’autre a modifié cette fiche').waitFor();
    await look(two, 'conflict (laptop)', 'fr', true);
    await two.screenshot({ path: `${out}/hub-conflict.png`, fullPage: true });
    await two.setViewportSize(screens.phone);
    await look(two, 'conflict (phone)', 'fr', true);
    await two.click('#person button');
    await two.getByRole('status').filter({ hasText: 'Enregistré' }).waitFor();
    assert.equal(await two.inputValue('#person-name'), 'Léa Morvan-Diaz', 'the change of the other is lost');
    assert.equal(await two.inputValue('#person-note'), 'clé du local');
    ok('two who change the same person lose nothing of each other');
    await one.context().close(); await two.context().close();
  }
  { // forced colours, 200 % zoom, paper
    for (const path of ['/today', '/members/m-lea', '/reports']) {
      const page = await open('a-olivia', 'fr', 'dark', 'phone', { forcedColors: 'active', viewport: { width: 320, height: 640 } }); // 1280 px at 400 % (WCAG 1.4.10)
      await page.goto(url + path);
      await look(page, `${path} (forced colours, 320 px)`, 'fr', false);
      await page.emulateMedia({ media: 'print' });
      assert.equal(await page.locator('header nav').isVisible(), false, 'navigation on paper');
      await page.context().close();
    }
    ok('forced colours, a screen of 320 px, paper');
  }
  { // a wall screen: large, by day and by night; it updates itself, says when the hub is silent, and is empty once its key is revoked
    await reset();
    for (const scheme of schemes) {
      const page = await open('', 'fr', scheme, 'laptop', { viewport: wallScreen });
      await page.clock.install();
      await page.goto(url + pages.wall[1]);
      await look(page, `wall (${scheme}, 1920 px)`, 'fr', true);
      assert.ok(await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight && parseFloat(getComputedStyle(document.body).fontSize) >= 24), 'the wall is small, or does not fit');
      if (wanted) await page.screenshot({ path: `${out}/hub-wall-1920-${scheme}-fr.png` });
      await send('/machines/fdm/tag', { reason: `buse ${scheme}` });
      await page.clock.runFor(16000);
      await page.getByText(`buse ${scheme}`).waitFor();
      assert.equal(await page.locator('.stale').isVisible(), false, 'a hub that answers is called silent');
      await page.context().setOffline(true);
      await page.clock.runFor(16000);
      await page.locator('.stale').waitFor({ state: 'visible' });
      await page.context().setOffline(false);
      await page.clock.runFor(16000);
      await page.locator('.stale').waitFor({ state: 'hidden' });
      if (scheme === 'dark') {
        await send('/settings/screens/w-wood/revoke', {});
        await page.clock.runFor(16000);
        await page.locator('.wall').waitFor({ state: 'detached' });
      }
      await page.context().close();
    }
    ok('a wall screen updates itself, says when the hub is silent, and is empty once its key is revoked');
  }
  { // sizes, with a browser that has nothing yet
    let most = 0, at = '';
    for (const name of ['today', 'members', 'member', 'reports', 'tokens', 'accounts']) {
      const page = await open('a-olivia', 'fr', 'light', 'laptop');
      const bodies = [];
      page.on('response', r => { if (!r.url().includes('/api/')) bodies.push(r.body().then(b => b.length, () => 0)) }); // events never end
      await page.goto(url + pages[name][1], { waitUntil: 'load' });
      const bytes = (await Promise.all(bodies)).reduce((a, b) => a + b, 0);
      if (bytes > most) [most, at] = [bytes, name];
      await page.context().close();
    }
    assert.ok(most > 15000 && most <= 60000, `${at}: ${most} bytes`);
    ok(`the largest page is ${at}, ${most} bytes with all that belongs to it`);
  }
} finally {
  await browser.close();
  server.kill();
}
for (const f of [...failures, ...complaints]) console.error('FAIL', f);
console.log(all ? `${total} pages x ${languages.length} languages x ${schemes.length} schemes x ${Object.keys(screens).length} sizes, ${failures.length + complaints.length} violations`
  : `${total} pages, each in one language and scheme, ${failures.length + complaints.length} violations`);
if (failures.length || complaints.length) process.exit(1);
console.log(`hub pages: ${passed} checks`);
