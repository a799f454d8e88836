-- ARGV reason, then circuits. Closes them and forgets their failures; returns those that refused.
local closed = {}
for i = 2, #ARGV do
  if redis.call('EXISTS', ARGV[i]) == 1 then closed[#closed + 1] = ARGV[i] end
  close(ARGV[i], 'circuit.reset', '', ARGV[1])
end
return closed
