/**
 * Loaded into a measured process by its flag for imports: SIGWINCH begins a CPU profile (Nest ends at most other
 * signals), a second one writes it into the folder BENCH_PROFILES, named by the process. So start-up is not in it.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';

const file = `${process.env.BENCH_PROFILES}/${process.pid}`;
const SAMPLE_MICROS = 500;
let session: Session | undefined;

function begin(): void {
  session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: SAMPLE_MICROS });
  session.post('Profiler.start');
}

function end(of: Session): void {
  of.post('Profiler.stop', (error, answer) => {
    of.disconnect();
    if (error !== null) throw error;
    writeFileSync(`${file}.part`, JSON.stringify(answer.profile));
    renameSync(`${file}.part`, file);
  });
  session = undefined;
}

process.on('SIGWINCH', () => (session === undefined ? begin() : end(session)));
