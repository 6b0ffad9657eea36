-- Say of requests that they still run. Slots that were lost with Redis' memory are thereby taken again.
--
-- KEYS: slots, one for each id. ARGV: the lease (microseconds), then the ids.
local lease = tonumber(ARGV[1])
local clock = redis.call('TIME')
local ends = string.format('%.0f', clock[1] * 1000000 + clock[2] + lease)
for n, slots in ipairs(KEYS) do
  redis.call('ZADD', slots, ends, ARGV[n + 1])
  redis.call('PEXPIRE', slots, math.ceil(lease / 1000) + 1000)
end
