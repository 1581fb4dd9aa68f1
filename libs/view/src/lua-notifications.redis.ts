/** The scripts of a partition's view of `notifications`; each one is a method of `PartitionView`. */

/**
 * ARGV: view, state, applied, next, routed, mailboxMax, mailboxBytesMax, then the commands (see `packing.redis.ts`).
 */
export const APPLY = `
local state, applied = ARGV[2], tonumber(ARGV[3])
if not isMark(ARGV[1], state, ARGV[3]) then return false end
local fold = state == 'rebuilding'
local countMax, bytesMax = tonumber(ARGV[6]), tonumber(ARGV[7])
local knowsSubscriptions = redis.call('HGET', SUBS_MARK, 'state') == 'ready'
local out, puts = {}, {}

local function put(at)
  local offset, appendedAt, ttl, device = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), ARGV[at + 4]
  puts[#puts + 1] = at
  if tonumber(offset) < applied then return end
  redis.call('HINCRBY', MARK, 'accepted', 1)
  local head, record = ARGV[at + 5], ARGV[at + 6]
  local subscription, id, topic = unpackHead(head)
  if not fold and knowsSubscriptions and not isSubscribed(device, subscription) then
    return announce(out, offset, device, id, 'gone')
  end
  local member = device .. ':' .. offset
  redis.call('ZADD', EXPIRY, int(appendedAt + (ttl == 0 and 30000 or ttl * 1000)), member)
  if ttl == 0 then
    redis.call('HSET', INSTANTS, member, head)
  else
    redis.call('HSET', K .. 'box:' .. device, offset, head .. record)
    redis.call('HINCRBY', K .. 'box:' .. device, 'bytes', #record)
    redis.call('ZADD', K .. 'order:' .. device, offset, offset)
  end
  if topic ~= '' and fold then
    redis.call('HSET', FOLD, device .. subscription .. topic, offset)
  elseif topic ~= '' then
    local topics = K .. 'topics:' .. device
    local older = redis.call('HGET', topics, subscription .. topic)
    if older then decide(out, device, older, 'replaced') end
    redis.call('HSET', topics, subscription .. topic, offset)
  end
  if not fold then bound(out, device, countMax, bytesMax) end
end

local function cancel(device, id)
  local box = K .. 'box:' .. device
  for _, offset in ipairs(redis.call('ZRANGE', K .. 'order:' .. device, 0, -1)) do
    local _, boxed = unpackHead(redis.call('HGET', box, offset))
    if boxed == id then return decide(out, device, offset, 'deleted') end
  end
end

local at = 8
while at <= #ARGV do
  local kind = ARGV[at]
  if kind == 'p' then
    put(at)
    at = at + 7
  elseif kind == 'o' then
    if take(ARGV[at + 1], ARGV[at + 2]) then redis.call('HINCRBY', MARK, 'o:' .. ARGV[at + 3], 1) end
    at = at + 4
  else
    cancel(ARGV[at + 1], ARGV[at + 2])
    at = at + 3
  end
end
if tonumber(ARGV[4]) > applied then redis.call('HSET', MARK, 'applied', ARGV[4]) end
if fold then return { out, {} } end
if tonumber(ARGV[5]) > tonumber(redis.call('HGET', MARK, 'routed')) then redis.call('HSET', MARK, 'routed', ARGV[5]) end

-- Holders are read after the puts, in the same step (rule 2).
local routables = {}
for i, place in ipairs(puts) do
  local device = ARGV[place + 4]
  local expiry = redis.call('ZSCORE', EXPIRY, device .. ':' .. ARGV[place + 1])
  if expiry and tonumber(expiry) > now then
    routables[#routables + 1] = i - 1
    routables[#routables + 1] = redis.call('GET', K .. 'holder:' .. device) or ''
  end
end
return { out, routables }
`;

/** ARGV: view, state, applied, limit, mailboxMax, mailboxBytesMax, pass ('' at first), score, member. */
export const FINISH = `
if ARGV[2] ~= 'rebuilding' or not isMark(ARGV[1], ARGV[2], ARGV[3]) then return false end
local budget, out = tonumber(ARGV[4]), {}
local pass, score, member = tonumber(ARGV[7]) or 0, ARGV[8], ARGV[9]
if score == '' then score, member = nil, nil end

local function replaceOrExpire(entry)
  local device, offset = split(entry[1])
  if tonumber(entry[2]) <= now then return decideByTime(out, entry[1]) end
  local v = redis.call('HGET', K .. 'box:' .. device, offset) or redis.call('HGET', INSTANTS, entry[1])
  if not v then return end
  local subscription, _, topic = unpackHead(v)
  if topic == '' then return end
  local last = tonumber(redis.call('HGET', FOLD, device .. subscription .. topic) or -1)
  if last > tonumber(offset) then return decide(out, device, offset, 'replaced') end
  redis.call('HSET', K .. 'topics:' .. device, subscription .. topic, offset)
end

while pass < 2 do
  local entries, isAll = walk(score, member, budget)
  for _, entry in ipairs(entries) do
    if pass == 0 then
      replaceOrExpire(entry)
    else
      bound(out, (split(entry[1])), tonumber(ARGV[5]), tonumber(ARGV[6]))
    end
    member, score = entry[1], entry[2]
  end
  if not isAll then return { out, pass .. ' ' .. score, member } end
  budget = budget - #entries
  pass, score, member = pass + 1, nil, nil
  if pass < 2 and budget <= 0 then return { out, pass .. ' ', '' } end
end
local applied = redis.call('HGET', MARK, 'applied')
redis.call('HSET', MARK, 'state', 'ready', 'routed', applied, 'told', 0, 'swept', 0)
redis.call('DEL', FOLD)
return { out }
`;

