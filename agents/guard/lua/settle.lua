-- ARGV run, channel, result, spool entry, seconds to keep, conversation key ('' for none), conversation, own verdict,
-- model's verdict, tokens used, cost, tenant, agent, day, reason, then id, event, data of the last events.
-- Returns 1 when this settlement ended the run (also when it is sent again, its first answer being lost), 0 when
-- another one had ended it before; and the state of the own circuit where this changed it, otherwise ''. Never settles twice. Without a lease (this server has forgotten it) the run is
-- booked by what the caller knows.
local run, events, kept = ARGV[1], ARGV[2], ARGV[5]
local tokens, cost, tenant, agent, day = tonumber(ARGV[10]), tonumber(ARGV[11]), ARGV[12], ARGV[13], ARGV[14]
local lease, result = 'lease:' .. run, 'result:' .. run
local held = redis.call('HMGET', lease, 'tokens', 'cost', 'day', 'own', 'model', 'rules', 'near', 'shadow')
if redis.call('DEL', lease) == 0 then
  local known = redis.call('GET', result)
  if known then return {known == ARGV[3] and 1 or 0, ''} end
end
release(run, tenant, agent)
local now = clock()

-- Between the day of admission and today there may be midnight: a run belongs to the day it began.
day = held[3] or day
local keys = counters(tenant, agent, day)
if is_seeded(tenant) then
  book(keys, tokens - tonumber(held[1] or 0), cost - tonumber(held[2] or 0))
  if held[7] then
    for key, limit in pairs(cjson.decode(held[7])) do
      local used = tonumber(redis.call('GET', key) or 0)
      local mark = used >= 0.9 * limit and 90 or used >= 0.8 * limit and 80
      if mark and redis.call('SET', 'told:' .. key .. ':' .. mark, 1, 'NX', 'EX', 3456000) then
        tell('budget.' .. mark, 'tenant', tenant, 'agent', agent, 'counter', key, 'limit', limit, 'used', used)
      end
    end
  end
else
  redis.call('HSET', 'owed:' .. tenant, run, cjson.encode({agent, day, tokens, cost}))
end

local state
if held[4] then
  state = judge('own', held[4], run, ARGV[8], now, held[6], agent, ARGV[15])
  judge('model', held[5], run, ARGV[9], now, held[6], agent, ARGV[15])
end

for i = 16, #ARGV, 3 do redis.pcall('XADD', events, ARGV[i], 'e', ARGV[i + 1], 'd', ARGV[i + 2]) end
redis.call('EXPIRE', events, kept)
redis.call('SET', result, ARGV[3], 'EX', kept)
redis.call('XADD', 'spool', '*', 'entry', ARGV[4])
if ARGV[6] ~= '' then redis.call('SET', ARGV[6], ARGV[7], 'EX', kept) end
redis.call('PUBLISH', events, '')
return {1, state or ''}
