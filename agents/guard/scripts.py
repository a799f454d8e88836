"""The guard's atomic steps, in Lua, on Redis' own clock.

Keys: `lease:<run>` (hash: what a reaper needs), `leases` (zset run -> expiry), `live:<tenant>` (zset run ->
start), `proc:<process>` (heartbeat), `events:<run>` (stream), `result:<run>`, `spool` (stream).
"""

from __future__ import annotations

from qualisys.redis import Script

#: KEYS epochs, lease, leases, live. ARGV run, lease seconds, payload, process, then topic/epoch pairs.
#: Returns 0 when admitted, otherwise a flat list of the topics that have another epoch, with it.
ADMIT = Script("""
local stale = {}
for i = 5, #ARGV, 2 do
  local epoch = redis.call('HGET', KEYS[1], ARGV[i])
  if not epoch or epoch ~= ARGV[i + 1] then
    stale[#stale + 1] = ARGV[i]
    stale[#stale + 1] = epoch or ''
  end
end
if #stale > 0 then return stale end
local now = tonumber(redis.call('TIME')[1])
redis.call('HSET', KEYS[2], 'payload', ARGV[3], 'process', ARGV[4])
redis.call('SET', 'proc:' .. ARGV[4], 1, 'EX', 5)
redis.call('EXPIRE', KEYS[2], ARGV[2] + 86400)
redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[4], now, ARGV[1])
return 0
""")

#: KEYS lease, leases, live. ARGV run. Takes an admission back whose answer never came: nothing was started.
TAKE_BACK = Script("""
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
""")

# XADD refuses an id that is there already: an event that was sent twice. That is no error.
# A run that somebody else has ended has a result. Without lease and result Redis has forgotten the run (it was
# flushed); then whoever executes it goes on and settles it.

#: KEYS lease, events, result. ARGV channel, then id, event, data of each event. Appends events and tells readers
#: elsewhere. Returns -1 when somebody else has ended the run, 1 when cancellation is asked for, else 0.
APPEND = Script("""
local asked = redis.call('HGET', KEYS[1], 'cancel')
if not asked and redis.call('EXISTS', KEYS[3]) == 1 then return -1 end
for i = 2, #ARGV, 3 do redis.pcall('XADD', KEYS[2], ARGV[i], 'e', ARGV[i + 1], 'd', ARGV[i + 2]) end
redis.call('PUBLISH', ARGV[1], '')
if asked then return 1 end
return 0
""")

#: KEYS lease, leases, live, events, result, spool, conversation. ARGV run, channel, result, spool entry, seconds
#: events, result and conversation are kept, conversation ('' for none), then id, event, data of the last events.
#: Returns 1 when this settlement ended the run (also when it is sent again, its first answer being lost), 0 when
#: another one had ended it before. Never settles twice.
SETTLE = Script("""
if redis.call('DEL', KEYS[1]) == 0 then
  local result = redis.call('GET', KEYS[5])
  if result then
    if result == ARGV[3] then return 1 end
    return 0
  end
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
for i = 7, #ARGV, 3 do redis.pcall('XADD', KEYS[4], ARGV[i], 'e', ARGV[i + 1], 'd', ARGV[i + 2]) end
redis.call('EXPIRE', KEYS[4], ARGV[5])
redis.call('SET', KEYS[5], ARGV[3], 'EX', ARGV[5])
redis.call('XADD', KEYS[6], '*', 'entry', ARGV[4])
if ARGV[6] ~= '' then redis.call('SET', KEYS[7], ARGV[6], 'EX', ARGV[5]) end
redis.call('PUBLISH', ARGV[2], '')
return 1
""")

#: ARGV runs. For each: -1 somebody else has ended it, 1 cancellation is asked for, 2 nobody elsewhere reads it,
#: 0 go on.
LOOK = Script("""
local out = {}
for i = 1, #ARGV do
  local lease = 'lease:' .. ARGV[i]
  if redis.call('HEXISTS', lease, 'cancel') == 1 then out[i] = 1
  elseif redis.call('EXISTS', 'result:' .. ARGV[i]) == 1 then out[i] = -1
  elseif redis.call('EXISTS', 'readers:' .. ARGV[i]) == 0 then out[i] = 2
  else out[i] = 0 end
end
return out
""")

#: KEYS lease, events. ARGV channel. Asks whoever executes the run to stop; 0 where nobody does.
CANCEL = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'cancel', 1)
return 1
""")

#: KEYS leases. ARGV most. Returns run, payload of leases that expired or whose process is gone.
ORPHANS = Script("""
local now = tonumber(redis.call('TIME')[1])
local out = {}
for _, run in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local lease = redis.call('HMGET', 'lease:' .. run, 'payload', 'process')
  if not lease[1] then redis.call('ZREM', KEYS[1], run)
  elseif tonumber(redis.call('ZSCORE', KEYS[1], run)) < now or redis.call('EXISTS', 'proc:' .. lease[2]) == 0 then
    out[#out + 1] = run
    out[#out + 1] = lease[1]
    if #out >= 2 * tonumber(ARGV[1]) then return out end
  end
end
return out
""")
