/**
 * Claims and leases. A holder, under `holder:<device>`, is u48 epoch, u48 since and who it is: u56 connection, gateway.
 * There is one for each device that is connected: up to 44 bytes Redis keeps in one piece.
 * All of ARGV: device, epoch and who in one; ttl of the claim (ms).
 */
const HOLDER = `
local key = K .. 'holder:' .. string.sub(ARGV[1], 1, 16)
local epoch, who = string.sub(ARGV[1], 17, 22), string.sub(ARGV[1], 23)
local held = redis.call('GET', key)
local heldSince = held and struct.unpack('>I6', held, 7)
local isOther = held and string.sub(held, 13) ~= who
local function claim(since)
  redis.call('SET', key, epoch .. struct.pack('>I6', since) .. who, 'PX', ARGV[2])
end
`;

/** Later than the one it displaces, even within one ms or after the clock was set back. */
export const HELLO = `${HOLDER}
local since = now
if held and heldSince + 1 > since then since = heldSince + 1 end
claim(since)
return { int(since), isOther and held or false }
`;

/** ARGV[3]: since. */
export const RECLAIM = `${HOLDER}
local since = tonumber(ARGV[3])
if isOther and heldSince >= since then return { 0, held } end
claim(since)
return { 1, isOther and held or false }
`;

export const RELEASE = `${HOLDER}
if redis.call('HGET', MARK, 'state') == 'ready' and held and not isOther then redis.call('DEL', key) end
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
