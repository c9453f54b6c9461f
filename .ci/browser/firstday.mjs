// The first day of a site in Chromium: node firstday.mjs OUTDIR AT_HUB AT_PI LIST, as .ci/away starts it in the hub's network namespace.
// AT_HUB and AT_PI run a line on one of the two computers. It is docs/first-day.md with the pages in place of the commands.
import { spawn, execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const [out, atHub, atPi, list] = process.argv.slice(2);
const url = 'http://localhost:8040', card = '04DEADBEEF0102';
const running = [];
const begin = (at, line) => { const p = spawn(at, [line], { stdio: ['ignore', 'pipe', 'ignore'] }); running.push(p); p.said = ''; p.stdout.on('data', b => p.said += b); return p };
const says = async (p, re) => { for (let i = 0; i < 600; i++) { const m = p.said.match(re); if (m) return m; await new Promise(r => setTimeout(r, 100)) } throw new Error(`want ${re}, it said ${p.said}`) };
const end = p => new Promise(done => { p.on('exit', done); p.kill('SIGTERM') });
const run = (at, line) => execFileSync(at, [line], { encoding: 'utf8' });
const tap = (number = card) => { try { return run(atPi, `portillon machine tap --lang fr --socket /run/portillon.sock ${number}`) } catch (e) { return String(e.stdout) } };
const status = () => run(atPi, 'portillon machine status --lang en --socket /run/portillon.sock');
const until = async (what, is) => { for (let i = 0; i < 300; i++) { if (await is()) return; await new Promise(r => setTimeout(r, 200)) } throw new Error('it does not come: ' + what) };

let hub = begin(atHub, 'mkdir biklab && cd biklab && exec portillon-hub');
const code = (await says(hub, /\/code\/owner\?code=(\S+)/))[1], phrase = (await says(hub, /with secrets: (\S+)/))[1];
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'fr-FR' });
const page = await context.newPage();
const complaints = [];
page.on('pageerror', e => complaints.push(String(e)));
page.on('console', m => { if (m.type() === 'error' && !/Failed to load resource/.test(m.text())) complaints.push(m.text()) });
page.on('request', r => { if (!r.url().startsWith(url)) complaints.push('left the hub: ' + r.url()) });
page.setDefaultTimeout(60000);
let n = 0;
const step = async (name, what) => { await what(); await page.screenshot({ path: `${out}/firstday-${String(++n).padStart(2, '0')}-${name}.png`, fullPage: true }); console.log('ok', name) };
const done = text => page.getByRole('status').filter({ hasText: text }).waitFor();
const text = async () => (await page.locator('main').innerText()).replaceAll(/\s+/g, ' ');
try {
  await step('owner', async () => {
    await page.goto(`${url}/code/owner?code=${code}`);
    await page.fill('#code-name', 'olivia@lab.example');
    await page.fill('#code-password', 'an invented passphrase');
    await page.click('#code button');
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.getByRole('button', { name: 'Se déconnecter' }).waitFor();
  });
  await step('machine', async () => {
    await page.goto(url + '/machines');
    await page.fill('#add-id', 'laser');
    await page.click('#add button');
    await done('Machine ajoutée');
    await page.getByRole('button', { name: 'Créer un code' }).click();
    const command = (await page.locator('pre.command').first().innerText()).replace('sudo ', '');
    run(atPi, command + ' --wiring ./bench.yaml --no-start');
    const daemon = begin(atPi, 'exec sh ./unit laser');
    await says(daemon, /ready/);
    await page.goto(url + '/machines/laser');
    await page.getByText('disponible').first().waitFor();
  });
  await step('import', async () => {
    await page.goto(url + '/members/import');
    await page.setInputFiles('#import-file', list);
    await page.click('#import button');
    await page.getByText('Léa Martin').first().waitFor();
    assert.match(await text(), /40 /, 'forty members');
  });
  await step('imported', async () => {
    await page.getByRole('button', { name: 'Importer' }).click();
    await done('Liste importée');
  });
  const did = run(atHub, 'portillon badge keygen -o issuer.key').trim();
  const policy = `portillon: 1\nsite: biklab\nlanguage: fr\ntimezone: Europe/Paris\nissuers: { biklab: { name: Le lab, keys: ["${did}"] } }\n`
    + 'badges: { laser-user: { name: { fr: Découpe laser, en: Laser cutting }, issuer: biklab, achievement: "https://lab.example/laser-user" } }\n'
    + 'roles: [learner, user, host, mentor, maintainer]\n'
    + 'machines: { laser: { name: { fr: Découpe laser, en: Laser cutter }, grants: [{ role: user, needs: laser-user, session: { max: 2h } }] } }\n';
  writeFileSync(`${process.env.AWAY_DIR}/hub/policy.yaml`, policy);
  await step('badge', async () => {
    run(atHub, 'portillon badge issue --key issuer.key --policy policy.yaml --badge laser-user --recipient karim.haddad@adherents.example --criteria c --no-status -o karim.json 2>/dev/null');
    await page.goto(url + '/members?q=haddad');
    await page.getByRole('link', { name: 'Karim Haddad' }).click();
    await page.getByText('Ajouter des badges').first().click();
    await page.setInputFiles('#file-file', `${process.env.AWAY_DIR}/hub/karim.json`);
    await page.click('#file button');
    await page.getByText('Découpe laser').first().waitFor();
  });
  await step('effect', async () => {
    await page.goto(url + '/policy');
    await page.fill('#text', policy);
    await page.fill('#comment', 'la découpe laser ouvre');
    await page.getByRole('button', { name: 'Vérifier' }).click();
    await page.locator('#effect').getByText('Karim Haddad').waitFor();
  });
  await step('published', async () => {
    await page.getByRole('button', { name: 'Publier' }).click();
    await done('Règles publiées');
    await until('a bundle at the machine', () => /bundle +version/.test(status()));
  });
  await step('unknown-card', async () => {
    assert.match(tap(), /carte inconnue/i);
    await page.goto(url + '/today');
    await page.getByRole('link', { name: /^Attribuer/ }).first().click();
    await page.fill('#q', 'haddad');
    await page.getByRole('button', { name: 'Attribuer Karim Haddad' }).click();
    await done('Carte attribuée');
  });
  await step('laser-on', async () => {
    await until('the laser on', () => { execFileSync('sleep', ['2.2']); return /Karim/.test(tap()) });
    await page.goto(url + '/today');
    await page.getByText('Karim Haddad').first().waitFor();
  });
  execFileSync('sleep', ['2.2']); tap();
  await until('the laser off and all records held', () => /relay +off/.test(status()) && /journal +(\d+) records, \1 held/.test(status()));
  await step('reports', async () => {
    for (let i = 0; i < 100; i++) { await page.goto(url + '/reports'); if (/Karim Haddad/.test(await text())) break; await page.waitForTimeout(200) } // the hub counts a moment later
    const said = await text();
    for (const want of [/Karim Haddad/, /Découpe laser/, /inconnue/]) assert.match(said, want, 'the reports');
  });
  await step('erased', async () => {
    await page.goto(url + '/members?q=bernard');
    await page.getByRole('link', { name: 'Jules Bernard' }).click();
    await page.goto(page.url().split('?')[0] + '/erase');
    await page.getByRole('button', { name: 'Effacer Jules Bernard' }).click();
    await done('effacées');
  });
  run(atHub, `cd biklab && portillon-hub backup -with-secrets ../backup.tar && echo ${phrase} > ../phrase`);
  await end(hub);
  run(atHub, 'portillon-hub restore -phrase-file phrase backup.tar elsewhere');
  execFileSync('sleep', ['2.2']);
  assert.match(tap(), /Karim/, 'the machine goes on without a hub');
  hub = begin(atHub, 'cd elsewhere && exec portillon-hub');
  await says(hub, /open http/);
  await step('restored', async () => {
    await page.goto(url + '/today');
    await until('the hub acknowledges', () => /hub +acknowledges/.test(status()));
    await page.reload();
    await page.getByText('Karim Haddad').first().waitFor();
    await page.goto(url + '/members?q=bernard');
    assert.equal(await page.getByRole('link', { name: 'Jules Bernard' }).count(), 0, 'the erased member is back');
  });
  // The hub now issues badges by itself: four people with unknown cards are trained, one of whom the site does not know.
  await end(hub);
  run(atHub, `mv issuer.key elsewhere/ && chmod 600 elsewhere/issuer.key && cd elsewhere && sed -i 's|^web:.*|web:\\n  url: "https://hub.lab.example"|' hub.yaml`
    + " && echo 'issuer: { key: issuer.key }' >> hub.yaml");
  hub = begin(atHub, 'cd elsewhere && exec portillon-hub');
  await says(hub, /open http/);
  await step('training', async () => {
    await page.goto(url + '/trainings');
    if (/sign-in/.test(page.url())) { // a hub with an address of its own names the cookie of a session otherwise
      await page.fill('[name=name]', 'olivia@lab.example');
      await page.fill('[name=password]', 'an invented passphrase');
      await page.locator('form:has([name=password]) button').click();
      await page.getByRole('button', { name: 'Se déconnecter' }).waitFor();
      await page.goto(url + '/trainings');
    }
    await page.click('#training button');
    await done('Formation commencée');
  });
  const trained = [['04A124B2115E80', 'Léa'], ['04A32AB2135E80', 'Inès'], ['04A633B2165E80', 'Malik'], ['04DEADBEEF0204', 'Nina']];
  const at = page.url().split('?')[0];
  await step('trained', async () => {
    tap(); // Karim ends his session
    await until('the laser off', () => /relay +off/.test(status()));
    for (const [number, name] of trained) assert.match(tap(number), name === 'Nina' ? /carte inconnue/i : /Il manque le badge/);
    const assign = page.getByRole('link', { name: /^Attribuer/ }).first();
    await until('three people and an unknown card', async () => { await page.goto(at); return await assign.count() > 0 && await page.locator('#people input[form=award]').count() === 3 });
    await assign.click();
    await page.getByText('Nouvelle personne').click();
    await page.fill('#new-name', 'Nina Roy');
    await page.fill('#new-email', 'nina.roy@adherents.example');
    await page.click('#new button');
    await done('Personne ajoutée');
    assert.equal(await page.locator('#people input[form=award]').count(), 4, 'people who receive the badge');
  });
  await step('awarded', async () => {
    await page.getByRole('button', { name: 'Délivrer les badges' }).click();
    await done('Badges délivrés');
  });
  for (const [number, name] of trained) {
    await until(`the laser on for ${name}`, () => { execFileSync('sleep', ['2.2']); return tap(number).includes(name) && /relay +on/.test(status()) });
    execFileSync('sleep', ['2.2']); tap(number);
    await until('the laser off', () => /relay +off/.test(status()));
  }
  console.log('ok', 'each of the four opens the laser alone');
  assert.deepEqual(complaints, []);
} catch (e) {
  await page.screenshot({ path: `${out}/firstday-failed.png`, fullPage: true });
  console.error('the page says:', await text().catch(() => ''));
  throw e;
} finally {
  await browser.close();
  for (const p of running) if (p.exitCode === null) p.kill('SIGTERM');
}
console.log(`first day: ${n} steps`);
