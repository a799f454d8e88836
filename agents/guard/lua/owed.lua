-- ARGV tenant. What seeding begins with: memory ('' for none), milliseconds since it began, day, runs that were settled
-- and not booked.
local memory = redis.call('GET', 'memory') or ''
local now = clock()
local began = tonumber(string.match(memory, ':(%d+)$') or now)
return {memory, now - began, day_of(now), redis.call('HKEYS', 'owed:' .. ARGV[1])}
