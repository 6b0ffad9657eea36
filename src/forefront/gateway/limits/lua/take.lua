-- Count one request for its key and its project, or say which limit it is too much for.
--
-- KEYS: for each of the two that has limits: log, amounts, slots.
-- ARGV: the request's id, its tokens, the window and the lease (microseconds), then for each of the two the most
-- requests and tokens within a window, and requests at a time; -1 for no limit.
-- Answers {which of them refuses (0 for none), by what (1 slots, 2 requests, 3 tokens), microseconds to wait (-1 for
-- ever)}, then for each {requests that count, tokens that count, microseconds until nothing counts any more}.
--
-- log: sorted set of ids by the time when they came. amounts: hash of their tokens, and `sum`. slots: sorted set of
-- the ids that run, by the time when nobody believes it any more. Times are Redis' own.
local id, tokens, window, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local RUNNING, REQUESTS, TOKENS, FOR_EVER = 1, 2, 3, -1
local PART = 500  -- ids that are handled at a time

local function text(number)
  return string.format('%.0f', number)
end

local function forget_old(one)
  repeat
    local old = redis.call('ZRANGEBYSCORE', one.log, '-inf', text(now - window), 'LIMIT', 0, PART)
    if #old > 0 then
      local gone = 0
      for _, amount in ipairs(redis.call('HMGET', one.amounts, unpack(old))) do
        gone = gone + (tonumber(amount or 0))
      end
      if gone > 0 then
        redis.call('HINCRBY', one.amounts, 'sum', text(-gone))
      end
      redis.call('HDEL', one.amounts, unpack(old))
      redis.call('ZREM', one.log, unpack(old))
    end
  until #old < PART
end

local function look(one)
  forget_old(one)
  redis.call('ZREMRANGEBYSCORE', one.slots, '-inf', text(now))
  one.running = redis.call('ZCARD', one.slots)
  one.requests = redis.call('ZCARD', one.log)
  if one.requests == 0 then
    redis.call('DEL', one.amounts)
  end
  one.tokens = tonumber(redis.call('HGET', one.amounts, 'sum') or 0)
end

local function wait_for_request(one)
  local rank = one.requests - one.most_requests
  local entry = redis.call('ZRANGE', one.log, rank, rank, 'WITHSCORES')
  return entry[2] + window - now
end

local function wait_for_tokens(one)
  if tokens > one.most_tokens then
    return FOR_EVER
  end
  local excess, from = one.tokens + tokens - one.most_tokens, 0
  while true do
    local part = redis.call('ZRANGE', one.log, from, from + PART - 1)
    if #part == 0 then
      return window
    end
    for n, amount in ipairs(redis.call('HMGET', one.amounts, unpack(part))) do
      excess = excess - tonumber(amount or 0)
      if excess <= 0 then
        return redis.call('ZSCORE', one.log, part[n]) + window - now
      end
    end
    from = from + PART
  end
end

local function count_request(one)
  if one.most_requests >= 0 or one.most_tokens >= 0 then
    redis.call('ZADD', one.log, text(now), id)
    redis.call('PEXPIRE', one.log, math.ceil(window / 1000) + 1000)
    one.requests = one.requests + 1
  end
end

local function count_tokens(one)
  if one.most_tokens >= 0 then
    redis.call('HSET', one.amounts, id, text(tokens))
    redis.call('HINCRBY', one.amounts, 'sum', text(tokens))
    redis.call('PEXPIRE', one.amounts, math.ceil(window / 1000) + 1000)
    one.tokens = one.tokens + tokens
  end
  if one.concurrency >= 0 then
    redis.call('ZADD', one.slots, text(now + lease), id)
    redis.call('PEXPIRE', one.slots, math.ceil(lease / 1000) + 1000)
  end
end

local both = {}
for n = 1, #KEYS / 3 do
  local one = { log = KEYS[3 * n - 2], amounts = KEYS[3 * n - 1], slots = KEYS[3 * n] }
  one.most_requests = tonumber(ARGV[3 * n + 2])
  one.most_tokens = tonumber(ARGV[3 * n + 3])
  one.concurrency = tonumber(ARGV[3 * n + 4])
  look(one)
  both[n] = one
end

local function answer(which, what, wait)
  local reply = { which, what, wait }
  for _, one in ipairs(both) do
    local last = redis.call('ZRANGE', one.log, -1, -1, 'WITHSCORES')
    table.insert(reply, { one.requests, one.tokens, last[2] and last[2] + window - now or 0 })
  end
  return reply
end

for n, one in ipairs(both) do
  if one.concurrency >= 0 and one.running >= one.concurrency then
    return answer(n, RUNNING, 0)
  end
  if one.most_requests >= 0 and one.requests >= one.most_requests then
    return answer(n, REQUESTS, wait_for_request(one))
  end
end
for _, one in ipairs(both) do
  count_request(one)
end
for n, one in ipairs(both) do
  if one.most_tokens >= 0 and one.tokens + tokens > one.most_tokens then
    return answer(n, TOKENS, wait_for_tokens(one))
  end
end
for _, one in ipairs(both) do
  count_tokens(one)
end
return answer(0, 0, 0)
