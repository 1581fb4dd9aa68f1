/**
 * `npm run image`: builds the image `heliograph:<version>` and says how large it is. `BASE_IMAGE` names another base
 * (deploy/local-images.sh makes one where none can be pulled); further arguments go to `docker build`, e.g.
 * `npm run image -- --network host`.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const tag = process.env.HELIOGRAPH_IMAGE || `heliograph:${version}`;
const base = process.env.BASE_IMAGE;
const args = ['build', '--file', 'deploy/Dockerfile', '--tag', tag];
if (base) args.push('--build-arg', `BASE_IMAGE=${base}`);

if (spawnSync('docker', ['info'], { stdio: 'ignore' }).status !== 0) {
  fail('There is no Docker engine that answers: install one, or start it.');
}
// One that is on this machine only is not looked for in a registry by the classic builder alone.
const isLocal = base?.startsWith('heliograph-local-');
const env = { ...process.env, ...(isLocal && { DOCKER_BUILDKIT: '0' }) };
if (isLocal) args.push('--network', 'host');
const built = spawnSync('docker', [...args, ...process.argv.slice(2), '.'], {
  cwd: ROOT,
  env,
  stdio: 'inherit',
});
if (built.status !== 0) {
  fail(
    base
      ? `The image was not built from ${base}: what failed is above.`
      : 'The image was not built: what failed is above. Where no base image can be pulled: ' +
          'eval "$(deploy/local-images.sh)", then again.',
  );
}
const size = spawnSync('docker', ['image', 'inspect', '--format', '{{.Size}}', tag], {
  encoding: 'utf8',
});
process.stdout.write(`${tag}: ${Math.round(Number(size.stdout) / 1e6)} MB\n`);

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
