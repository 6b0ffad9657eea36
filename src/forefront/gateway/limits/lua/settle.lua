-- Count what a request used in place of what it took, and free its slots. Doing it twice changes nothing.
--
-- KEYS as in take.lua. ARGV: the request's id, the tokens that it used.
local id, used = ARGV[1], tonumber(ARGV[2])
for n = 1, #KEYS, 3 do
  local amounts, slots = KEYS[n + 1], KEYS[n + 2]
  local taken = redis.call('HGET', amounts, id)
  if taken then
    redis.call('HSET', amounts, id, used)
    redis.call('HINCRBY', amounts, 'sum', used - taken)
  end
  redis.call('ZREM', slots, id)
end
