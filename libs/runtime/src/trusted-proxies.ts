/**
 * Whose word about a client's address counts (design §6). Anybody can send `X-Forwarded-For` or PROXY v2;
 * believed from anybody it would lift every limit per address.
 */
import { BlockList, isIP, isIPv4 } from 'node:net';

export class TrustedProxies {
  private readonly list = new BlockList();
  private readonly isEmpty: boolean;

  /** `ranges`: addresses or CIDR ranges. Throws an Error that completes "must be …" for anything else. */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) this.add(range);
    this.isEmpty = ranges.length === 0;
  }

  /** `peer`: an address in any notation. */
  trusts(peer: string): boolean {
    if (this.isEmpty) return false;
    const address = plainAddress(peer);
    return address !== undefined && this.list.check(address, familyOf(address));
  }

  /**
   * The client behind a TCP peer. Of `X-Forwarded-For` the last entry that is not itself a trusted proxy
   * counts: whatever stands before it was written by somebody we do not know.
   */
  clientOf(peer: string, forwardedFor: string | undefined): string {
    let client = plainAddress(peer) ?? peer;
    if (!forwardedFor) return client;
    const hops = forwardedFor.split(',');
    for (let i = hops.length - 1; i >= 0 && this.trusts(client); i--) {
      const hop = plainAddress(withoutPort((hops[i] ?? '').trim()));
      if (hop === undefined) break;
      client = hop;
    }
    return client;
  }

  private add(range: string): void {
    const [written = '', bits, ...more] = range.split('/');
    const address = plainAddress(written);
    const bitsMax = address === undefined ? -1 : isIPv4(address) ? 32 : 128;
    const prefix = bits === undefined ? bitsMax : /^\d+$/.test(bits) ? Number(bits) : -1;
    if (address === undefined || more.length > 0 || prefix < 0 || prefix > bitsMax) {
      throw new Error(
        `addresses or CIDR ranges such as 10.0.0.0/8, and ${JSON.stringify(range)} is none`,
      );
    }
    this.list.addSubnet(address, prefix, familyOf(address));
  }
}

/** What a limit per address counts by: an IPv6 customer has a whole /64, so that is one. */
export function limitKeyOf(address: string): string {
  const plain = plainAddress(address);
  if (plain === undefined || isIPv4(plain)) return plain ?? address;
  return groupsOf(plain).slice(0, 4).join(':');
}

/** The shortest notation; IPv4 inside IPv6 becomes IPv4. Undefined: no address. */
export function plainAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (isIP(text) !== 6 || text.includes('%')) return undefined;
  const plain = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const groups = groupsOf(plain);
  if (!groups.slice(0, 5).every((group) => group === '0') || groups[5] !== 'ffff') return plain;
  const [high, low] = groups.slice(6).map((group) => parseInt(group, 16)) as [number, number];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** The eight groups of an address in its shortest notation. */
function groupsOf(plain: string): string[] {
  const [head = '', tail] = plain.split('::');
  const before = head ? head.split(':') : [];
  if (tail === undefined) return before;
  const after = tail ? tail.split(':') : [];
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after];
}

/** `1.2.3.4:80`, `[::1]:80`, `[::1]` and `"[::1]"` are all in use. */
function withoutPort(hop: string): string {
  const text = hop.replace(/^"|"$/g, '');
  return /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}
