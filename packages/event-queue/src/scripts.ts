// The three scripts by which a drain works on its event's queue. Each checks in one step with its effect that the
// drain still owns the event: a frozen owner that wakes up claims nothing and settles nothing. And one that only reads.
// They use BullMQ's own keys; `test/bullmq-contract.test.ts` holds what they rely on for the pinned version.

/**
 * KEYS active owner meta trouble · ARGV token, job prefix
 * → deaths with a batch in hand, then id, name, data of each job that a former owner left active, oldest first.
 */
export const ACQUIRE = `
redis.call('SET', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[3], 'opts.maxLenEvents', 0)
local ids = redis.call('LRANGE', KEYS[1], 0, -1)
local found = {0}
for i = #ids, 1, -1 do
  local job = redis.call('HMGET', ARGV[2] .. ids[i], 'name', 'data')
  if job[2] then
    found[#found + 1] = ids[i]
    found[#found + 1] = job[1]
    found[#found + 1] = job[2]
  else
    redis.call('LREM', KEYS[1], 0, ids[i])
  end
end
local letGo = redis.call('HDEL', KEYS[4], 'let-go')
if #found > 1 then
  if letGo == 0 then
    found[1] = redis.call('HINCRBY', KEYS[4], 'deaths', 1)
  else
    found[1] = tonumber(redis.call('HGET', KEYS[4], 'deaths') or '0')
  end
end
return found
`;

/**
 * KEYS wait active owner count trouble · ARGV token, job prefix, commands to claim, commands settled,
 * 1 when nothing of a dead owner is left, then the ids of the jobs to settle
 * → id, name, data of each claimed job, oldest first; the number -1 when the drain does not own the event any more.
 */
export const SETTLE_AND_CLAIM = `
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return -1 end
for i = 6, #ARGV do
  redis.call('LREM', KEYS[2], -1, ARGV[i])
  redis.call('DEL', ARGV[2] .. ARGV[i])
end
if ARGV[4] ~= '0' then redis.call('HINCRBY', KEYS[4], 'done', ARGV[4]) end
if ARGV[5] == '1' then redis.call('DEL', KEYS[5]) end
local claimed = {}
local room = tonumber(ARGV[3])
while room > 0 do
  local id = redis.call('LMOVE', KEYS[1], KEYS[2], 'RIGHT', 'LEFT')
  if not id then break end
  local job = redis.call('HMGET', ARGV[2] .. id, 'name', 'data')
  if job[2] then
    claimed[#claimed + 1] = id
    claimed[#claimed + 1] = job[1]
    claimed[#claimed + 1] = job[2]
    room = room - (tonumber(string.match(job[1], '^%d+')) or 1)
  else
    redis.call('LREM', KEYS[2], -1, id)
  end
end
return claimed
`;

/**
 * KEYS wait active owner count trouble and, to be forgotten with them, marker events meta id · ARGV token
 * → 1 when the queue is empty, 0 when jobs are left, -1 when the drain does not own the event any more.
 */
export const RELEASE = `
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return -1 end
redis.call('DEL', KEYS[3])
if redis.call('LLEN', KEYS[2]) > 0 then
  redis.call('HSET', KEYS[5], 'let-go', 1)
  return 0
end
if redis.call('LLEN', KEYS[1]) > 0 then return 0 end
redis.call('DEL', KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9])
return 1
`;

/**
 * KEYS active wait · ARGV job prefix
 * → the timestamp of the oldest job: of those in hand, else of those that wait; nil when there is none. Only reads.
 */
export const OLDEST = `
local id = redis.call('LINDEX', KEYS[1], -1) or redis.call('LINDEX', KEYS[2], -1)
return id and redis.call('HGET', ARGV[1] .. id, 'timestamp')
`;
