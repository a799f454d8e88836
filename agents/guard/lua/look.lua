-- ARGV runs. For each: -1 somebody else has ended it, 1 cancellation is asked for, 2 nobody elsewhere reads it, 3 this
-- server has forgotten it, 0 go on.
local out = {}
for i, run in ipairs(ARGV) do
  local lease = redis.call('HMGET', 'lease:' .. run, 'process', 'cancel')
  if lease[2] then out[i] = 1
  elseif redis.call('EXISTS', 'result:' .. run) == 1 then out[i] = -1
  elseif not lease[1] then out[i] = 3
  elseif redis.call('EXISTS', 'readers:' .. run) == 0 then out[i] = 2
  else out[i] = 0 end
end
return out
