-- What the guard's steps share. Time is this server's, in milliseconds.
--
-- memory                        which server, with which memory: another value means that something may be forgotten
-- lease:<run>                   hash: what settling needs, also in place of a dead process
-- leases, live:<tenant>         zsets of runs; proc:<process> a heartbeat; running:<tenant> hash of agent -> runs
-- token_budget:<tenant>:<agent>:<day|month>, token_budget:<tenant>:<day|month>, cost_budget: the same in money
-- seeded:<tenant>               the memory in which the tenant's counters were seeded from the ledger
-- owed:<tenant>                 hash: run -> what it used, of runs that were settled while the counters were not seeded
-- circuit:<scope|provider|model>, with :failures (list) and :<bucket> (hash of runs and failures); circuits: their names
-- backoff:<provider|model>      a provider asked for a pause
-- guard:events                  stream of what the guard did, for the ledger's side

local function clock()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

local DAY = 86400000

-- The UTC day of a time as YYYY-MM-DD, by Hinnant's days-to-civil.
local function day_of(now)
  local z = math.floor(now / DAY) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02d', year, month, doy - math.floor((153 * mp + 2) / 5) + 1)
end

local function tell(kind, ...)
  redis.call('XADD', 'guard:events', 'MAXLEN', '~', '100000', '*', 'kind', kind, ...)
end

-- Budgets ---------------------------------------------------------------------------------------------------------

local TTL = {172800, 3456000, 172800, 3456000}
local SCOPES = {'agent', 'agent', 'tenant', 'tenant'}
local PERIODS = {'day', 'month', 'day', 'month'}

-- The counters a run is booked in: 1 to 4 tokens, 5 to 8 money, each by agent and day, agent and month, tenant and
-- day, tenant and month.
local function counters(tenant, agent, day)
  local month = string.sub(day, 1, 7)
  local of_agent = tenant .. ':' .. agent .. ':'
  local of_tenant = tenant .. ':'
  return {
    'token_budget:' .. of_agent .. day, 'token_budget:' .. of_agent .. month,
    'token_budget:' .. of_tenant .. day, 'token_budget:' .. of_tenant .. month,
    'cost_budget:' .. of_agent .. day, 'cost_budget:' .. of_agent .. month,
    'cost_budget:' .. of_tenant .. day, 'cost_budget:' .. of_tenant .. month,
  }
end

local function book(keys, tokens, cost)
  for i = 1, 8 do
    local amount = i <= 4 and tokens or cost
    if amount ~= 0 then
      local value = redis.call('INCRBY', keys[i], amount)
      if value == amount then redis.call('EXPIRE', keys[i], TTL[(i - 1) % 4 + 1]) end
    end
  end
end

local function is_seeded(tenant)
  local found = redis.call('MGET', 'memory', 'seeded:' .. tenant)
  return found[1] and found[1] == found[2]
end

-- Circuits --------------------------------------------------------------------------------------------------------

local BUCKET = 10000

-- What a circuit says to a run: 'closed', 'probe' (try it, alone), or its state and the milliseconds it stays so.
local function ask(circuit, now)
  if circuit == '' then return 'closed' end
  local found = redis.call('HMGET', circuit, 'state', 'until')
  if not found[1] then return 'closed' end
  local left = tonumber(found[2]) - now
  if left <= 0 then return 'probe' end
  return found[1], left
end

local function change(circuit, kind, run, reason)
  tell(kind, 'circuit', circuit, 'run', run, 'reason', reason)
end

local function open(circuit, run, now, cooldown, reason)
  redis.call('HSET', circuit, 'state', 'open', 'until', now + cooldown, 'since', now, 'reason', reason)
  redis.call('HDEL', circuit, 'probe')
  -- One that nobody meets any more is forgotten in the end.
  redis.call('EXPIRE', circuit, 86400 + math.ceil(cooldown / 1000))
  redis.call('SADD', 'circuits', circuit)
  change(circuit, 'circuit.opened', run, reason)
end

local function close(circuit, kind, run, reason)
  redis.call('DEL', circuit, circuit .. ':failures')
  redis.call('SREM', 'circuits', circuit)
  change(circuit, kind, run, reason)
end

local function probe(circuit, run, now, lease)
  redis.call('HSET', circuit, 'state', 'half_open', 'until', now + lease, 'probe', run)
  change(circuit, 'circuit.half_open', run, '')
end

-- Let the next run try, because this one says nothing about the circuit.
local function let_go(circuit, run, now)
  if circuit ~= '' and redis.call('HGET', circuit, 'probe') == run then
    redis.call('HSET', circuit, 'state', 'open', 'until', now)
    redis.call('HDEL', circuit, 'probe')
  end
end

