-- ARGV tenant, memory, JSON of known settled runs, JSON of those among them that the ledger has, then agent ('' for
-- the whole tenant), day or month, tokens, cost, from the ledger. Sets the tenant's counters: the ledger, runs under
-- way, and settled runs that the ledger does not have yet. 0 where the ground moved meanwhile: ask again.
local tenant = ARGV[1]
if redis.call('GET', 'memory') ~= ARGV[2] then return 0 end
-- Another process was faster: what has been counted since must stay.
if is_seeded(tenant) then return 1 end
local known, stored = {}, {}
for _, run in ipairs(cjson.decode(ARGV[3])) do known[run] = true end
for _, run in ipairs(cjson.decode(ARGV[4])) do stored[run] = true end
local owed = redis.call('HGETALL', 'owed:' .. tenant)
for i = 1, #owed, 2 do if not known[owed[i]] then return 0 end end

for _, run in ipairs(redis.call('ZRANGE', 'live:' .. tenant, 0, -1)) do
  local held = redis.call('HMGET', 'lease:' .. run, 'agent', 'day')
  if held[1] then redis.call('DEL', unpack(counters(tenant, held[1], held[2]))) end
end
for i = 5, #ARGV, 4 do
  local name = tenant .. ':' .. (ARGV[i] ~= '' and ARGV[i] .. ':' or '') .. ARGV[i + 1]
  local ttl = #ARGV[i + 1] == 7 and TTL[2] or TTL[1]
  redis.call('SET', 'token_budget:' .. name, ARGV[i + 2], 'EX', ttl)
  redis.call('SET', 'cost_budget:' .. name, ARGV[i + 3], 'EX', ttl)
end
for _, run in ipairs(redis.call('ZRANGE', 'live:' .. tenant, 0, -1)) do
  local held = redis.call('HMGET', 'lease:' .. run, 'agent', 'day', 'tokens', 'cost')
  if held[1] then book(counters(tenant, held[1], held[2]), tonumber(held[3]), tonumber(held[4])) end
end
for i = 1, #owed, 2 do
  if not stored[owed[i]] then
    local each = cjson.decode(owed[i + 1])
    book(counters(tenant, each[1], each[2]), each[3], each[4])
  end
end
redis.call('DEL', 'owed:' .. tenant)
redis.call('SET', 'seeded:' .. tenant, ARGV[2])
return 1
