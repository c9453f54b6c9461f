// Every state of the panel in Chromium, in both languages, by day and by night, on three screens: node panel.mjs GALLERY OUTDIR
// What it holds: nothing is cut off, the main line is readable from two metres, targets are large enough for gloves, axe-core finds no
// violation of WCAG 2.2 AA, a phone reads the codes on the screen, the keyboard alone is enough, nothing moves for those who ask for that, no request leaves the machine,
// and what is stale is not shown as if it were live.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const [gallery, out] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8'), jsqr = await readFile(require.resolve('jsqr/dist/jsQR.js'), 'utf8');
async function start(listen = '127.0.0.1:0') {
  const p = spawn(gallery, ['-listen', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise((done, fail) => {
    p.stdout.on('data', b => { const m = String(b).match(/gallery (http:\S+)/); if (m) done(m[1]) });
    p.on('exit', c => fail(new Error(`the gallery ended with ${c}`)));
  });
  return { p, url };
}
let { p: server, url } = await start();
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
let passed = 0;
const elsewhere = await (await fetch(url + 'elsewhere')).json();
const failures = [], complaints = [];
const ok = what => { passed++; console.log('ok', what) };
const show = name => fetch(url + 'show?name=' + encodeURIComponent(name), { method: 'POST' }).then(r => { assert.equal(r.status, 200, name); return r.json() });
const screens = { small: { width: 800, height: 480 }, wide: { width: 1024, height: 600 }, phone: { width: 390, height: 844 } };
const names = await (await fetch(url + 'names')).json();

async function open(lang, colorScheme, size, more = {}) {
  const context = await browser.newContext({ viewport: screens[size], colorScheme, locale: lang === 'fr' ? 'fr-FR' : 'en-GB', hasTouch: true, reducedMotion: more.reducedMotion });
  const page = await context.newPage();
  page.on('console', m => { if (m.type() === 'error' && !/Failed to load resource|net::ERR/.test(m.text())) complaints.push(m.text()) });
  page.on('pageerror', e => complaints.push(String(e)));
  page.on('request', r => { if (new URL(r.url()).hostname !== '127.0.0.1') complaints.push('left the machine: ' + r.url()) });
  more.before?.(page);
  await page.goto(url + '#' + lang);
  await page.waitForFunction(() => document.querySelector('main').dataset.sign !== 'stale');
  return page;
}
const shape = () => {
  const seen = e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0 && getComputedStyle(e).visibility !== 'hidden' };
  const dialog = document.querySelector('dialog[open]'), root = dialog || document, main = document.querySelector('main');
  return { wide: document.documentElement.scrollWidth - innerWidth, tall: document.documentElement.scrollHeight - innerHeight, cut: main.scrollHeight - main.clientHeight,
    over: dialog ? dialog.scrollHeight - dialog.clientHeight : 0,
    line: parseFloat(getComputedStyle(document.querySelector('h1')).fontSize) / innerHeight, says: document.querySelector('h1').textContent, next: document.querySelector('#next').textContent,
    sign: [...document.querySelectorAll('.s')].filter(seen).length, asks: main.classList.contains('asks'),
    small: [...root.querySelectorAll('button, input, textarea, select, a')].filter(seen).filter(b => { const r = (b.closest('label') || b).getBoundingClientRect(); return r.width < 47.5 || r.height < 47.5 })
      .map(b => `${b.id || b.textContent}: ${Math.round(b.getBoundingClientRect().width)}×${Math.round(b.getBoundingClientRect().height)}`) };
};
async function audit(page, where) {
  await page.evaluate(axe);
  const r = await page.evaluate(() => axe.run(document, { runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }, resultTypes: ['violations'] }));
  for (const v of r.violations) failures.push(`${where}: axe ${v.id}: ${v.nodes.map(n => n.target.join(' ') + ' ' + (n.any[0]?.message || n.failureSummary)).join('; ').slice(0, 300)}`);
}

