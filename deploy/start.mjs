/**
 * `npm start`: the whole service in one process, and the demo site beside it. What they log goes to files under
 * DATA_DIR; the terminal shows the addresses, what to do next, and errors. Ctrl-C or SIGTERM lets both drain.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const LOGS = join(process.env.DATA_DIR || join(ROOT, 'data'), 'logs');
const LOG_BYTES_MAX = 10 * 1024 * 1024;
/** A second signal this much later means: do not wait for the drain. npm passes on what the terminal already sent. */
const SECOND_SIGNAL_MS = 1_000;
const ERRORS_SHOWN_EVERY_MS = 1_000;
const NODE_MAJOR_MIN = 22;

const services = [];
let exitCode = 0;
let stoppingSince = 0;
let errorShownAt = 0;

refuseOldNode();
mkdirSync(LOGS, { recursive: true, mode: 0o700 });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
for (const name of ['standalone', 'demo']) services.push(launch(name));

function refuseOldNode() {
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) return;
  console.error(
    `Heliograph needs Node ${NODE_MAJOR_MIN} or newer; this is Node ${process.versions.node}. Start it with \`npm start\`.`,
  );
  process.exit(1);
}

function launch(name) {
  const service = { name, log: openLog(name), addresses: [], isReady: false, isOver: false };
  const main = join(ROOT, 'dist', 'apps', name, 'src', 'main.js');
  // Its own process group: the terminal's Ctrl-C reaches it through us, once. The channel tells it when we are gone.
  service.process = spawn(process.execPath, ['--enable-source-maps', main], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  createInterface({ input: service.process.stdout }).on('line', (line) => onLine(service, line));
  service.process.on('close', (code, signal) => onEnd(service, code, signal));
  return service;
}

function onLine(service, line) {
  service.log.write(line);
  const said = parsed(line);
  if (said.address !== undefined) service.addresses.push([said.what, said.address]);
  if (said.level === 'error' || said.level === 'fatal') showError(service, said);
  if (said.ready !== true || service.isReady) return;
  service.isReady = true;
  if (services.every(({ isReady }) => isReady)) welcome();
}

function parsed(line) {
  try {
    return Object(JSON.parse(line));
  } catch {
    return {};
  }
}

function welcome() {
  const addresses = services.flatMap((service) => service.addresses);
  const width = Math.max(...addresses.map(([what]) => what.length)) + 2;
  const demo = services.find(({ name }) => name === 'demo').addresses[0]?.[1];
  console.log('Heliograph is running:');
  for (const [what, address] of addresses) console.log(`  ${what.padEnd(width)}${address}`);
  console.log(`Next: open ${demo} in a browser, or \`npm run firefox\` in another terminal.`);
  console.log(`Logs: ${relative(process.cwd(), LOGS) || '.'}/*.log · stop with Ctrl-C`);
}

/** One line at most per second: the log has them all. */
function showError({ name }, said) {
  if (Date.now() - errorShownAt < ERRORS_SHOWN_EVERY_MS) return;
  errorShownAt = Date.now();
  const reason = said.error?.message ?? said.error;
  console.error(
    `${name}: ${said.msg}${reason ? `: ${reason}` : ''} (see ${join(relative(process.cwd(), LOGS), `${name}.log`)})`,
  );
}

/** When one ends, for whatever reason, the other has no purpose. */
function onEnd(service, code, signal) {
  service.isOver = true;
  service.log.close();
  // One that was told to stop before it could listen for that ends by the signal itself.
  const isAsked = signal === 'SIGTERM' && service.told === signal;
  if (signal && !service.told) console.error(`${service.name} was ended by ${signal}.`);
  if (code !== 0 && !isAsked) exitCode = 1;
  endAll('SIGTERM');
  if (services.every(({ isOver }) => isOver)) process.exit(exitCode);
}

function stop() {
  const isImpatient = stoppingSince > 0 && Date.now() - stoppingSince > SECOND_SIGNAL_MS;
  stoppingSince ||= Date.now();
  endAll(isImpatient ? 'SIGKILL' : 'SIGTERM');
}

/** Each signal once: a service that drains is not told again. */
function endAll(signal) {
  for (const service of services) {
    if (service.isOver || service.told === signal) continue;
    service.told = signal;
    service.process.kill(signal);
  }
}

/** A file and its predecessor, each of bounded size. A full disk costs log lines, never the service. */
function openLog(name) {
  const path = join(LOGS, `${name}.log`);
  let file = openSync(path, 'a', 0o600);
  let size = statSync(path).size;
  const rotate = () => {
    renameSync(path, `${path}.1`);
    const full = file;
    file = openSync(path, 'a', 0o600);
    closeSync(full);
    size = 0;
  };
  const write = (line) => {
    try {
      if (size > LOG_BYTES_MAX) rotate();
      size += writeSync(file, `${line}\n`);
    } catch (error) {
      showError({ name }, { msg: 'cannot write its log', error });
    }
  };
  return { write, close: () => closeSync(file) };
}
