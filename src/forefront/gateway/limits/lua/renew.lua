-- Renew the concurrency slots of running requests. Slots that Redis lost are created again.
--
-- KEYS: the slots of each id. ARGV: the time to live (microseconds), then the ids.
local ttl = tonumber(ARGV[1])
local clock = redis.call('TIME')
local expires_at = string.format('%.0f', clock[1] * 1000000 + clock[2] + ttl)
for n, slots in ipairs(KEYS) do
  redis.call('ZADD', slots, expires_at, ARGV[n + 1])
  redis.call('PEXPIRE', slots, math.ceil(ttl / 1000) + 1000)
end
