/**
 * Claims and leases. A holder is `<epoch> <connection> <since> <gateway>` under `holder:<device>`.
 * All of ARGV: device, epoch, connection, gateway, ttl of the claim (ms).
 */
const HOLDER = `
local key = K .. 'holder:' .. ARGV[1]
local function parse(v)
  local epoch, connection, since, gateway = string.match(v, '^(%d+) (%d+) (%d+) (.*)$')
  return { epoch = epoch, connection = connection, since = tonumber(since), gateway = gateway }
end
local held = redis.call('GET', key)
local h = held and parse(held)
local isOther = h and (h.gateway ~= ARGV[4] or h.connection ~= ARGV[3])
local function claim(since)
  redis.call('SET', key, ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. int(since) .. ' ' .. ARGV[4], 'PX', ARGV[5])
end
`;

/** Later than the one it displaces, even within one ms or after the clock was set back. */
export const HELLO = `${HOLDER}
local since = now
if h and h.since + 1 > since then since = h.since + 1 end
claim(since)
return { int(since), isOther and held or false }
`;

/** ARGV[6]: since. */
export const RECLAIM = `${HOLDER}
if isOther and h.since >= tonumber(ARGV[6]) then return { 0, held } end
claim(tonumber(ARGV[6]))
return { 1, isOther and held or false }
`;

export const RELEASE = `${HOLDER}
if redis.call('HGET', MARK, 'state') == 'ready' and h and not isOther then redis.call('DEL', key) end
return 1
`;

/** KEYS: `hg:{gateways}`, `hg:{gateways}:<id>`. The list and the lease are set together and lost together. */
const LEASE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function write()
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[3]), ARGV[1])
end
`;

/** ARGV: gateway, epoch, ttl. */
export const SET_LEASE = `${LEASE}
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
write()
return 1
`;

export const RENEW_LEASE = `${LEASE}
local epoch = redis.call('GET', KEYS[2])
if not epoch then return 'lost' end
if epoch ~= ARGV[2] then return 'replaced' end
write()
return 'renewed'
`;

export const RELEASE_LEASE = `
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
`;

/** Gateways without a lease for a day are forgotten; until then the keeper finds their streams by them. */
export const LIVE_GATEWAYS = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')
`;
