-- ARGV run. Takes an admission back whose answer never came: nothing was started.
local lease = 'lease:' .. ARGV[1]
local held = redis.call('HMGET', lease, 'tokens', 'cost', 'day', 'own', 'model', 'tenant', 'agent')
if redis.call('DEL', lease) == 0 then return 0 end
release(ARGV[1], held[6], held[7])
if is_seeded(held[6]) then book(counters(held[6], held[7], held[3]), -tonumber(held[1]), -tonumber(held[2])) end
let_go(held[4], ARGV[1], clock())
let_go(held[5], ARGV[1], clock())
return 1
