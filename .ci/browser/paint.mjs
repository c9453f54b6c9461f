// From a tap to the answer painted, in Chromium, through a real daemon, its journal and its guard: node paint.mjs PORTILLON [TAPS]
// A tap goes to the machine's control socket, as an operator's does: what a reader takes to read a card comes before. The page notes when
// the frame with the answer has been presented (the second animation frame after the change); both clocks are this machine's.
import { spawn } from 'node:child_process';
import { createConnection } from 'node:net';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [portillon, taps = '300'] = process.argv.slice(2);
const dir = await mkdtemp(join(tmpdir(), 'paint-'));
const demo = spawn(portillon, ['demo', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, TMPDIR: dir } });
const url = await new Promise((done, fail) => {
  let said = '';
  demo.stdout.on('data', b => { const m = (said += b).match(/http:\/\/[\d.:]+/); if (m) done(m[0]) });
  demo.on('exit', c => fail(new Error(`the demo ended with ${c}: ${said}`)));
});
const socket = join(dir, (await readdir(dir))[0], 'laser', 'laser.sock');
const ask = what => new Promise((done, fail) => {
  const c = createConnection(socket, () => c.write(JSON.stringify(what) + '\n'));
  let said = '';
  c.on('data', b => { said += b }).on('end', () => done(JSON.parse(said))).on('error', fail);
});
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
const quantile = (all, q) => [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(q * all.length))];
try {
  const start = await browser.newPage({ viewport: { width: 800, height: 480 } });
  await start.goto(url);
  const panel = await start.locator('#m-laser iframe').getAttribute('src');
  await start.close();
  const page = await browser.newPage({ viewport: { width: 800, height: 480 } });
  let painted = () => {};
  await page.exposeFunction('painted', at => painted(at));
  await page.addInitScript(() => addEventListener('load', () => {
    new MutationObserver(() => requestAnimationFrame(() => requestAnimationFrame(() => window.painted(performance.timeOrigin + performance.now()))))
      .observe(document.querySelector('main'), { subtree: true, attributes: true, attributeFilter: ['data-sign'], characterData: true, childList: true });
  }));
  await page.goto(panel);
  await page.waitForFunction(() => document.querySelector('main').dataset.sign === 'ready');
  const took = { refused: [], session: [] };
  async function one(card, into) {
    await page.waitForTimeout(80);
    const done = new Promise(r => { painted = r });
    const from = performance.timeOrigin + performance.now();
    const answer = ask({ do: 'tap', card });
    const late = new Promise((_, no) => setTimeout(() => no(new Error('no answer was painted within 5 s')), 5000).unref());
    into.push(await Promise.race([done, late]) - from);
    painted = () => {};
    await answer;
  }
  for (let n = 0; n < Number(taps); n++) { // Zoé, Malik, Camille, nobody: refusals, each on record: one of each in two seconds, four of all
    await page.waitForTimeout(500);
    await one(['4400C81D93', '1700E45B22', '5E00920F6B', 'DEADBEEF'][n % 4], took.refused);
  }
  for (let n = 0; n < 20; n++) { // Léa comes and goes: a record, the guard's word, a record
    await page.waitForTimeout(2100);
    await one('62E3086CED', took.session);
  }
  for (const [what, all] of Object.entries(took)) console.log(`painted, ${what}: p50 ${quantile(all, .5).toFixed(1)} ms, p99 ${quantile(all, .99).toFixed(1)} ms, most ${Math.max(...all).toFixed(1)} ms, of ${all.length} taps`);
  const all = [...took.refused, ...took.session], p50 = quantile(all, .5), p99 = quantile(all, .99);
  console.log(`painted, all: p50 ${p50.toFixed(1)} ms (must: 50), p99 ${p99.toFixed(1)} ms (must: 150)`);
} finally {
  await browser.close();
  demo.kill('SIGINT');
  await new Promise(done => { demo.on('exit', done); setTimeout(done, 15000).unref() });
  await rm(dir, { recursive: true, force: true });
}