// read is what a phone's camera makes of a picture of the screen.
async function read(page, what) {
  const png = (await page.locator(what).screenshot()).toString('base64');
  const camera = await browser.newPage(); // the panel's own page lets no picture in
  await camera.evaluate(jsqr);
  const text = await camera.evaluate(async png => {
    const img = new Image();
    img.src = 'data:image/png;base64,' + png;
    await img.decode();
    const c = Object.assign(document.createElement('canvas'), { width: img.width, height: img.height }).getContext('2d');
    c.drawImage(img, 0, 0);
    const d = c.getImageData(0, 0, img.width, img.height);
    return window.jsQR(d.data, d.width, d.height)?.data;
  }, png);
  await camera.close();
  return text;
}

try {
  let looked = 0, audited = 0;
  for (const lang of ['fr', 'en']) for (const scheme of ['light', 'dark']) for (const size of Object.keys(screens)) {
    const page = await open(lang, scheme, size);
    for (const name of names) {
      const where = `${name} (${lang}, ${scheme}, ${size})`;
      const v = await show(name);
      await page.waitForFunction(v => JSON.stringify([view.sign, view.line, view.next, view.role]) === JSON.stringify([v.sign, v.line, v.next, v.role]) && !!view.desk === !!v.desk, v, { timeout: 10000 });
      const s = await page.evaluate(shape);
      looked++;
      if (s.wide > 1 || s.cut > 1 || s.tall > 1) failures.push(`${where}: cut off by ${s.wide}, ${s.tall}, ${s.cut} px`);
      if (size !== 'phone' && s.line < 0.06) failures.push(`${where}: the line is ${(100 * s.line).toFixed(1)} % of the height`);
      if (s.small.length) failures.push(`${where}: small targets: ${s.small.join(', ')}`);
      if (!s.says || s.sign !== 1 && !s.asks) failures.push(`${where}: says ${JSON.stringify(s.says)}, ${s.sign} signs`);
      if (size === 'small' && lang === 'fr' || size === 'phone' && scheme === 'dark' && lang === 'en') await page.screenshot({ path: `${out}/panel-${name.replace(/[^a-z-]+/g, '-')}-${size}-${scheme}.png` });
      if (size === 'small' || size === 'phone' && lang === 'fr') { await audit(page, where); audited++ }
    }
    await page.context().close();
  }
  ok(`${names.length} states, ${looked} screens: nothing is cut off, targets of 48 px, a line that is read from two metres; ${audited} of them: axe`);

  { // forms, by touch
    const page = await open('fr', 'light', 'small');
    await show('on');
    await page.locator('#report').tap();
    await page.locator('dialog[open]').waitFor();
    await page.locator('#choices button').filter({ hasText: 'Danger' }).tap();
    assert.equal(await page.locator('#stop').isVisible(), true, 'it does not ask whether to stop at once');
    const s = await page.evaluate(shape);
    if (s.small.length || s.wide > 1) failures.push('form: ' + JSON.stringify(s));
    if (s.over > 1) failures.push(`form: cut off by ${s.over} px`);
    await audit(page, 'form');
    await page.screenshot({ path: `${out}/panel-form-report.png` });
    assert.equal(await read(page, '#code svg'), url + 'form/0123456789abcdef0123456789abcdef', 'a phone does not read the code of the form');
    await fetch(url + 'refuse', { method: 'POST' });
    await page.locator('#save').tap();
    await page.locator('#trouble').filter({ hasText: 'rien n’est noté' }).waitFor();
    assert.equal(await page.locator('[aria-checked=true]').textContent(), 'Danger', 'what was chosen is lost');
    await fetch(url + 'accept', { method: 'POST' });
    await page.locator('#save').tap();
    await page.locator('dialog[open]').waitFor({ state: 'detached' }).catch(() => {});
    await page.waitForFunction(() => !document.querySelector('dialog[open]'));
    assert.equal(await (await fetch(url + 'wrote')).text(), '1');
    ok('a report by touch: what was refused is said, and nothing of it is lost');

    await show('what was done');
    await page.locator('#items button').first().tap();
    await page.locator('dialog[open]').waitFor();
    assert.equal(await page.locator('#minutes').textContent(), '25');
    await page.locator('[data-add="-5"]').tap();
    assert.equal(await page.locator('#minutes').textContent(), '20');
    const o = await page.evaluate(shape);
    if (o.over > 1 || o.small.length) failures.push(`log: ${JSON.stringify(o)}`);
    await audit(page, 'log');
    await page.screenshot({ path: `${out}/panel-form-log.png` });
    await page.locator('#save').tap();
    await page.waitForFunction(() => !document.querySelector('dialog[open]'));
    assert.equal(await (await fetch(url + 'wrote')).text(), '2');
    ok('an intervention in two touches');

    await show('what went well');
    await page.locator('#items button').nth(1).tap();
    await page.locator('#items button[aria-pressed=true]').waitFor();
    await page.locator('#offers .chosen').tap();
    ok('vouching in two touches');

    await show('on, with a role');
    await page.locator('#report').tap();
    await page.locator('dialog[open]').waitFor();
    await page.evaluate(() => { touched -= 91000; draw() });
    assert.equal(await page.locator('dialog[open]').count(), 0, 'a form that nobody touches stays open');
    await show('on, with a role');
    await page.locator('#report').tap();
    await page.locator('dialog[open]').waitFor();
    await page.evaluate(() => { form.at = 7; draw() }); // somebody else's, and now Inès has tapped
    assert.equal(await page.locator('dialog[open]').count(), 0, 'another card leaves the form open');
    ok('a form left open closes by itself, and when another card comes');

    await show('what was done');
    await page.locator('#items button').first().waitFor();
    await page.evaluate(() => { view = { ...view, sign: 'fault', line: { FR: 'Arrêt d’urgence enclenché', EN: 'Emergency stop pressed' } }; draw() });
    assert.match(await page.locator('h1').textContent(), /Arrêt d’urgence/, 'a question hides the emergency stop');
    assert.equal(await page.locator('#items button').count(), 0);
    await show('on');
    await page.locator('#report').tap();
    await page.locator('dialog[open]').waitFor();
    await page.evaluate(() => { view = { ...view, sign: 'fault' }; draw() });
    assert.equal(await page.locator('dialog[open]').count(), 0, 'a form hides the emergency stop');
    ok('a fault goes before questions and forms');

    await show('ready');
    await page.locator('#phone').tap();
    await page.locator('#code.big svg').waitFor();
    assert.equal(await read(page, '#code svg'), url.replace(/\/$/, ''), 'a phone does not read the panel’s own code');
    await audit(page, 'phone code');
    await page.waitForTimeout(1200);
    assert.equal(await page.locator('#cancel').textContent(), 'Fermer');
    await page.locator('#cancel').tap();
    await page.context().close();
  }
  { // a page elsewhere on the network: it shows; a form is opened at the machine's own screen, whose code a phone reads
    const page = await open('fr', 'light', 'phone', { before: page => page.route(url, async r => { const a = await r.fetch(); await r.fulfill({ response: a, body: (await a.text()).replace('data-here="true"', 'data-here="false"') }) }) });
    await show('maintenance');
    await page.waitForFunction(() => document.querySelector('main').dataset.sign === 'maintenance');
    assert.equal(await page.locator('#offers button').count(), 0, 'a phone switches the machine, or opens a form');
    await page.route(url + 'form', r => r.fulfill({ status: 409, contentType: 'application/json', body: JSON.stringify(elsewhere) })); // as the machine answers
    await page.locator('#report').tap();
    await page.locator('h1').filter({ hasText: 'Les formulaires s’ouvrent à l’écran de la machine' }).waitFor();
    const s = await page.evaluate(shape);
    if (s.wide > 1 || s.cut > 1) failures.push('a phone that asks for a form: ' + JSON.stringify(s));
    await page.screenshot({ path: `${out}/panel-elsewhere-phone.png` });
    ok('a phone shows; it switches nothing and opens no form by itself');
    await page.context().close();
  }
  { // what a phone sent is confirmed at the machine, and a page says when what it sent waits for that
    const page = await open('fr', 'light', 'small');
    await show('confirm a form');
    await page.locator('#offers button').filter({ hasText: 'Confirmer : nettoyage de la lentille (25 min)' }).waitFor();
    assert.match(await page.locator('h1').textContent(), /Inès, confirmer ce qui a été envoyé d’un téléphone/);
    await page.screenshot({ path: `${out}/panel-confirm.png` });
    await page.locator('#offers button').first().tap();
    await show('on');
    await fetch(url + 'wait', { method: 'POST' });
    await page.locator('#report').tap();
    await page.locator('#choices button').first().tap();
    await page.locator('#save').tap();
    await page.locator('h1').filter({ hasText: 'C’est reçu, pas encore noté' }).waitFor();
    const s = await page.evaluate(shape);
    if (s.wide > 1 || s.cut > 1 || s.tall > 1) failures.push('what waits: ' + JSON.stringify(s));
    await page.screenshot({ path: `${out}/panel-waits.png` });
    await page.goto(url + 'form/0123456789abcdef0123456789abcdef');
    await page.locator('input[name=item]').first().check();
    await page.locator('button').click();
    await page.getByText('C’est reçu, pas encore noté').waitFor();
    await audit(page, 'what waits, on a phone');
    await fetch(url + 'accept', { method: 'POST' });
    ok('what a phone sent waits for a touch at the machine, and is said to');
    await page.context().close();
  }
  { // a screen at the machine reports itself, and one whose timers stood still shows nothing of before
    const page = await open('fr', 'light', 'small');
    await show('on');
    await page.waitForFunction(() => document.querySelector('main').dataset.sign === 'on');
    const r = await page.waitForRequest(url + 'alive', { timeout: 15000 });
    assert.deepEqual(JSON.parse(r.postData()), { rev: await page.evaluate(() => view.rev), leaves: false });
    await page.route(url + 'events', () => {}); // the new stream has no word yet
    await page.evaluate(() => { pulse -= 12001; stoodStill() });
    assert.equal(await page.locator('h1').textContent(), '…', 'what was true before the page stood still is shown as if it were now');
    assert.equal(await page.locator('main').getAttribute('data-sign'), 'stale');
    assert.equal(await page.locator('#left').textContent(), '');
    await page.unroute(url + 'events');
    await page.evaluate(() => listen());
    await page.waitForFunction(() => document.querySelector('main').dataset.sign === 'on');
    assert.equal(await (await fetch(url + 'screens')).text(), '1', 'a screen that reports itself is not watched');
    await page.goto('about:blank');
    for (let n = 0; n < 50 && await (await fetch(url + 'screens')).text() !== '0'; n++) await page.waitForTimeout(100);
    assert.equal(await (await fetch(url + 'screens')).text(), '0', 'a page that was closed is missed');
    ok('a screen reports what it shows, says when it leaves, and after its timers stood still shows "…" until the next word');
    await page.context().close();
  }
  { // keyboard alone
    const page = await open('en', 'dark', 'wide');
    await show('ready');
    for (let n = 0; n < 10 && await page.evaluate(() => document.activeElement.id) !== 'report'; n++) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('dialog[open]').waitFor();
    for (let n = 0; n < 6 && await page.evaluate(() => document.activeElement.getAttribute('role')) !== 'radio'; n++) await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    await page.locator('[aria-checked=true]').waitFor();
    const chosen = await page.locator('[aria-checked=true]').textContent();
    await page.keyboard.press('ArrowRight');
    assert.notEqual(await page.locator('[aria-checked=true]').textContent(), chosen, 'an arrow chooses nothing');
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, 'none', 'the focus is not seen');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !document.querySelector('dialog[open]'));
    ok('the keyboard alone opens, chooses and closes');
    await page.context().close();
  }
  { // the phone's own page
    const page = await open('fr', 'light', 'phone');
    await page.goto(url + 'form/0123456789abcdef0123456789abcdef');
    await audit(page, 'form on a phone');
    const s = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth - innerWidth, small: [...document.querySelectorAll('input:not([type=radio],[type=checkbox]), button, label')].filter(b => b.getBoundingClientRect().height < 44).map(b => b.outerHTML.slice(0, 60)) }));
    if (s.wide > 1 || s.small.length) failures.push('phone form: ' + JSON.stringify(s));
    await page.screenshot({ path: `${out}/panel-form-phone.png`, fullPage: true });
    await page.locator('input[name=item]').first().check();
    await page.locator('input[type=file]').setInputFiles({ name: 'x.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('not a photo') });
    await page.locator('textarea').fill('<script>alert(1)</script>');
    await page.locator('button').click();
    await page.getByText('Ce fichier n’est pas une photo JPEG').waitFor();
    await page.goBack();
    assert.equal(await page.locator('textarea').inputValue(), '<script>alert(1)</script>', 'what was written is lost');
    ok('a form on a phone says what is wrong with a photo, and keeps what was written');
    await page.context().close();
  }
  { // nothing moves
    const page = await open('fr', 'light', 'small', { reducedMotion: 'reduce' });
    for (const name of ['ready', 'reading']) {
      await show(name);
      await page.waitForFunction(n => document.querySelector('main').dataset.sign === n, name);
      assert.equal(await page.evaluate(() => document.getAnimations().length), 0, `${name} moves for those who asked for none`);
    }
    ok('reduced motion: nothing moves');
    await page.context().close();
  }
  { // weight
    let bytes = 0, requests = 0;
    const page = await open('fr', 'light', 'small', { before: page => page.on('requestfinished', async r => {
      const z = await r.sizes();
      bytes += z.responseBodySize + z.responseHeadersSize; requests++;
    }) });
    for (let n = 0; n < 50 && requests < 3; n++) await page.waitForTimeout(100);
    assert.ok(requests === 3 && bytes > 15000 && bytes <= 60 * 1024, `${bytes} bytes`);
    ok(`first load: ${requests} requests, ${(bytes / 1024).toFixed(1)} KB`);

    // the browser's clock is wrong, and then set: what counts down is the machine's
    await show('on');
    const left = () => page.locator('#left').textContent();
    await page.waitForFunction(() => /1 h 59|2 h 00/.test(document.querySelector('#left').textContent));
    await page.evaluate(() => { const was = Date.now; Date.now = () => was() + 400 * 24 * 3600e3; draw() });
    assert.match(await left(), /1 h 59|2 h 00/, 'the browser’s clock counts');
    ok('a browser whose clock is wrong by a year shows the machine’s time');

    // left for a week, a thousand views later: nothing has grown
    const count = () => page.evaluate(() => document.getElementsByTagName('*').length);
    const nodes = await count();
    for (let n = 0; n < 1000; n++) await page.evaluate(i => { view = { ...view, line: { FR: 'Vue ' + i, EN: 'View ' + i }, offers: i % 2 ? [{ do: 'log', label: { FR: 'a', EN: 'a' } }] : [] }; draw() }, n);
    await page.evaluate(() => { view.offers = []; draw() });
    assert.ok(await count() <= nodes + 2, 'the page grows');
    ok('a page left for a week of views does not grow');

    // an upgrade of the machine while the page is open
    await page.waitForFunction(() => performance.now() > 10100);
    await page.evaluate(() => { document.documentElement.dataset.build = 'older' });
    await show('ready');
    await page.waitForFunction(() => document.documentElement.dataset.build !== 'older' && document.querySelector('main').dataset.sign === 'ready');
    ok('a page of an older machine loads itself anew');

    // the machine goes, and comes back
    const at = new URL(url).host;
    server.kill('SIGKILL');
    await page.evaluate(() => { heard -= 12001; draw() }); // twelve seconds later
    await page.locator('h1').filter({ hasText: 'ne reçoit plus de nouvelles' }).waitFor();
    assert.equal(await page.locator('#left').textContent(), '', 'a countdown goes on');
    assert.equal(await page.locator('#offers button').count(), 0, 'buttons of a machine that is gone');
    assert.equal(await page.locator('#report').isDisabled(), true);
    await audit(page, 'stale');
    await page.screenshot({ path: `${out}/panel-stale.png` });
    ({ p: server, url } = await start(at));
    await page.locator('h1').filter({ hasText: 'Présentez votre carte' }).waitFor({ timeout: 20000 });
    ok('a machine that is gone is said to be, and comes back by itself');
    await page.context().close();
  }
  complaints.forEach(c => failures.push(c));
} finally {
  await browser.close();
  server.kill('SIGKILL');
}
for (const f of failures.slice(0, 60)) console.log('FAIL', f);
console.log(`${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length ? 1 : 0;
