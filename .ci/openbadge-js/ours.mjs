// The portillon binary as an issuer and a verifier of files.
import {execFileSync, spawnSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join, resolve} from 'node:path';

export class Portillon {
  constructor(binary) {
    this.binary = resolve(binary);
    this.dir = mkdtempSync(join(tmpdir(), 'openbadge-js-'));
  }

  close() { rmSync(this.dir, {recursive: true}); }
  path(name) { return join(this.dir, name); }
  read(name) { return readFileSync(this.path(name), 'utf8'); }

  // write makes a file, and its folder where need be.
  write(name, text) {
    const path = this.path(name);
    mkdirSync(dirname(path), {recursive: true});
    writeFileSync(path, text);
    return path;
  }

  run(...args) { return execFileSync(this.binary, args, {encoding: 'utf8', cwd: this.dir}); }

  // trust writes a trust file for one issuer.
  trust(name, id, key) {
    return this.write(name, `issuers:\n  lab: { name: "Lab", id: "${id}", keys: ["${key}"] }\n`);
  }

  // verifier answers {verified, why}; why is the codes of the reasons. Its exit code must say the same as its verdict.
  verifier(trust, at, ...more) {
    return async credential => {
      const file = this.write('credential.json', typeof credential === 'string' ? credential : JSON.stringify(credential));
      const r = spawnSync(this.binary, ['badge', 'verify', file, '--trust', trust, '--at', at, '--json', ...more], {encoding: 'utf8'});
      if (r.stdout === '') throw new Error(`portillon badge verify says nothing: ${r.stderr}`);
      const verdict = JSON.parse(r.stdout);
      if ((r.status === 0) !== (verdict.verdict === 'valid')) throw new Error(`exit ${r.status}, and ${verdict.verdict}`);
      return {verified: r.status === 0, why: verdict.reasons.map(x => x.code).join(' ')};
    };
  }
}
