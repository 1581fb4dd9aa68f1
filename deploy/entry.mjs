/**
 * What the image runs: `entry.mjs <role>` becomes that service. Two things are done here because they belong to
 * containers, not to services: secrets may come as files, and a process 1 has to end by itself on SIGTERM.
 */
import { readFileSync } from 'node:fs';

const APPS = ['gateway', 'ingest', 'router', 'registration', 'standalone', 'demo'];
const MAINS = {
  ...Object.fromEntries(APPS.map((app) => [app, `../dist/apps/${app}/src/main.js`])),
  streams: '../dist/deploy/create-streams.js',
};
/** Each may be given as `<name>_FILE`, the way that Docker and Kubernetes mount secrets. */
const SECRETS = ['ENDPOINT_KEYS', 'KAFKA_USERNAME', 'KAFKA_PASSWORD', 'REDIS_URL'];

const stopListening = endOnSignals();
const main = MAINS[process.argv[2]];
if (process.argv.length !== 3 || main === undefined) {
  const said = process.argv.slice(2).join(' ');
  refuse(`Give one role as the argument (${Object.keys(MAINS).join(', ')}), not “${said}”.`);
}
const problems = SECRETS.flatMap(readSecret);
if (problems.length > 0) refuse(problems.join('\n'));
await import(main);
// The service listens now, and each leaves the signal to the other while there are two.
stopListening();

/** The kernel ignores a signal to process 1 that nobody listens for, and until a service is loaded nobody does. */
function endOnSignals() {
  const listeners = { SIGTERM: () => process.exit(143), SIGINT: () => process.exit(130) };
  for (const [signal, listener] of Object.entries(listeners)) process.on(signal, listener);
  return () => {
    for (const [signal, listener] of Object.entries(listeners)) process.off(signal, listener);
  };
}

/** Answers with what is wrong. */
function readSecret(name) {
  const path = process.env[`${name}_FILE`];
  if (!path) return [];
  if (process.env[name]) return [`${name} and ${name}_FILE are both set: one of them is enough.`];
  try {
    process.env[name] = readFileSync(path, 'utf8').trim();
    return [];
  } catch (error) {
    return [`${name}_FILE: ${path} must be a file that this user can read (${error.code}).`];
  }
}

function refuse(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
