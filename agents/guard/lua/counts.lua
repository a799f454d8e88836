-- ARGV tenant, day, agents. What the guard has booked, as one moment: for the tenant ('') and each agent the tokens of
-- the day and the month, then agent, day and tokens of every run under way.
local tenant, day = ARGV[1], ARGV[2]
local month = string.sub(day, 1, 7)
local booked, held = {}, {}
for i = 2, #ARGV do
  local name = tenant .. ':' .. (i > 2 and ARGV[i] .. ':' or '')
  booked[#booked + 1] = redis.call('GET', 'token_budget:' .. name .. day) or '0'
  booked[#booked + 1] = redis.call('GET', 'token_budget:' .. name .. month) or '0'
end
for _, run in ipairs(redis.call('ZRANGE', 'live:' .. tenant, 0, -1)) do
  local found = redis.call('HMGET', 'lease:' .. run, 'agent', 'day', 'tokens')
  if found[1] then for k = 1, 3 do held[#held + 1] = found[k] end end
end
return {is_seeded(tenant) and 1 or 0, booked, held}