-- A circuit opens on enough failures, the newest `failures` of them within the window, that are a large enough share
-- of the window's runs; one that agents share (its members differ) only where more than one of them fails.
local function is_failing(circuit, rules, now, shared)
  local last = redis.call('LRANGE', circuit .. ':failures', 0, rules.failures - 1)
  if #last < rules.failures then return false end
  local first, others = nil, not shared
  for _, each in ipairs(last) do
    local at, member = string.match(each, '^(%d+) (.*)$')
    if now - tonumber(at) > rules.window then return false end
    first = first or member
    others = others or member ~= first
  end
  if not others then return false end
  local runs, failures = 0, 0
  local newest = math.floor(now / BUCKET)
  for bucket = newest - math.ceil(rules.window / BUCKET), newest do
    local found = redis.call('HMGET', circuit .. ':' .. bucket, 'runs', 'failures')
    runs = runs + tonumber(found[1] or 0)
    failures = failures + tonumber(found[2] or 0)
  end
  return failures + 1e-9 >= rules.share * runs
end

-- Take a run's verdict: 'ok', 'failure' or 'neutral'; the rules are of its 'own' circuit or of its 'model's. A late result of a run that was admitted before the circuit
-- opened says nothing about now: only the probe decides. Returns the state where this changed it.
local function judge(whose, circuit, run, verdict, now, encoded, member, reason)
  if circuit == '' then return nil end
  local found = redis.call('HMGET', circuit, 'state', 'probe')
  if found[1] then
    if found[2] ~= run then return nil end
    if verdict == 'ok' then
      close(circuit, 'circuit.closed', run, '')
      return 'closed'
    end
    if verdict == 'failure' then open(circuit, run, now, cjson.decode(encoded)[whose].cooldown, reason)
    else let_go(circuit, run, now) end
    return 'open'
  end
  if verdict == 'neutral' then return nil end
  local bucket = circuit .. ':' .. math.floor(now / BUCKET)
  if redis.call('HINCRBY', bucket, 'runs', 1) == 1 then redis.call('EXPIRE', bucket, 3700) end
  if verdict ~= 'failure' then return nil end
  local rules = cjson.decode(encoded)[whose]
  redis.call('HINCRBY', bucket, 'failures', 1)
  redis.call('LPUSH', circuit .. ':failures', now .. ' ' .. member)
  redis.call('LTRIM', circuit .. ':failures', 0, rules.failures - 1)
  redis.call('PEXPIRE', circuit .. ':failures', rules.window)
  if is_failing(circuit, rules, now, string.sub(circuit, 1, 10) == 'circuit:*|') then
    open(circuit, run, now, rules.cooldown, reason)
    return 'open'
  end
  return nil
end

-- Candidates ------------------------------------------------------------------------------------------------------

-- Whether a candidate {own circuit, model's circuit, backoff} may be called: nil and the circuits that this run would
-- probe, or why not and for how many milliseconds.
local function meet(candidate, now)
  local left = redis.call('PTTL', candidate[3])
  if left > 0 then return 'limited', left end
  local probes = {}
  for i = 1, 2 do
    local said, stays = ask(candidate[i], now)
    if said == 'probe' then probes[#probes + 1] = candidate[i]
    elseif said ~= 'closed' then return said, stays end
  end
  return nil, 0, probes
end

-- The first candidate from `from` on that may be called: its number and probes, or nil, why not and for how long.
local function choose(candidates, from, now)
  local why, left
  for i = from, #candidates do
    local said, stays, probes = meet(candidates[i], now)
    if not said then return i, probes end
    why, left = why or said, left and math.min(left, stays) or stays
  end
  return nil, why, left
end

-- Leases ----------------------------------------------------------------------------------------------------------

local function hold(run, seconds, payload, process, plan, tokens, cost, at, day, now)
  local lease, candidate = 'lease:' .. run, plan.candidates[at]
  redis.call('HSET', lease, 'payload', payload, 'process', process, 'tenant', plan.tenant, 'agent', plan.agent,
    'tokens', tokens, 'cost', cost, 'day', day, 'own', candidate[1], 'model', candidate[2], 'backoff', candidate[3],
    'rules', plan.rules)
  redis.call('EXPIRE', lease, seconds + 86400)
  redis.call('SET', 'proc:' .. process, 1, 'EX', 5)
  redis.call('ZADD', 'leases', math.floor(now / 1000) + seconds, run)
  redis.call('ZADD', 'live:' .. plan.tenant, math.floor(now / 1000), run)
  redis.call('HINCRBY', 'running:' .. plan.tenant, plan.agent, 1)
end

local function release(run, tenant, agent)
  redis.call('ZREM', 'leases', run)
  if redis.call('ZREM', 'live:' .. tenant, run) == 1 and redis.call('HINCRBY', 'running:' .. tenant, agent, -1) <= 0 then
    redis.call('HDEL', 'running:' .. tenant, agent)
  end
end
