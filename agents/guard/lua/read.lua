-- ARGV circuits. For each: state, milliseconds it stays so, since, reason, failures that are remembered.
local now = clock()
local out = {}
for i, circuit in ipairs(ARGV) do
  local found = redis.call('HMGET', circuit, 'state', 'until', 'since', 'reason')
  local left = found[2] and tonumber(found[2]) - now or 0
  local state = found[1] or 'closed'
  -- Its time is over: the next run will try it.
  if found[1] and left <= 0 then state, left = 'half_open', 0 end
  out[i] = {state, left, found[3] or '', found[4] or '', redis.call('LLEN', circuit .. ':failures')}
end
return out
