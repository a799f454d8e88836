-- ARGV run, lease seconds, payload, process, plan, tokens, cost, candidate, day. Gives a run that goes on its lease
-- again after this server forgot it; 0 where there is one, or the run has ended.
local run, plan = ARGV[1], cjson.decode(ARGV[5])
if redis.call('EXISTS', 'lease:' .. run, 'result:' .. run) > 0 then return 0 end
hold(run, tonumber(ARGV[2]), ARGV[3], ARGV[4], plan, tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], clock())
if is_seeded(plan.tenant) then
  book(counters(plan.tenant, plan.agent, ARGV[9]), tonumber(ARGV[6]), tonumber(ARGV[7]))
end
return 1
