"""The arithmetic of `buckets.py` once more, for Redis: each script is one atomic round trip for all accounts of a request.

Per account there are two keys: `<name>`, a packed list {written at (ms), used of three buckets}, which expires soon after
nothing is used any more; and `<name>:leases`, a sorted set of the requests under way by the end of their lease (ms).
Lua's numbers are exact up to 2**53, which `PER_MINUTE_MAX` in parts of a token stays below.

The clock is the server's, so that replicas agree; a number instead of '' is for tests.
"""

from typing import Final

_CLOCK: Final = """
local PARTS = 60000
local SPARE = 1000
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function read(key)
  local packed = redis.call('GET', key)
  return packed and cmsgpack.unpack(packed) or {now, 0, 0, 0}
end

local function drained(used, limit, elapsed)
  if limit <= 0 then return 0 end
  if elapsed <= 0 then return used end
  return math.max(0, used - limit * elapsed)
end

local function write(key, state, limits)
  local unused = 0
  for kind = 1, 3 do
    if limits[kind] > 0 then unused = math.max(unused, math.ceil(state[kind + 1] / limits[kind])) end
  end
  if unused > 0 then
    redis.call('SET', key, cmsgpack.pack(state), 'PX', unused + SPARE)
  else
    redis.call('DEL', key)
  end
end
"""

TAKE: Final = (
    _CLOCK
    + """
-- ARGV: now, length of a lease (ms), lease, charge of three kinds; then per account four limits.
-- Answers whether it is admitted, then per account what is used of three, and how many requests are under way.
local charge = {tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])}
local admitted = 1
local states, limits, places = {}, {}, {}
for account = 1, #KEYS / 2 do
  local state = read(KEYS[2 * account - 1])
  local mine = {}
  for kind = 1, 3 do
    local limit = tonumber(ARGV[2 + 4 * account + kind])
    local used = drained(state[kind + 1], limit, now - state[1])
    mine[kind] = limit
    state[kind + 1] = used
    if limit >= 0 and charge[kind] > 0 and used + charge[kind] * PARTS > limit * PARTS then admitted = 0 end
  end
  mine[4] = tonumber(ARGV[6 + 4 * account])
  places[account] = 0
  if mine[4] >= 0 then
    local leases = KEYS[2 * account]
    redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
    places[account] = redis.call('ZCARD', leases)
    if places[account] >= mine[4] then admitted = 0 end
  end
  state[1] = now
  states[account], limits[account] = state, mine
end
local reply = {admitted}
for account = 1, #KEYS / 2 do
  local state = states[account]
  if admitted == 1 then
    for kind = 1, 3 do
      if limits[account][kind] > 0 then state[kind + 1] = state[kind + 1] + charge[kind] * PARTS end
    end
    write(KEYS[2 * account - 1], state, limits[account])
    if limits[account][4] >= 0 then
      redis.call('ZADD', KEYS[2 * account], now + ARGV[2], ARGV[3])
      redis.call('PEXPIRE', KEYS[2 * account], ARGV[2])
      places[account] = places[account] + 1
    end
  end
  for kind = 2, 4 do reply[#reply + 1] = state[kind] end
  reply[#reply + 1] = places[account]
end
return reply
"""
)

GIVE: Final = (
    _CLOCK
    + """
-- ARGV: now, lease; then per account three limits, what of each kind is given back, and whether the lease ends.
for account = 1, #KEYS / 2 do
  local at = 2 + 7 * (account - 1)
  local key = KEYS[2 * account - 1]
  local state = read(key)
  local limits = {}
  for kind = 1, 3 do
    limits[kind] = tonumber(ARGV[at + kind])
    local used = drained(state[kind + 1], limits[kind], now - state[1])
    if limits[kind] > 0 then used = math.max(0, used - ARGV[at + 3 + kind] * PARTS) end
    state[kind + 1] = used
  end
  state[1] = now
  write(key, state, limits)
  if ARGV[at + 7] == '1' then redis.call('ZREM', KEYS[2 * account], ARGV[2]) end
end
return 1
"""
)

RENEW: Final = (
    _CLOCK
    + """
-- KEYS: sorted sets. ARGV: now, length of a lease (ms); then one lease per key.
for each = 1, #KEYS do
  redis.call('ZADD', KEYS[each], now + ARGV[2], ARGV[2 + each])
  redis.call('PEXPIRE', KEYS[each], ARGV[2])
end
return 1
"""
)

PROBE: Final = """
redis.call('SET', KEYS[1], 1, 'PX', 1000)
return 1
"""
"""Whether it takes writes: one that is full or a replica answers reads."""
