// A transcript of pictures, at the panels of a real demo on a screen of 800×480: Léa refused, Léa with a mentor, Léa autonomous, a
// maintainer tagging out and returning. node story.mjs PORTILLON OUTDIR leaves story-NN-….png there; README.md shows some of them, from
// pictures/, which are four of these without their first word
import { spawn } from 'node:child_process';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const [portillon, out] = process.argv.slice(2);
const demo = spawn(portillon, ['demo', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
const url = await new Promise((done, fail) => {
  let said = '';
  demo.stdout.on('data', b => { const m = (said += b).match(/http:\/\/[\d.:]+/); if (m) done(m[0]) });
  demo.on('exit', c => fail(new Error(`the demo ended with ${c}:\n${said}`)));
});
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
let passed = 0;
try {
  const context = await browser.newContext({ viewport: { width: 800, height: 480 }, locale: 'fr-FR', colorScheme: 'light', hasTouch: true });
  const office = await context.newPage();
  await office.setViewportSize({ width: 1400, height: 1150 });
  await office.goto(url);
  const panels = {};
  for (const m of ['laser', 'vinyl', 'fdm']) {
    panels[m] = await context.newPage();
    await panels[m].goto(await office.locator(`#m-${m} iframe`).getAttribute('src'));
  }
  const tap = async (machine, name) => {
    const here = office.locator(`#m-${machine} [data-id=choose]`);
    if (await here.isEnabled()) await here.click();
    await office.locator('.card').filter({ hasText: name }).first().click();
  };
  const says = (machine, re, at = '#line') => panels[machine].locator(at).filter({ hasText: re }).waitFor({ timeout: 15000 });
  const shot = async (machine, name) => {
    await panels[machine].bringToFront();
    await panels[machine].waitForTimeout(400); // the picture of a page that has come to rest
    await panels[machine].screenshot({ path: `${out}/story-${String(++passed).padStart(2, '0')}-${name}.png` });
    await office.bringToFront();
    console.log('ok', name);
  };
  const rest = () => office.waitForTimeout(2300); // the same card within 2 s is the same tap

  // Léa has no badge for the printer. A mentor of the printer was here today: she is named.
  await tap('fdm', 'Aïcha'); await says('fdm', /Aïcha/); await rest(); await tap('fdm', 'Aïcha'); await says('fdm', /Présentez/);
  await tap('fdm', 'Léa'); await says('fdm', /Il manque le badge/); await says('fdm', /aujourd’hui.*Aïcha/, '#next');
  await shot('fdm', 'refused');

  // At the vinyl cutter she has her first steps: with a mentor.
  await tap('vinyl', 'Léa'); await says('vinyl', /avec un mentor/);
  await shot('vinyl', 'waits-for-a-mentor');
  await tap('vinyl', 'Nour'); await says('vinyl', /Nour \(mentor\)/);
  await shot('vinyl', 'with-a-mentor');
  await rest(); await tap('vinyl', 'Nour'); await says('vinyl', /qu’est-ce que Léa a réussi/);
  await panels.vinyl.locator('#items button').first().tap();
  await shot('vinyl', 'what-went-well');
  await panels.vinyl.locator('#offers .chosen').tap(); await says('vinyl', /C’est noté pour Léa/);

  // At the laser she is autonomous.
  await tap('laser', 'Léa'); await says('laser', /Bonjour Léa/);
  await shot('laser', 'autonomous');
  await rest(); await tap('laser', 'Léa'); await says('laser', /Extraction|Présentez/);

  // A maintainer takes it out of service, and gives it back.
  await tap('laser', 'Inès'); await says('laser', /Maintenance par Inès|Bonjour Inès/);
  await panels.laser.locator('#offers button').filter({ hasText: 'Mettre hors service' }).tap();
  await panels.laser.locator('#choices button').filter({ hasText: 'Panne' }).tap();
  await shot('laser', 'tags-out');
  await panels.laser.locator('#save').tap();
  await panels.laser.waitForFunction(() => !document.querySelector('dialog[open]'));
  await rest(); await tap('laser', 'Inès'); await says('laser', /qu’est-ce qui a été fait/);
  await tap('laser', 'Léa'); await says('laser', /Hors service/);
  await shot('laser', 'tagged-out');
  await rest(); await tap('laser', 'Inès');
  await panels.laser.locator('#offers button').filter({ hasText: 'Remettre en service' }).tap();
  await rest(); await tap('laser', 'Inès'); await says('laser', /qu’est-ce qui a été fait/);
  await shot('laser', 'what-was-done');
  await panels.laser.locator('#items button').filter({ hasText: 'Alignement des miroirs' }).tap();
  await panels.laser.locator('#save').tap(); await says('laser', /Intervention notée/);
  await rest(); await tap('laser', 'Léa'); await says('laser', /Bonjour Léa/);
  await shot('laser', 'returned');
} finally {
  await browser.close();
  demo.kill('SIGINT');
  await new Promise(done => { demo.on('exit', done); setTimeout(done, 15000).unref() });
}
assert.equal(demo.exitCode, 0);
console.log(`${passed} passed, 0 failed`);
