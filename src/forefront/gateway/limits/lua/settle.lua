-- Replace the tokens that a request reserved by those that it used, and free its slots. Idempotent.
--
-- KEYS as in take.lua. ARGV: the request's id, the used tokens.
local id, used = ARGV[1], tonumber(ARGV[2])
for n = 1, #KEYS, 3 do
  local amounts, slots = KEYS[n + 1], KEYS[n + 2]
  local reserved = redis.call('HGET', amounts, id)
  if reserved then
    redis.call('HSET', amounts, id, used)
    redis.call('HINCRBY', amounts, 'sum', used - reserved)
  end
  redis.call('ZREM', slots, id)
end
