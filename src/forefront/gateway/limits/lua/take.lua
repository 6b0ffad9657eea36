-- Count one request for its key and its project, or return the limit that refuses it.
--
-- KEYS: log, amounts and slots of each subject (key, project) that has limits.
-- ARGV: the request's id, its tokens, the window and a slot's time to live (microseconds), then for each subject the
-- limits of requests and tokens within a window and of concurrent requests; -1 for no limit.
-- Returns {number of the refusing subject (0 for none), its limit (1 concurrency, 2 requests, 3 tokens), microseconds
-- to wait (-1 for never)}, then for each subject {counted requests, counted tokens, microseconds until none counts}.
--
-- log: sorted set of ids by arrival. amounts: hash of their tokens, and `sum`. slots: sorted set of the ids of running
-- requests by expiry. All times are Redis' own.
local id, tokens, window, ttl = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local CONCURRENCY, REQUESTS, TOKENS, NEVER = 1, 2, 3, -1
local BATCH = 500  -- ids in one command

local function text(number)
  return string.format('%.0f', number)
end

local function remove_expired(subject)
  repeat
    local old = redis.call('ZRANGEBYSCORE', subject.log, '-inf', text(now - window), 'LIMIT', 0, BATCH)
    if #old > 0 then
      local removed = 0
      for _, amount in ipairs(redis.call('HMGET', subject.amounts, unpack(old))) do
        removed = removed + (tonumber(amount or 0))
      end
      if removed > 0 then
        redis.call('HINCRBY', subject.amounts, 'sum', text(-removed))
      end
      redis.call('HDEL', subject.amounts, unpack(old))
      redis.call('ZREM', subject.log, unpack(old))
    end
  until #old < BATCH
end

local function load(subject)
  remove_expired(subject)
  redis.call('ZREMRANGEBYSCORE', subject.slots, '-inf', text(now))
  subject.running = redis.call('ZCARD', subject.slots)
  subject.requests = redis.call('ZCARD', subject.log)
  if subject.requests == 0 then
    redis.call('DEL', subject.amounts)
  end
  subject.tokens = tonumber(redis.call('HGET', subject.amounts, 'sum') or 0)
end

local function wait_for_request(subject)
  local rank = subject.requests - subject.max_requests
  local entry = redis.call('ZRANGE', subject.log, rank, rank, 'WITHSCORES')
  return entry[2] + window - now
end

local function wait_for_tokens(subject)
  if tokens > subject.max_tokens then
    return NEVER
  end
  local excess, from = subject.tokens + tokens - subject.max_tokens, 0
  while true do
    local batch = redis.call('ZRANGE', subject.log, from, from + BATCH - 1)
    if #batch == 0 then
      return window
    end
    for n, amount in ipairs(redis.call('HMGET', subject.amounts, unpack(batch))) do
      excess = excess - tonumber(amount or 0)
      if excess <= 0 then
        return redis.call('ZSCORE', subject.log, batch[n]) + window - now
      end
    end
    from = from + BATCH
  end
end

local function count_request(subject)
  if subject.max_requests >= 0 or subject.max_tokens >= 0 then
    redis.call('ZADD', subject.log, text(now), id)
    redis.call('PEXPIRE', subject.log, math.ceil(window / 1000) + 1000)
    subject.requests = subject.requests + 1
  end
end

local function count_tokens(subject)
  if subject.max_tokens >= 0 then
    redis.call('HSET', subject.amounts, id, text(tokens))
    redis.call('HINCRBY', subject.amounts, 'sum', text(tokens))
    redis.call('PEXPIRE', subject.amounts, math.ceil(window / 1000) + 1000)
    subject.tokens = subject.tokens + tokens
  end
  if subject.concurrency >= 0 then
    redis.call('ZADD', subject.slots, text(now + ttl), id)
    redis.call('PEXPIRE', subject.slots, math.ceil(ttl / 1000) + 1000)
  end
end

local subjects = {}
for n = 1, #KEYS / 3 do
  local subject = { log = KEYS[3 * n - 2], amounts = KEYS[3 * n - 1], slots = KEYS[3 * n] }
  subject.max_requests = tonumber(ARGV[3 * n + 2])
  subject.max_tokens = tonumber(ARGV[3 * n + 3])
  subject.concurrency = tonumber(ARGV[3 * n + 4])
  load(subject)
  subjects[n] = subject
end

local function result(refusing, limit, wait)
  local reply = { refusing, limit, wait }
  for _, subject in ipairs(subjects) do
    local last = redis.call('ZRANGE', subject.log, -1, -1, 'WITHSCORES')
    table.insert(reply, { subject.requests, subject.tokens, last[2] and last[2] + window - now or 0 })
  end
  return reply
end

for n, subject in ipairs(subjects) do
  if subject.concurrency >= 0 and subject.running >= subject.concurrency then
    return result(n, CONCURRENCY, 0)
  end
  if subject.max_requests >= 0 and subject.requests >= subject.max_requests then
    return result(n, REQUESTS, wait_for_request(subject))
  end
end
for _, subject in ipairs(subjects) do
  count_request(subject)
end
for n, subject in ipairs(subjects) do
  if subject.max_tokens >= 0 and subject.tokens + tokens > subject.max_tokens then
    return result(n, TOKENS, wait_for_tokens(subject))
  end
end
for _, subject in ipairs(subjects) do
  count_tokens(subject)
end
return result(0, 0, 0)
