-- ARGV run, lease seconds, payload, process, plan, tokens, cost, then topic/epoch pairs.
-- Admits, in one step: {'ok', candidate, day, rate limit, left, reset ms, token limit, left, reset ms, shadow}; or
-- {'stale', topic, epoch...}, {'unseeded'}, {'refused', code, scope, period, limit, used, ms until it may pass}.
local run, seconds, tokens, cost = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[6]), tonumber(ARGV[7])
local topics, stale = {}, {'stale'}
for i = 8, #ARGV, 2 do topics[#topics + 1] = ARGV[i] end
for i, epoch in ipairs(#topics > 0 and redis.call('HMGET', 'epochs', unpack(topics)) or {}) do
  if not epoch or epoch ~= ARGV[2 * i + 7] then
    stale[#stale + 1] = topics[i]
    stale[#stale + 1] = epoch or ''
  end
end
if #stale > 1 then return stale end
local plan = cjson.decode(ARGV[5])
if not is_seeded(plan.tenant) then return {'unseeded'} end
local now = clock()
local day = day_of(now)
local midnight = DAY - now % DAY

-- In shadow every refusal is noted, and the run goes on.
local shadow = ''
local function refuse(code, ...)
  if not plan.shadow then return {'refused', code, ...} end
  if shadow == '' then shadow = code end
  return nil
end

local at, probes, left = choose(plan.candidates, 1, now)
if not at then
  local code = probes == 'limited' and 'rate_limited' or 'agent_circuit_open'
  local no = refuse(code, probes == 'limited' and 'provider' or 'agent', probes, 0, 0, left)
  if no then return no end
  at, probes = 1, {}
end

local minute = math.floor(now / 60000)
local passed = (now % 60000) / 60000
local rate = {0, 0, 0}
for i, limit in ipairs(plan.rates) do
  if limit >= 0 then
    local key = 'rate:' .. plan.tenant .. (i == 1 and ':' .. plan.agent or '') .. ':'
    local found = redis.call('MGET', key .. (minute - 1), key .. minute)
    local before, here = tonumber(found[1] or 0), tonumber(found[2] or 0)
    local used = before * (1 - passed) + here
    if used + 1 > limit then
      local wait = 60000 - now % 60000
      if here + 1 <= limit then wait = math.ceil((used + 1 - limit) / before * 60000) end
      local no = refuse('rate_limited', SCOPES[2 * i], 'minute', limit, math.floor(used), wait)
      if no then return no end
    end
    rate = {limit, math.max(0, math.floor(limit - used - 1)), 60000 - now % 60000, key .. minute}
  end
end
for i, limit in ipairs(plan.at_once) do
  if limit >= 0 then
    local under_way = i == 1 and tonumber(redis.call('HGET', 'running:' .. plan.tenant, plan.agent) or 0)
      or redis.call('ZCARD', 'live:' .. plan.tenant)
    if under_way >= limit then
      local no = refuse('rate_limited', SCOPES[2 * i], 'at_once', limit, under_way, 1000)
      if no then return no end
    end
  end
end

local keys = counters(plan.tenant, plan.agent, day)
local values = redis.call('MGET', unpack(keys))
local near
for i, limit in ipairs(plan.budgets) do
  if limit >= 0 then
    local amount = i <= 4 and tokens or cost
    local used = tonumber(values[i] or 0)
    local which = (i - 1) % 4 + 1
    if used + amount > limit then
      if redis.call('SET', 'told:' .. keys[i] .. ':100', 1, 'NX', 'EX', TTL[which]) then
        tell('budget.exhausted', 'tenant', plan.tenant, 'agent', plan.agent, 'counter', keys[i], 'limit', limit, 'used', used)
      end
      -- A month that is used up: the caller's calendar says when it ends.
      local no = refuse(i <= 4 and 'token_budget_exceeded' or 'cost_budget_exceeded', SCOPES[which], PERIODS[which],
        limit, used, midnight)
      if no then return no end
    elseif used + amount >= 0.8 * limit then
      near = near or {}
      near[keys[i]] = limit
    end
  end
end

-- Everything is decided: from here on the run is admitted.
for i, limit in ipairs(plan.rates) do
  if limit >= 0 then
    local key = 'rate:' .. plan.tenant .. (i == 1 and ':' .. plan.agent or '') .. ':' .. minute
    if redis.call('INCR', key) == 1 then redis.call('EXPIRE', key, 130) end
  end
end
for _, circuit in ipairs(probes) do probe(circuit, run, now, (seconds + 5) * 1000) end
hold(run, seconds, ARGV[3], ARGV[4], plan, tokens, cost, at, day, now)
if near then redis.call('HSET', 'lease:' .. run, 'near', cjson.encode(near)) end
book(keys, tokens, cost)
local limit = plan.budgets[1]
local spent = tonumber(values[1] or 0) + tokens
return {'ok', at, day, rate[1], rate[2], rate[3], limit, math.max(0, limit - spent), midnight, shadow}
