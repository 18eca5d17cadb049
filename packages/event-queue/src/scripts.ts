// The scripts on an event's queue: one that adds, three by which a drain works, one that only reads. Each of a drain's
// checks in one step with its effect that the drain still owns the event: a frozen owner that wakes up claims nothing and
// settles nothing.
// They use BullMQ's own keys; `test/bullmq-contract.test.ts` holds what they rely on for the pinned version.
import { PACE_GAP_MS, PACE_MARK_MS, PACE_WINDOW_MS } from "./pace.ts";

const MARKS = Array.from({ length: PACE_WINDOW_MS / PACE_MARK_MS + 1 }, (_, i) => `'mark${i}'`);

/**
 * Adds a job as BullMQ does, counts its commands, and tells whether a drain owns the event: one that does will find the
 * job, for it lets go only of an empty queue, in one step with looking. An error means that there is no job.
 * KEYS wait owner count job · ARGV id, name, data, opts, timestamp, commands
 * → commands ever enqueued, commands ever done, 1 when there is an owner
 */
export const ADD = `
local enqueued = redis.call('HINCRBY', KEYS[3], 'enqueued', ARGV[6])
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[4], 'name', ARGV[2], 'data', ARGV[3], 'opts', ARGV[4], 'timestamp', ARGV[5],
  'delay', 0, 'priority', 0)
return {enqueued, tonumber(redis.call('HGET', KEYS[3], 'done') or '0'), redis.call('EXISTS', KEYS[2])}
`;

/**
 * KEYS active owner trouble · ARGV token, job prefix
 * → deaths with a batch in hand, then id, name, data of each job that a former owner left active, oldest first.
 */
export const ACQUIRE = `
redis.call('SET', KEYS[2], ARGV[1])
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
local letGo = redis.call('HDEL', KEYS[3], 'let-go')
if #found > 1 then
  if letGo == 0 then
    found[1] = redis.call('HINCRBY', KEYS[3], 'deaths', 1)
  else
    found[1] = tonumber(redis.call('HGET', KEYS[3], 'deaths') or '0')
  end
end
return found
`;

/**
 * Notes at a settlement how fast commands end. The pace is what ended from 'since' to 'at', always whole batches. Of each
 * stretch of time the first settlement is a mark; 'since' is the oldest mark in the window. After a gap, or when the
 * clock was put back, it begins anew.
 */
const NOTE_PACE = `
local function notePace(count, done)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local stretch = math.floor(now / ${PACE_MARK_MS})
  local known = redis.call('HMGET', count, 'at', 'stretch')
  local at = tonumber(known[1] or '0')
  local anew = now < at or now - at > ${PACE_GAP_MS}
  if anew then redis.call('HDEL', count, ${MARKS.join(", ")}) end
  if anew or tonumber(known[2]) ~= stretch then
    redis.call('HSET', count, 'stretch', stretch, 'mark' .. stretch % ${MARKS.length}, now .. ' ' .. done)
    local since, sinceDone = now, done
    for _, mark in ipairs(redis.call('HMGET', count, ${MARKS.join(", ")})) do
      local markAt, markDone = string.match(mark or '', '^(%d+) (%d+)$')
      markAt = tonumber(markAt)
      if markAt and markAt < since and markAt >= now - ${PACE_WINDOW_MS} then since, sinceDone = markAt, markDone end
    end
    redis.call('HSET', count, 'since', since, 'since-done', sinceDone)
  end
  redis.call('HSET', count, 'at', now)
end`;

/**
 * What was read of the event before is not true any more, whatever was settled: a batch may have ended nothing but holds.
 * KEYS wait active owner count trouble view · ARGV token, job prefix, commands to claim, commands settled,
 * 1 when nothing of a dead owner is left, then the ids of the jobs to settle
 * → id, name, data of each claimed job, oldest first; the number -1 when the drain does not own the event any more.
 */
export const SETTLE_AND_CLAIM = `
${NOTE_PACE}
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return -1 end
for i = 6, #ARGV do
  redis.call('LREM', KEYS[2], -1, ARGV[i])
  redis.call('DEL', ARGV[2] .. ARGV[i])
end
if ARGV[4] ~= '0' then notePace(KEYS[4], redis.call('HINCRBY', KEYS[4], 'done', ARGV[4])) end
if ARGV[5] == '1' then redis.call('DEL', KEYS[5]) end
redis.call('DEL', KEYS[6])
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
 * Who lets go with jobs in hand was stopped by something: how fast it went before says nothing of what comes.
 * KEYS wait active owner count trouble view withdrawn · ARGV token
 * → 1 when the queue is empty, 0 when jobs are left, -1 when the drain does not own the event any more.
 */
export const RELEASE = `
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return -1 end
redis.call('DEL', KEYS[3], KEYS[6])
if redis.call('LLEN', KEYS[2]) > 0 then
  redis.call('HSET', KEYS[5], 'let-go', 1)
  redis.call('HDEL', KEYS[4], 'since', 'since-done', 'at')
  return 0
end
if redis.call('LLEN', KEYS[1]) > 0 then return 0 end
redis.call('DEL', KEYS[4], KEYS[5], KEYS[7])
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
