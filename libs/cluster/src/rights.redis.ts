/**
 * What the user of Redis must be allowed to do, and nothing else. A right that is missing would show when the first
 * script needs it, under load and half way through: so all are asked for at start.
 */
import type { Cluster, Redis } from 'ioredis';
import { StartRefused } from '#runtime';

/** All keys of ours. */
export const KEY_PATTERN = 'hg:*';

/** Commands with arguments that Redis accepts. A key is `hg:x`. */
const CALLS: readonly string[] = [
  ...['eval x 1 hg:x', 'evalsha x 1 hg:x', 'info', 'time', 'client setname x'],
  ...['get hg:x', 'set hg:x x', 'del hg:x', 'exists hg:x', 'pttl hg:x'],
  ...['hget hg:x x', 'hset hg:x x x', 'hdel hg:x x', 'hexists hg:x x', 'hgetall hg:x'],
  ...['hincrby hg:x x 1', 'hlen hg:x', 'hmget hg:x x', 'hscan hg:x 0'],
  ...['zadd hg:x 1 x', 'zcard hg:x', 'zrange hg:x 0 1', 'zrangebyscore hg:x 0 1', 'zrem hg:x x'],
  ...['zremrangebyscore hg:x 0 1', 'zscore hg:x x'],
];

/** Of a Redis Cluster, beside those: how its clients find the shards. */
const OF_CLUSTER = ['cluster slots', 'cluster info'];

/** As `ACL SETUSER` and `user …` in an ACL file take them. */
export function redisRights({ isCluster = false } = {}): readonly string[] {
  const calls = isCluster ? [...CALLS, ...OF_CLUSTER] : CALLS;
  return [`~${KEY_PATTERN}`, 'resetchannels', '-@all', ...calls.map(rightOf)];
}

/** ARGV: calls. Which of them the user may not make; none where a Redis before 7.0 cannot tell. */
const LACKING = `
local lacking = {}
for _, call in ipairs(redis.acl_check_cmd and ARGV or {}) do
  local words = {}
  for word in string.gmatch(call, '%S+') do words[#words + 1] = word end
  if not redis.acl_check_cmd(unpack(words)) then lacking[#lacking + 1] = call end
end
return lacking
`;

/** Refuses with a sentence that names the rights which are missing. */
export async function refuseMissingRights(
  redis: Redis | Cluster,
  { address, user }: { readonly address: string; readonly user: string },
): Promise<void> {
  const calls = 'nodes' in redis ? [...CALLS, ...OF_CLUSTER] : CALLS;
  const lacking = (await redis.eval(LACKING, 0, ...calls).catch(unasked)) as readonly string[];
  if (lacking.length === 0) return;
  const isForeign = calls.every((call) => lacking.includes(call) || !call.includes('hg:x'));
  const rights = [...(isForeign ? [`~${KEY_PATTERN}`] : []), ...lacking.map(rightOf)];
  throw new StartRefused(
    `Redis at ${address} does not allow all that is needed. Missing: ACL SETUSER ${user} ${rights.join(' ')}`,
  );
}

/** Without the right to run scripts nothing can be asked. */
function unasked(error: unknown): readonly string[] {
  const { message } = error as Error;
  if (message.startsWith('NOPERM')) return CALLS.filter((call) => call.startsWith('eval'));
  throw error;
}

/** `cluster slots` is one right, `+cluster|slots`; of `client` likewise. */
function rightOf(call: string): string {
  const [command = '', subcommand = ''] = call.split(' ');
  return command === 'client' || command === 'cluster'
    ? `+${command}|${subcommand}`
    : `+${command}`;
}
