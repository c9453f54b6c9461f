// The hub's everyday tasks, with their clicks counted: node tasks.mjs HUBPAGES OUTDIR
// The browser itself counts each click and tap, and each Enter that sends a form; typing into the field that has the focus costs nothing,
// a click to give a field the focus costs one. Each task begins at Today and ends when the page says that it is done. A task that needs
// more than its limit is a failure. Besides, with the processor slowed down six times, the longest time from a click or a key to the next
// picture is printed (INP; a figure, no gate, because the machine is shared), and the largest shift of a page's layout while it loads
// (CLS; at most 0.02).
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const [program, out] = process.argv.slice(2);
const server = spawn(program, [], { stdio: ['ignore', 'pipe', 'inherit'] });
const url = await new Promise((done, fail) => {
  server.stdout.on('data', b => { const m = String(b).match(/hub (http:\S+)\//); if (m) done(m[1]) });
  server.on('exit', c => fail(new Error(`the server ended with ${c}`)));
});
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
const screens = { phone: { width: 390, height: 844 }, laptop: { width: 1280, height: 800 } };

// watch records in the page what a visitor does and feels: clicks, and the events that the browser measures.
function watch() {
  addEventListener('click', e => { if (e.isTrusted && e.detail > 0) window.clicked('click') }, true); // detail is 0 where Enter makes the click
  addEventListener('keydown', e => { if (e.isTrusted && e.key === 'Enter') window.clicked('Enter') }, true);
  const felt = list => { for (const e of list.getEntries()) if (e.interactionId) window.felt(e.duration, `${e.name} ${location.pathname}`) };
  new PerformanceObserver(felt).observe({ type: 'event', durationThreshold: 16, buffered: true });
  new PerformanceObserver(l => { for (const e of l.getEntries()) if (!e.hadRecentInput) window.shifted(e.value, location.pathname) })
    .observe({ type: 'layout-shift', buffered: true });
}

// tasks are what people do every day: the limit of clicks, who does it, and how.
const said = (page, text) => page.getByRole('status').filter({ hasText: text }).waitFor();
const tasks = {
  'assign an unknown card': [3, 'a-olivia', async p => {
    await p.getByRole('link', { name: 'Assign K7QD2M' }).click();
    await type(p, '#q', 'tom');
    await p.getByRole('button', { name: 'Assign Tom Le Goff' }).click();
    await said(p, 'Card assigned');
  }],
  'take a machine out of service': [3, 'a-olivia', async p => {
    await p.getByRole('main').getByRole('link', { name: 'Laser cutter' }).first().click();
    await type(p, '#tag-reason', 'worn belt');
    await p.click('#tag button');
    await said(p, 'Machine taken out of service');
  }],
  'extend a membership': [2, 'a-olivia', async p => {
    await p.getByRole('link', { name: /^Extend/ }).first().click();
    await p.click('#person button');
    await said(p, 'Saved');
  }],
  'let in a visitor by a mailed code': [6, 'a-olivia', p => letIn(p, () => type(p, '#letin-code', 'K7QF2-M9X'))],
  'let in a visitor by an identity': [6, 'a-olivia', p => letIn(p, () => p.getByLabel('I have seen an identity document').click())],
  'change opening hours after reading the effect': [5, 'a-olivia', async p => {
    await p.getByRole('main').getByRole('link', { name: 'Laser cutter' }).first().click();
    await p.getByRole('link', { name: 'Opening hours' }).click();
    await p.click('#edit-d-sa');
    await p.keyboard.press('Control+A');
    await p.keyboard.type('10:00-16:00');
    await p.getByRole('button', { name: 'Show the effect' }).click();
    await p.getByText('Lose access').waitFor();
    await p.getByRole('button', { name: 'Publish' }).click();
    await said(p, 'Policy published');
  }],
  'award 12 people after a training': [14, 'a-karim', async p => {
    await p.getByRole('link', { name: 'Trainings' }).click();
    await p.click('#training button');
    await p.locator('#people input[name=member]').nth(11).waitFor({ state: 'attached' }); // the cards are tapped at the machine
    for (const box of await p.locator('#award input[type=checkbox]').all()) await box.click();
    await p.getByRole('button', { name: 'Issue the badges' }).click();
    await said(p, 'Badges issued');
    assert.equal(await p.locator('#people .state.on').count(), 12, 'people with a badge');
  }],
};
// letIn lets in a person with a badge of another lab, whose card was tapped at a machine.
async function letIn(p, prove) {
  await p.getByRole('link', { name: 'Visitors', exact: true }).click();
  await type(p, '#bring-address', 'lea@other.example');
  const [chooser] = await Promise.all([p.waitForEvent('filechooser'), p.click('#bring-file')]);
  await chooser.setFiles({ name: 'badge.png', mimeType: 'image/png', buffer: Buffer.from('a valid badge') });
  await p.getByRole('button', { name: 'Check the badge' }).click();
  await said(p, 'The badge is valid');
  await type(p, '#letin-name', 'Léa Dubois');
  await prove();
  await p.getByLabel('I agree that this site keeps').click();
  await p.getByRole('button', { name: 'Let in' }).click();
  await said(p, 'The visitor is in');
}
// type writes into a field; a field without the focus is clicked first, as a visitor would.
async function type(page, field, text) {
  await page.locator(field).waitFor();
  if (!await page.evaluate(f => document.activeElement === document.querySelector(f), field)) await page.click(field);
  await page.keyboard.type(text);
}

const rows = [];
let inp = [0, ''], cls = [0, ''], failed = 0;
try {
  for (const [name, [limit, who, act]] of Object.entries(tasks)) {
    for (const [size, viewport] of Object.entries(screens)) {
      await fetch(`${url}/test/reset`, { method: 'POST' });
      const context = await browser.newContext({ viewport, locale: 'en-GB', hasTouch: size === 'phone' });
      await context.addCookies([{ name: 'portillon-session', value: who, url }]);
      const count = { click: 0, Enter: 0 }, shifts = {};
      await context.exposeFunction('clicked', what => { count[what]++ });
      await context.exposeFunction('felt', (ms, where) => { if (ms > inp[0]) inp = [ms, where] });
      await context.exposeFunction('shifted', (by, where) => { shifts[where] = (shifts[where] ?? 0) + by });
      await context.addInitScript(watch);
      const page = await context.newPage();
      await (await context.newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: 6 });
      await page.goto(`${url}/today`);
      await act(page);
      await page.evaluate(() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))); // what was observed is delivered
      const clicks = count.click + count.Enter, good = clicks > 0 && clicks <= limit;
      if (!good) failed++;
      for (const [where, by] of Object.entries(shifts)) if (by > cls[0]) cls = [by, where];
      rows.push([name, size, clicks, limit]);
      console.log(`${good ? 'ok' : 'FAIL'} ${name} (${size}): ${clicks} clicks, limit ${limit}`);
      await context.close();
    }
  }
  assert.ok(inp[0] > 0, 'the browser measured no click');
  if (cls[0] > 0.02) { failed++; console.log(`FAIL the layout of ${cls[1]} shifts by ${cls[0].toFixed(3)} while it loads`) }
  console.log(`longest time from a click or key to the next picture, processor slowed down six times: ${inp[0]} ms (${inp[1]})`);
  console.log(`largest shift of a layout: ${cls[0].toFixed(4)} ${cls[1]}`);
  await writeFile(`${out}/tasks.json`, JSON.stringify({ tasks: rows, inp, cls }, null, 1));
} finally {
  await browser.close();
  server.kill();
}
console.log(`tasks: ${rows.length - failed} passed, ${failed} failed`);
if (failed) process.exit(1);
