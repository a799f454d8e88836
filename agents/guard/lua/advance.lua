-- ARGV run, number of the candidate that was called, milliseconds its provider asks to wait, plan.
-- Notes the pause and moves the run's lease to the next candidate that may be called; returns its number, or 0.
local run, at, wait, plan = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), cjson.decode(ARGV[4])
local now = clock()
local lease, candidate = 'lease:' .. run, plan.candidates[at]
redis.call('SET', candidate[3], 1, 'PX', math.max(1, wait))
if redis.call('EXISTS', lease) == 0 then return 0 end
let_go(candidate[1], run, now)
let_go(candidate[2], run, now)
local next, probes = choose(plan.candidates, at + 1, now)
if not next then return 0 end
for _, circuit in ipairs(probes) do probe(circuit, run, now, (plan.seconds + 5) * 1000) end
candidate = plan.candidates[next]
redis.call('HSET', lease, 'own', candidate[1], 'model', candidate[2], 'backoff', candidate[3])
return next