/** ARGV: view, state, field, value. Moves up only. */
export const MOVE = `
if ARGV[2] ~= 'ready' or not isMark(ARGV[1], ARGV[2]) then return 0 end
if tonumber(ARGV[4]) > tonumber(redis.call('HGET', MARK, ARGV[3])) then redis.call('HSET', MARK, ARGV[3], ARGV[4]) end
return 1
`;

/** ARGV: view or '', state, devices, their offsets and outcomes (see `packing.redis.ts`). */
export const SETTLE = `
local m = redis.call('HMGET', MARK, 'view', 'state')
if not m[1] or (ARGV[1] ~= '' and (m[1] ~= ARGV[1] or m[2] ~= ARGV[2])) then return { 'none' } end
if m[2] == 'rebuilding' then return { 'rebuilding' } end
local out = {}
local at = 1
for offset, outcome in string.gmatch(ARGV[4], '(%d+) (%a+) ') do
  decide(out, string.sub(ARGV[3], at, at + 15), offset, outcome)
  at = at + 16
end
return { 'ready', m[1], out }
`;

/** ARGV: view, then offset and outcome of each. */
export const CLEAR_OUTBOX = `
if not isMark(ARGV[1], 'ready') then return 0 end
for at = 2, #ARGV, 2 do
  local line = redis.call('HGET', OUTBOX, ARGV[at])
  if line and string.match(line, '^%S+ (%S+)') == ARGV[at + 1] then redis.call('HDEL', OUTBOX, ARGV[at]) end
end
return 1
`;

/** ARGV: view, state, olderThanMs, limit. */
export const PICK_OUTBOX = `
local out = {}
if ARGV[2] ~= 'ready' or not isMark(ARGV[1], ARGV[2]) then return out end
local cursor, limit, before = '0', tonumber(ARGV[4]), now - tonumber(ARGV[3])
repeat
  local page = redis.call('HSCAN', OUTBOX, cursor, 'COUNT', 100)
  cursor = page[1]
  for i = 2, #page[2], 2 do
    local line = page[2][i]
    if #out < limit and tonumber(string.match(line, '^%S+ %S+ (%S+)')) <= before then out[#out + 1] = line end
  end
until cursor == '0' or #out >= limit
return out
`;

/** ARGV: view, state, limit. */
export const EXPIRE = `
local out = {}
if ARGV[2] ~= 'ready' or not isMark(ARGV[1], ARGV[2]) then return out end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', int(now), 'LIMIT', 0, ARGV[3])) do
  decideByTime(out, member)
end
return out
`;

/** ARGV: view of notifications, view of subscriptions, limit, score ('' at first), member. */
export const SWEEP_GONE = `
local other = redis.call('HMGET', SUBS_MARK, 'view', 'state', 'swept')
if not isMark(ARGV[1], 'ready') or other[1] ~= ARGV[2] or other[2] ~= 'ready' then return false end
if redis.call('HGET', MARK, 'swept') == '1' and other[3] == '1' then return false end
local score, member, out = ARGV[4], ARGV[5], {}
if score == '' then score, member = nil, nil end
local entries, isAll = walk(score, member, tonumber(ARGV[3]))
for _, entry in ipairs(entries) do
  local device, offset = split(entry[1])
  local v = redis.call('HGET', K .. 'box:' .. device, offset)
  if v and not isSubscribed(device, (unpackHead(v))) then decide(out, device, offset, 'gone') end
  member, score = entry[1], entry[2]
end
if not isAll then return { out, score, member } end
redis.call('HSET', MARK, 'swept', 1)
redis.call('HSET', SUBS_MARK, 'swept', 1)
return { out }
`;

/** ARGV: device, above, countMax, bytesMax. Records and their offsets, heads still on. */
export const READ = `
if redis.call('HGET', MARK, 'state') ~= 'ready' then return false end
local device, countMax, bytesMax = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local found, bytes, from = {}, 0, '(' .. ARGV[2]
while true do
  local page = redis.call('ZRANGEBYSCORE', K .. 'order:' .. device, from, '+inf', 'LIMIT', 0, countMax)
  for _, offset in ipairs(page) do
    local expiry = redis.call('ZSCORE', EXPIRY, device .. ':' .. offset)
    if expiry and tonumber(expiry) > now then
      local v = redis.call('HGET', K .. 'box:' .. device, offset)
      local _, _, _, head = unpackHead(v)
      bytes = bytes + #v - head
      if #found / 2 == countMax or (#found > 0 and bytes > bytesMax) then return found end
      found[#found + 1] = offset
      found[#found + 1] = v
    end
  end
  if #page < countMax then return found end
  from = '(' .. page[#page]
end
`;

/** ARGV: device. */
export const OFFSETS = `
if redis.call('HGET', MARK, 'state') ~= 'ready' then return false end
local found = {}
for _, offset in ipairs(redis.call('ZRANGE', K .. 'order:' .. ARGV[1], 0, -1)) do
  local expiry = redis.call('ZSCORE', EXPIRY, ARGV[1] .. ':' .. offset)
  if expiry and tonumber(expiry) > now then found[#found + 1] = offset end
end
return found
`;

/** Mark, counts by outcome and pending. */
export const ACCOUNTS = `
local m = redis.call('HGETALL', MARK)
if #m == 0 then return false end
return { m, redis.call('ZCARD', EXPIRY) }
`;
