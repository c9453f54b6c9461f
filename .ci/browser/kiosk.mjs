// The screen beside a machine: the very command of systemd/portillon-panel.service, on a screen that exists in memory only (wlroots' headless
// backend), as a user of its own: node kiosk.mjs GALLERY OUTDIR. Wants root, cage, grim and chromium.
// What it holds: the page waits for a machine that is not there, shows its panel once it is, and again after it was away.
import { spawn, execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { readFile, mkdtemp, chmod, chown, rm, cp, readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import assert from 'node:assert/strict';

const [gallery, out] = process.argv.slice(2);
const root = new URL('../../', import.meta.url).pathname;
const unit = await readFile(root + 'systemd/portillon-panel.service', 'utf8');
const command = unit.match(/^ExecStart=(.*)$/m)[1];
const port = await new Promise(done => { const s = createServer().listen(0, '127.0.0.1', () => { const p = s.address().port; s.close(() => done(p)) }) });
const panel = `http://127.0.0.1:${port}/`;

const uid = 65534, dir = await mkdtemp('/tmp/kiosk-'); // nobody
await cp(root + 'firmware-config/panel/waiting.html', join(dir, 'waiting.html'));
await chmod(join(dir, 'waiting.html'), 0o644);
await chown(dir, uid, uid);
const words = command.replaceAll('/run/portillon-panel', dir).replace('/usr/share/portillon', dir).replace('${PANEL}', panel).split(' ');
const screen = spawn(words[0], words.slice(1), { uid, gid: uid, cwd: dir, stdio: ['ignore', 'ignore', 'pipe'], detached: true,
  env: { PATH: process.env.PATH, HOME: dir, XDG_RUNTIME_DIR: dir, WLR_BACKENDS: 'headless', WLR_LIBINPUT_NO_DEVICES: '1', WLR_RENDERER: 'pixman' } });
let said = '';
screen.stderr.on('data', b => { said += b });
let machine;
const start = () => { machine = spawn(gallery, ['-listen', `127.0.0.1:${port}`], { stdio: 'ignore' }) };
const until = async (what, ask) => { for (const end = Date.now() + 60000; Date.now() < end; await sleep(200)) if (await ask().catch(() => false)) return; throw new Error('within a minute: ' + what) };
const watched = async () => Number(await (await fetch(panel + 'watched')).text()) > 0;
const grim = (...what) => async name => {
  const display = (await readdir(dir)).find(f => /^wayland-\d+$/.test(f));
  return execFileSync('grim', [...what, name], { uid, gid: uid, maxBuffer: 1 << 26, env: { PATH: process.env.PATH, XDG_RUNTIME_DIR: dir, WAYLAND_DISPLAY: display } });
};
const light = async () => { // the whole screen is the page's: its far corner has the page's colour, not a black that nothing was drawn on
  const ppm = await grim('-t', 'ppm')('-');
  return ppm[ppm.length - 4] > 200;
};
const picture = async name => { await until(name + ' is on the whole screen', light); await grim()(join(dir, name)); await cp(join(dir, name), join(out, name)) };
try {
  await until('the browser draws', async () => (await readdir(dir)).includes('profile'));
  await picture('kiosk-waiting.png');
  console.log('ok it waits for a machine that is not there');
  start();
  await until('the panel is shown', watched);
  await sleep(2000);
  await picture('kiosk-ready.png');
  console.log('ok it shows the panel once there is one');
  machine.kill('SIGKILL');
  await sleep(2000);
  start();
  await until('the panel comes back', watched);
  console.log('ok it comes back by itself');
  assert.equal(screen.exitCode, null);
  console.log('3 passed, 0 failed');
} catch (e) {
  console.error(said.split('\n').slice(-15).join('\n'));
  throw e;
} finally {
  machine?.kill('SIGKILL');
  try { process.kill(-screen.pid, 'SIGKILL') } catch { /* it has ended */ }
  await sleep(500);
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}
