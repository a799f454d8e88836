"""The guard's atomic steps, in Lua, on Redis' own clock: one file each under `lua/`, behind what they share."""

from __future__ import annotations

from pathlib import Path

from qualisys.redis import Script

_FOLDER = Path(__file__).with_name("lua")


def _source(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")


def _step(name: str) -> Script:
    return Script(_source("prelude") + _source(name))


ADMIT = _step("admit")
ADVANCE = _step("advance")
SETTLE = _step("settle")
TAKE_BACK = _step("take_back")
RESTORE = _step("restore")
RESET = _step("reset")
READ = _step("read")
COUNTS = _step("counts")
OWED = _step("owed")
SEED = _step("seed")

#: ARGV runs: what a process asks about its own runs, twice a second.
LOOK = Script(_source("look"))

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
