/**
 * Which reader of a group has which partition. A partition moves when its owner dies, leaves or hangs, when the
 * group feels like it (a rebalance), and to the same reader again. The old owner hears of it late: until then it
 * goes on, and whatever it has under way comes later still.
 */
import type { PartitionReader, StopReading } from '#streams';
import type { StreamParts } from './stream-parts.js';
import { Turns } from './turns.js';
import type { SimProcess, World } from './world.js';

export interface MemberParts extends StreamParts {
  readonly reader: PartitionReader;
}

/** Until a member that does not answer has lost what it had. */
const SESSION_MS = 6_000;
const LOOK_MS = 1_000;

export class Groups {
  private readonly groups = new Map<string, Group>();

  constructor(
    private readonly world: World,
    private readonly partitions: number,
  ) {}

  join(stream: string, parts: MemberParts): StopReading {
    return this.of(stream).join(parts);
  }

  of(stream: string): Group {
    let group = this.groups.get(stream);
    if (!group) this.groups.set(stream, (group = new Group(this.world, stream, this.partitions)));
    return group;
  }
}

export class Group {
  private members: Member[] = [];
  /** By partition. */
  private readonly owners: (Member | undefined)[];
  private readonly silentSince = new Map<Member, number>();

  constructor(
    private readonly world: World,
    private readonly stream: string,
    partitions: number,
  ) {
    this.owners = Array.from({ length: partitions }, () => undefined);
    this.look();
  }

  join(parts: MemberParts): StopReading {
    const member = new Member(this.stream, parts);
    this.members.push(member);
    return async () => {
      this.members = this.members.filter((other) => other !== member);
      for (const [partition, owner] of this.owners.entries()) {
        if (owner === member) this.owners[partition] = undefined;
      }
      await member.stop();
    };
  }

  ownerOf(partition: number): SimProcess | undefined {
    return this.owners[partition]?.process;
  }

  /** To another, or to the same once more. */
  move(partition: number): void {
    const able = this.members.filter(({ process }) => process.isRunning);
    if (able.length === 0) return;
    const others = able.filter((member) => member !== this.owners[partition]);
    const { dice } = this.world;
    this.give(partition, dice.pick(others.length > 0 && dice.chance(0.85) ? others : able));
  }

  private give(partition: number, to: Member): void {
    const { dice } = this.world;
    const from = this.owners[partition];
    this.owners[partition] = to;
    this.world.say('group', () => `${this.stream}/${partition} goes to ${to.process.name}`);
    // Heard at the next heartbeat, or much later.
    const heardMs = dice.chance(0.6) ? dice.about(50) : dice.about(8_000);
    if (from && from !== to) {
      this.world.in(heardMs, from.process, () => {
        if (this.owners[partition] !== from) from.revoke(partition);
      });
    }
    this.world.in(dice.about(20), to.process, () => {
      if (this.owners[partition] === to) to.assign(partition);
    });
  }

  private look(): void {
    for (const [partition, owner] of this.owners.entries()) {
      if (owner === undefined || this.isSilent(owner)) this.move(partition);
    }
    this.members = this.members.filter(({ process }) => !process.isDead);
    this.world.in(LOOK_MS, undefined, () => this.look());
  }

  private isSilent(member: Member): boolean {
    if (member.process.isRunning) {
      this.silentSince.delete(member);
      return false;
    }
    const since = this.silentSince.get(member) ?? this.world.now;
    this.silentSince.set(member, since);
    return this.world.now - since >= SESSION_MS;
  }
}

class Member {
  private readonly turns = new Map<number, Turns>();

  constructor(
    private readonly stream: string,
    private readonly parts: MemberParts,
  ) {}

  get process(): SimProcess {
    return this.parts.process;
  }

  assign(partition: number): void {
    const before = this.turns.get(partition);
    before?.end();
    const turns = new Turns({ ...this.parts, stream: this.stream, partition });
    this.turns.set(partition, turns);
    turns.begin(before?.ended ?? Promise.resolve());
  }

  /** At once, whatever is under way. */
  revoke(partition: number): void {
    this.turns.get(partition)?.end();
    this.parts.reader.onRevoked(partition);
  }

  async stop(): Promise<void> {
    for (const turns of this.turns.values()) turns.end();
    await Promise.all([...this.turns.values()].map(({ ended }) => ended));
  }
}
