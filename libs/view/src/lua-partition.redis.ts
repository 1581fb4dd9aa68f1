/**
 * What every script of a partition begins with (design §4 "Redis, per partition"). KEYS[1] is `hg:{p}:`; all other
 * key names are made from it and so lie in the same slot. Numbers that come from Redis are text until `tonumber`.
 * A device is its 16 bytes, in key names, members and arguments.
 *
 * A box value and an instant (TTL 0) begin with a head, made in `packing.redis.ts`:
 * subscription (16 bytes), u8 length and message id, u8 length and topic; in a box the record follows.
 */
export const PARTITION = `
local K = KEYS[1]
local MARK, EXPIRY, OUTBOX = K .. 'mark:notifications', K .. 'expiry', K .. 'outbox'
local SUBS_MARK, INSTANTS, FOLD = K .. 'mark:subscriptions', K .. 'instants', K .. 'fold'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function int(n) return string.format('%.0f', n) end

local function unpackHead(v)
  local n = string.byte(v, 17)
  local t = string.byte(v, 18 + n)
  return string.sub(v, 1, 16), string.sub(v, 18, 17 + n), string.sub(v, 19 + n, 18 + n + t), 18 + n + t
end

-- Fenced by view id and state; by applied too where it is given.
local function isMark(view, state, applied)
  local m = redis.call('HMGET', MARK, 'view', 'state', 'applied')
  return m[1] == view and m[2] == state and (applied == nil or m[3] == applied)
end

local function isSubscribed(device, subscription)
  local e = redis.call('HGET', K .. 'subs:' .. device, subscription)
  return e and string.sub(e, 1, 1) ~= 'G'
end

local function areBothReady()
  return redis.call('HGET', MARK, 'state') == 'ready' and redis.call('HGET', SUBS_MARK, 'state') == 'ready'
end

local function announce(out, offset, device, id, outcome)
  redis.call('HINCRBY', MARK, 'o:' .. outcome, 1)
  local line = offset .. ' ' .. outcome .. ' ' .. int(now) .. ' ' .. id .. ' ' .. device
  redis.call('HSET', OUTBOX, offset, line)
  out[#out + 1] = line
end

-- Takes the entry away; its message id, or nil when it is not there. Rule 4: there = it has its expiry entry.
local function take(device, offset)
  local member = device .. ':' .. offset
  if redis.call('ZREM', EXPIRY, member) == 0 then return nil end
  local box = K .. 'box:' .. device
  local v = redis.call('HGET', box, offset)
  local subscription, id, topic, length
  if v then
    subscription, id, topic, length = unpackHead(v)
    redis.call('HDEL', box, offset)
    redis.call('ZREM', K .. 'order:' .. device, offset)
    redis.call('HINCRBY', box, 'bytes', length - #v)
    if redis.call('HLEN', box) == 1 then redis.call('DEL', box) end
  else
    v = redis.call('HGET', INSTANTS, member)
    redis.call('HDEL', INSTANTS, member)
    if not v then return '' end
    subscription, id, topic = unpackHead(v)
  end
  if topic ~= '' then
    local topics = K .. 'topics:' .. device
    if redis.call('HGET', topics, subscription .. topic) == offset then
      redis.call('HDEL', topics, subscription .. topic)
    end
  end
  return id
end

local function decide(out, device, offset, outcome)
  local id = take(device, offset)
  if id then announce(out, offset, device, id, outcome) end
end

local function split(member)
  return string.sub(member, 1, 16), string.sub(member, 18)
end

local function isInstant(member) return redis.call('HEXISTS', INSTANTS, member) == 1 end

local function decideByTime(out, member)
  local outcome = isInstant(member) and 'dropped' or 'expired'
  local device, offset = split(member)
  decide(out, device, offset, outcome)
end

-- Rule 10: the oldest go until the mailbox is within its bounds.
local function bound(out, device, countMax, bytesMax)
  local box = K .. 'box:' .. device
  while redis.call('HLEN', box) - 1 > countMax
      or tonumber(redis.call('HGET', box, 'bytes') or 0) > bytesMax do
    local oldest = redis.call('ZRANGE', K .. 'order:' .. device, 0, 0)[1]
    decide(out, device, oldest, 'dropped')
  end
end

-- What waits for subscriptions of the device that are not there (for one, if only that is meant): gone. Never TTL 0.
local function settleGone(out, device, only)
  if not areBothReady() then return end
  for _, offset in ipairs(redis.call('ZRANGE', K .. 'order:' .. device, 0, -1)) do
    local v = redis.call('HGET', K .. 'box:' .. device, offset)
    local subscription = v and unpackHead(v)
    if v and (not only or subscription == only) and not isSubscribed(device, subscription) then
      decide(out, device, offset, 'gone')
    end
  end
end

-- As a sorted set orders them; Lua would go by the locale of the server.
local function isBehind(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x > y end
  end
  return #a > #b
end

-- At most limit entries of expiry behind (score, member), in order; true when that was all.
local function walk(score, member, limit)
  local found, skip = {}, 0
  while true do
    local page = redis.call('ZRANGEBYSCORE', EXPIRY, score or '-inf', '+inf', 'WITHSCORES', 'LIMIT', skip, limit + 1)
    if #page == 0 then return found, true end
    for i = 1, #page, 2 do
      if not score or tonumber(page[i + 1]) > tonumber(score) or isBehind(page[i], member) then
        if #found == limit then return found, false end
        found[#found + 1] = { page[i], page[i + 1] }
      end
    end
    skip = skip + #page / 2
  end
end
`;
