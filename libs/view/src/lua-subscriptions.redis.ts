/**
 * The scripts of a partition's view of `subscriptions`. An entry of `subs:<device>` is `<offset>` for present, then
 * 0x00 fingerprint 0x00 site if it has one of them (Redis packs what is a number and no more); or `G<offset>` for the
 * gone that a removal leaves (rule 9).
 */
const CHANGES = `
local REMOVALS, FORGOTTEN, SEEN = K .. 'removals', K .. 'forgotten', K .. 'seen'

local function offsetOf(entry) return tonumber(string.match(entry, '%d+')) end

-- A later write-through wins over an earlier change.
local function isOlder(kind, offset, device, subscription)
  if tonumber(redis.call('ZSCORE', FORGOTTEN, device) or -1) > offset then return true end
  if kind ~= 'P' and kind ~= 'G' then return false end
  local entry = redis.call('HGET', K .. 'subs:' .. device, subscription)
  return entry and offsetOf(entry) > offset
end

-- What is newer than the record stays: the device has come back meanwhile.
local function forget(device, offset)
  local subs = K .. 'subs:' .. device
  local all = redis.call('HGETALL', subs)
  for i = 1, #all, 2 do
    if offsetOf(all[i + 1]) < offset then redis.call('HDEL', subs, all[i]) end
  end
  redis.call('ZREM', SEEN, device)
end

local function remove(out, device, subscription)
  redis.call('HDEL', K .. 'subs:' .. device, subscription)
  settleGone(out, device, subscription)
end
`;

/** ARGV: kind, offset, device, subscription, value (the entry, or when it was seen). */
export const WRITE_THROUGH = `${CHANGES}
local kind, offset, device, subscription, value = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
if offset < tonumber(redis.call('HGET', SUBS_MARK, 'applied') or 0) then return 0 end
if isOlder(kind, offset, device, subscription) then return 0 end
if kind == 'P' then
  redis.call('HSET', K .. 'subs:' .. device, subscription, value)
elseif kind == 'G' then
  redis.call('HSET', K .. 'subs:' .. device, subscription, 'G' .. ARGV[2])
  redis.call('ZADD', REMOVALS, ARGV[2], device .. subscription)
elseif kind == 'S' then
  redis.call('ZADD', SEEN, 'GT', value, device)
else
  forget(device, offset)
  redis.call('ZADD', FORGOTTEN, ARGV[2], device)
end
return 1
`;

/** ARGV: view, state, applied, next, then kind, offset, device, subscription, value of each. */
export const KEEP = `${CHANGES}
local m = redis.call('HMGET', SUBS_MARK, 'view', 'state', 'applied')
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] or m[3] ~= ARGV[3] then return false end
local applied, out = tonumber(ARGV[3]), {}
for at = 5, #ARGV, 5 do
  local kind, offset, device, subscription = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 3]
  if offset >= applied and not isOlder(kind, offset, device, subscription) then
    if kind == 'P' then
      redis.call('HSET', K .. 'subs:' .. device, subscription, ARGV[at + 4])
    elseif kind == 'G' then
      remove(out, device, subscription)
    elseif kind == 'S' then
      redis.call('ZADD', SEEN, 'GT', ARGV[at + 4], device)
    else
      forget(device, offset)
      settleGone(out, device)
    end
  end
end
if tonumber(ARGV[4]) > applied then
  applied = tonumber(ARGV[4])
  redis.call('HSET', SUBS_MARK, 'applied', ARGV[4])
end
-- What write-throughs left behind, and applied has passed, though its record may have been compacted away.
local below = '(' .. int(applied)
for _, member in ipairs(redis.call('ZRANGEBYSCORE', REMOVALS, '-inf', below)) do
  local device, subscription = string.sub(member, 1, 16), string.sub(member, 17)
  local entry = redis.call('HGET', K .. 'subs:' .. device, subscription)
  if entry and string.sub(entry, 1, 1) == 'G' then remove(out, device, subscription) end
end
redis.call('ZREMRANGEBYSCORE', REMOVALS, '-inf', below)
for _, device in ipairs(redis.call('ZRANGEBYSCORE', FORGOTTEN, '-inf', below)) do settleGone(out, device) end
redis.call('ZREMRANGEBYSCORE', FORGOTTEN, '-inf', below)
return out
`;

/** ARGV: view, state, applied. */
export const SET_READY = `
local m = redis.call('HMGET', SUBS_MARK, 'view', 'state', 'applied')
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] or m[3] ~= ARGV[3] then return 0 end
if m[2] == 'rebuilding' then redis.call('HSET', SUBS_MARK, 'state', 'ready', 'swept', 0) end
return 1
`;

/** ARGV: device, subscription. Mark and entry are read in one step (rule 9). */
export const FIND = `
return { redis.call('HGET', SUBS_MARK, 'state'), redis.call('HGET', K .. 'subs:' .. ARGV[1], ARGV[2]) }
`;

/** ARGV: device. */
export const LIST = `
return { redis.call('HGET', SUBS_MARK, 'state'), redis.call('HGETALL', K .. 'subs:' .. ARGV[1]),
  redis.call('ZSCORE', K .. 'seen', ARGV[1]) }
`;
