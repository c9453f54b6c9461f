// The demo as a new user meets it: node demo.mjs PORTILLON OUTDIR. Leaves pictures in OUTDIR.
import { spawn } from 'node:child_process';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const [portillon, out] = process.argv.slice(2);
const demo = spawn(portillon, ['demo', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
const url = await new Promise((done, fail) => {
  let said = '';
  const late = setTimeout(() => fail(new Error('the demo printed no address within 60 s:\n' + said)), 60000);
  demo.stdout.on('data', b => { const m = (said += b).match(/http:\/\/[\d.:]+/); if (m) { clearTimeout(late); done(m[0]) } });
  demo.on('exit', c => fail(new Error(`the demo ended with ${c}:\n${said}`)));
});
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
let passed = 0;
try {
  const page = await browser.newPage({ viewport: { width: 1400, height: 1150 }, locale: 'fr-FR' });
  const complaints = [];
  page.on('console', m => { if (m.type() === 'error') complaints.push(m.text()) });
  page.on('pageerror', e => complaints.push(String(e)));
  page.on('request', r => { if (!new URL(r.url()).hostname.match(/^127\.0\.0\.1$/)) complaints.push('left the machine: ' + r.url()) });
  await page.goto(url);
  const laser = page.locator('#m-laser'), lamp = laser.locator('.lamp'), panel = page.frameLocator('#m-laser iframe');
  const lit = on => page.waitForFunction(want => document.querySelector('#m-laser .lamp').classList.contains('lit') === want, on, { timeout: 15000 });
  const says = re => panel.locator('#line').filter({ hasText: re }).waitFor({ timeout: 15000 });
  const card = name => page.locator('.card').filter({ hasText: name }).first().click();
  const step = async (name, what) => { await what(); await page.bringToFront(); await page.screenshot({ path: `${out}/demo-${String(++passed).padStart(2, '0')}-${name}.png` }); console.log('ok', name) };

  await step('ready', async () => { await says(/Présentez votre carte/); await lit(false) });
  await step('lea-on', async () => { await card('Léa'); await lit(true); await says(/Bonjour Léa/) });
  await step('record', async () => { await page.locator('#rows tr').filter({ hasText: 'session-start' }).first().waitFor({ timeout: 20000 }) });
  await step('lea-off', async () => { await page.waitForTimeout(2300); await card('Léa'); await lit(false) });
  await step('jules-waits', async () => { await card('Jules'); await says(/avec un mentor/); await lit(false) });
  await step('karim-answers', async () => { await card('Karim'); await lit(true); await says(/Karim \(mentor\)/) });
  await step('karim-ends', async () => { await page.waitForTimeout(2300); await card('Karim'); await lit(false) });
  await step('vouched', async () => {
    await panel.locator('#items button').filter({ hasText: 'Mise au point' }).click();
    await panel.locator('#offers button').filter({ hasText: 'Valider' }).click();
    await says(/C’est noté pour Jules/);
    await page.locator('#rows tr').filter({ hasText: 'vouched' }).first().waitFor({ timeout: 20000 });
  });
  await step('refused', async () => { await card('Zoé'); await says(/./); await panel.locator('main[data-sign=refused]').waitFor(); await panel.locator('#next').filter({ hasText: 'aujourd’hui : Karim' }).waitFor(); await lit(false) });
  await step('problem', async () => {
    await panel.locator('#report').click();
    await panel.locator('dialog h2').filter({ hasText: 'Zoé, quel est le problème' }).waitFor();
    await panel.locator('#choices button').filter({ hasText: 'Danger' }).click();
    await panel.locator('#save').click();
    await says(/Hors service depuis le .*danger/);
    await card('Léa'); await panel.locator('main[data-sign=tagged]').waitFor(); await lit(false);
  });
  await step('returned', async () => {
    await card('Inès'); await lit(true);
    await panel.locator('#offers button').filter({ hasText: 'Arrêter la machine' }).click(); await lit(false); await says(/Débrancher avant d’ouvrir/);
    await panel.locator('#offers button').filter({ hasText: 'Remettre en service' }).click();
    await page.waitForTimeout(2300); await card('Inès');
    await says(/qu’est-ce qui a été fait/);
    await panel.locator('#items button').filter({ hasText: 'Alignement des miroirs' }).click();
    await panel.locator('#save').click();
    await page.locator('#rows tr').filter({ hasText: 'intervention' }).first().waitFor({ timeout: 20000 });
    await page.waitForTimeout(2300);
  });
  // The hub's pages, signed in as whoever one picks. Later, what is changed there acts at the simulated machines.
  const hub = async (button, lang) => {
    const [tab] = await Promise.all([page.context().waitForEvent('page'), page.locator(button).click()]);
    tab.on('console', m => { if (m.type() === 'error') complaints.push(m.text()) });
    tab.on('pageerror', e => complaints.push(String(e)));
    await tab.waitForLoadState();
    assert.equal(await tab.locator('html').getAttribute('lang'), lang);
    assert.notEqual(new URL(tab.url()).port, new URL(url).port);
    return tab;
  };
  for (const [who, at, as] of [['administrator', '/today', 'adrien@biklab.example'], ['maintainer', '/today', 'ines@example.org'],
    ['mentor', '/today', 'karim@example.org'], ['member', '/me', 'lea@example.org']]) {
    const tab = await hub(`[data-id=as-${who}]`, 'fr');
    await tab.locator('footer').filter({ hasText: as }).waitFor();
    assert.equal(new URL(tab.url()).pathname, at, who);
    await tab.bringToFront();
    await tab.screenshot({ path: `${out}/demo-hub-${who}.png` });
    console.log('ok', 'hub as', who);
    passed++;
    await tab.close();
  }
  await step('maintenance', async () => { await card('Inès'); await says(/Maintenance par Inès/); await card('Léa'); await says(/Maintenance par Léa/) });
  await step('evidence', async () => {
    const log = async (kind, full) => {
      await laser.locator('[data-id^=log-]').nth(kind).click();
      await page.waitForFunction(n => document.querySelectorAll('#progress .full').length >= n, full, { timeout: 20000 });
    };
    for (let n = 0; n < 3; n++) await log(n, n + 1);
    // A kind counts once in a session: the last two are of another one.
    await page.waitForTimeout(2300); await card('Inès'); await lit(false);
    await page.waitForTimeout(2300); await card('Inès'); await says(/Maintenance par Inès/); await card('Léa'); await says(/Maintenance par Léa/);
    for (let n = 0; n < 2; n++) await log(n, n + 4);
  });
  await step('issued', async () => { await page.locator('[data-id=issue]').click(); await page.getByText('Badge émis').waitFor({ timeout: 30000 }) });
  await step('opens', async () => {
    await page.waitForTimeout(2300); // the same card within 2 s is the same tap
    await card('Inès'); await lit(false);
    await page.waitForTimeout(2300);
    await card('Léa'); await lit(true);
    await panel.locator('#offers button').filter({ hasText: 'Faire la maintenance' }).click({ timeout: 20000 });
    await says(/Maintenance par Léa/);
  });
  await step('unknown', async () => { await page.waitForTimeout(2300); await page.locator('#m-fdm [data-id=choose]').click(); await page.locator('[data-id=card-stranger]').click(); await page.locator('#answer').filter({ hasText: 'Carte inconnue : code' }).waitFor() });
  let office; // the owner's tab
  await step('assigned', async () => {
    office = await hub('[data-id=as-owner]', 'fr');
    await office.locator('footer').filter({ hasText: 'olivia@biklab.example' }).waitFor();
    await office.locator('a[href^="/cards/unknown/"]').first().click({ timeout: 20000 });
    await office.getByLabel('Nom, adresse ou identifiant').fill('Tom');
    await office.waitForFunction(() => document.querySelectorAll('#found form').length === 1); // found while one types
    await office.bringToFront();
    await office.screenshot({ path: `${out}/demo-hub-assign.png` });
    await office.locator('#found form').filter({ hasText: 'Tom' }).locator('button').click();
    await office.waitForLoadState();
    await page.bringToFront();
    // Tom has his first steps at the printer: with his new card it waits for a mentor.
    await page.locator('[data-id=card-m-e1608f]:not([disabled])').click({ timeout: 20000 });
    await page.frameLocator('#m-fdm iframe').locator('#line').filter({ hasText: /mentor/ }).waitFor({ timeout: 15000 });
  });
  const bundle = () => page.evaluate(() => [...document.querySelectorAll('#rows tr')].map(r => r.textContent).find(t => /^fdm.*bundle.*version/.test(t)));
  await step('policy', async () => {
    await office.goto(new URL('/policy', office.url()).href);
    const text = office.locator('textarea[name=text]'), before = 'needs: fdm-user, session: { max: 3h }';
    const policy = await text.inputValue();
    assert.ok(policy.includes(before));
    await text.fill(policy.replace(before, 'needs: fdm-first-steps, session: { max: 3h }'));
    await office.locator('#policy button').first().click();
    await office.locator('#effect').filter({ hasText: 'Pauline' }).waitFor();
    await office.bringToFront();
    await office.screenshot({ path: `${out}/demo-hub-policy.png`, fullPage: true });
    const taken = await bundle();
    await office.locator('button[formaction="/policy/publish"]').click();
    await office.waitForLoadState();
    await page.bringToFront();
    for (let n = 0; await bundle() === taken; n++) { assert.ok(n < 100, 'the machine has no new bundle after 20 s'); await page.waitForTimeout(200) }
    await page.locator('[data-id=card-m-e1608f]').click(); // Tom goes
    await page.frameLocator('#m-fdm iframe').locator('#line').filter({ hasText: /Présentez votre carte/ }).waitFor({ timeout: 15000 });
    await page.locator('[data-id=card-m-ae0699]').click(); // Pauline, of the same badge, now works alone
    await page.waitForFunction(() => document.querySelector('#m-fdm .lamp').classList.contains('lit'), null, { timeout: 15000 });
  });
  await step('machine-page', async () => {
    const tab = await hub('#m-fdm [data-id=hub]', 'fr');
    await tab.getByText('Pauline').first().waitFor({ timeout: 20000 });
    await tab.bringToFront();
    await tab.screenshot({ path: `${out}/demo-hub-machine.png`, fullPage: true });
    await tab.close();
    await office.close();
    await page.locator('#m-laser [data-id=choose]').click();
  });
  await step('estop', async () => { await laser.locator('[data-id=estop]').click(); await lit(false); await says(/Arrêt d’urgence/) });
  await page.locator('#lang').click();
  await page.setViewportSize({ width: 420, height: 900 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await step('phone-dark-en', async () => { await page.getByText('Emergency stop').first().waitFor(); await says(/Emergency stop pressed/) });
  assert.deepEqual(complaints, []);
} catch (e) {
  for (const [n, p] of browser.contexts().flatMap(c => c.pages()).entries()) {
    console.error(p.url(), 'says:', await p.locator('#answer, main').first().textContent({ timeout: 2000 }).catch(String));
    await p.screenshot({ path: `${out}/demo-failed-${n}.png` });
  }
  throw e;
} finally {
  await browser.close();
  demo.kill('SIGINT');
  await new Promise(done => { demo.on('exit', done); setTimeout(done, 15000).unref() });
}
assert.equal(demo.signalCode, null, 'the demo did not end by itself on Ctrl-C');
assert.equal(demo.exitCode, 0);
console.log(`${passed} passed, 0 failed`);
