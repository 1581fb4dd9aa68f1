/**
 * How many processes hold the devices. Each socket is a file descriptor, of which a process has so many; and one source
 * address has some 28,000 ports, so that further processes take a loopback address each.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** For what a process needs besides sockets of devices. */
const RESERVED = 500;
/** Of one source address (32,768–60,999 on Linux), with some left for connections that have just ended. */
const PORTS_PER_ADDRESS = 20_000;
const DEVICES_PER_PROCESS_MAX = 15_000;
/** Fewer are not worth a process more. */
const WORTH_A_PROCESS = 4_000;

export interface Share {
  readonly from: number;
  readonly count: number;
  readonly sourceAddress?: string;
}

export interface Shares {
  readonly devices: readonly Share[];
  /** What a reader should know; undefined: nothing unusual. */
  readonly says?: string;
}

/** Answers with a sentence when the cluster's own gateways could not hold the devices. */
export function sharesOf(
  devices: number,
  at: {
    readonly descriptors: number;
    readonly cores?: number;
    /** Whether all targets are loopback addresses of a Linux machine. */
    readonly isLoopback: boolean;
    /** Of ours; each has the same limit. Half a one: all go through one load balancer. Undefined: they are not ours. */
    readonly gateways?: number;
  },
): Shares | string {
  const { descriptors, cores = availableParallelism(), isLoopback, gateways } = at;
  const room = Math.max(1, descriptors - RESERVED);
  if (gateways !== undefined && devices > gateways * room) {
    if (gateways < 1) {
      return (
        `${devices.toLocaleString('en')} devices: each is two file descriptors of the load balancer, which may have ` +
        `${descriptors.toLocaleString('en')} here. Give --devices ${Math.floor(gateways * room)} or fewer, ` +
        'or take --engine containers.'
      );
    }
    return (
      `${devices.toLocaleString('en')} devices: a process may have ${descriptors.toLocaleString('en')} file ` +
      `descriptors here, so ${gateways} gateways hold ${(gateways * room).toLocaleString('en')} of them. ` +
      `Give --gateways ${Math.ceil(devices / room)} or more, or raise the limit (ulimit -n).`
    );
  }
  const perProcess = Math.min(room, DEVICES_PER_PROCESS_MAX, PORTS_PER_ADDRESS);
  const needed = Math.ceil(devices / perProcess);
  const useful = Math.min(cores, Math.ceil(devices / WORTH_A_PROCESS));
  const processes = Math.max(1, needed, useful);
  const each = Math.ceil(devices / processes);
  // Only where they are needed: the kernel tries for a free port of a given address, and the process waits.
  const isSpread = isLoopback && devices > PORTS_PER_ADDRESS;
  const shares = Array.from({ length: processes }, (_, i) => ({
    ...{ from: i * each, count: Math.min(each, devices - i * each) },
    ...(isSpread && { sourceAddress: `127.0.0.${2 + (i % 250)}` }),
  }));
  if (needed <= 1 || needed < useful) return { devices: shares };
  const says =
    `${devices.toLocaleString('en')} devices are more than one process may connect ` +
    `(${descriptors.toLocaleString('en')} file descriptors): ${processes} processes hold ` +
    `${each.toLocaleString('en')} each${isSpread ? ', every one from a loopback address of its own' : ''}.`;
  return { devices: shares, says };
}

/** How many file descriptors a process of ours may have. Node raises its own limit as far as it may. */
export function descriptorsMax(): number {
  const said = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout.trim();
  return said === 'unlimited' ? 1_000_000 : Number(said) || 1_024;
}
