//! The scripts of the store, each of which is one atomic step.
//!
//! A token's record is a hash: `v` its version, `s` the sealed token, `f` the newest fence, `h` who holds the lease, `u` until
//! when, in milliseconds by Redis' own clock; and what was told about it: `t` the status, `d` when it is due, `k` the id of the key that
//! sealed it, `n` the version that the three hold for. All keys of a script are given to it and share a hash tag, so that they are in
//! one slot of a cluster. Numbers stay far below 2⁵³, up to which Lua counts exactly: versions are counted up from 0 by one, and a fence is
//! the time at which its lease was granted, in milliseconds, or one more than the last. So no fence comes again after a failover that has
//! lost the last ones.

use redis::Script;

#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) save: Script,
    pub(crate) wipe: Script,
    pub(crate) delete: Script,
    pub(crate) list: Script,
    pub(crate) look: Script,
    pub(crate) forget_note: Script,
    pub(crate) acquire: Script,
    pub(crate) extend: Script,
    pub(crate) release: Script,
}

/// Milliseconds since 1970 by the clock of the server that runs the script.
const NOW: &str = "local t = redis.call('TIME') \
                   local now = t[1] * 1000 + math.floor(t[2] / 1000) ";

/// A record without a token only keeps the numbers; a day after it is of no use any more, it may go.
const FORGET: &str = "local function forget(key, at) \
                        redis.call('PEXPIREAT', key, string.format('%.0f', at + 86400000)) \
                      end ";

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            // ARGV: sealed, `token` or `none` for what was there when it was looked at, its version or the last one, fence of the
            // lease or empty, member of the index, status, due time, id of the sealing key, holder of the lease; the last four may be empty. A deleted
            // token leaves its version behind, so that it tells whether there was another one since.
            save: Script::new(
                "local found = redis.call('HMGET', KEYS[1], 'v', 's', 'f', 'h') \
                 if ARGV[4] ~= '' then \
                   local fence, own = tonumber(found[3] or '0'), tonumber(ARGV[4]) \
                   if fence > own or (fence == own and found[4] and found[4] ~= ARGV[9]) then return {'fenced'} end \
                 end \
                 local there = found[2] and 'token' or 'none' \
                 if there ~= ARGV[2] or (found[1] or '0') ~= ARGV[3] then \
                   return {'conflict', found[1] or '0', found[2]} \
                 end \
                 local version = redis.call('HINCRBY', KEYS[1], 'v', 1) \
                 redis.call('HSET', KEYS[1], 's', ARGV[1], 't', ARGV[6], 'd', ARGV[7], 'k', ARGV[8], 'n', version) \
                 redis.call('PERSIST', KEYS[1]) \
                 redis.call('SADD', KEYS[2], ARGV[5]) \
                 return {'saved', version}",
            ),
            // Deletes what is not a record of this store's making: another type, or a hash whose version is not a number of fewer digits than
            // the last one has. On condition, because it may be carried out after somebody has saved.
            wipe: Script::new(
                "local kind = redis.call('TYPE', KEYS[1]).ok \
                 if kind == 'hash' then \
                   local version = redis.call('HGET', KEYS[1], 'v') \
                   if not version or string.match(version, '^%d+$') and #version < 19 then return 0 end \
                 end \
                 return redis.call('DEL', KEYS[1])",
            ),
            // ARGV: member of the index, version that was seen.
            delete: Script::new(&format!(
                "{NOW}{FORGET}\
                 local found = redis.call('HMGET', KEYS[1], 'v', 's') \
                 if found[2] and found[1] ~= ARGV[2] then return {{'changed'}} end \
                 redis.call('SREM', KEYS[2], ARGV[1]) \
                 local deleted = redis.call('HDEL', KEYS[1], 's') \
                 redis.call('HDEL', KEYS[1], 't', 'd', 'k', 'n') \
                 if deleted == 1 then \
                   forget(KEYS[1], math.max(now, tonumber(redis.call('HGET', KEYS[1], 'u') or '0'))) \
                 end \
                 return {{'deleted', deleted}}"
            )),
            // KEYS: the index, then the record of each member in ARGV. If the index has other members by now, they are
            // returned instead of the records.
            list: Script::new(
                "local members = redis.call('SMEMBERS', KEYS[1]) \
                 local same = #members == #ARGV \
                 local known = {} \
                 for _, member in ipairs(ARGV) do known[member] = true end \
                 for _, member in ipairs(members) do same = same and known[member] end \
                 if not same then return {'changed', members} end \
                 local records = {} \
                 for i = 1, #ARGV do records[i] = redis.call('HMGET', KEYS[i + 1], 'v', 's') end \
                 return {'records', records}",
            ),
            // KEYS: records of one subject. Of each: its version, whether a token is there, what was told about it, and whether a
            // lease on it is held.
            look: Script::new(&format!(
                "{NOW}\
                 local found = {{}} \
                 for i = 1, #KEYS do \
                   local r = redis.call('HMGET', KEYS[i], 'v', 't', 'd', 'k', 'n', 'u') \
                   local told = r[5] and r[5] == r[1] \
                   found[i] = {{r[1] or '0', redis.call('HEXISTS', KEYS[i], 's'), told and r[2] or '', \
                     told and r[3] or '', told and r[4] or '', tonumber(r[6] or '0') > now and 1 or 0}} \
                 end \
                 return found"
            )),
            // After the save that ends a refresh. KEYS: the indexes. ARGV: entry, and the value that was noted before the save; if another one is
            // noted since, the next refresh has begun.
            forget_note: Script::new(
                "if redis.call('HGET', KEYS[3], ARGV[1]) == ARGV[2] then \
                   redis.call('HDEL', KEYS[3], ARGV[1]) \
                   redis.call('ZREM', KEYS[2], ARGV[1]) \
                 end \
                 return 0",
            ),
            // ARGV: holder, lifetime.
            acquire: Script::new(&format!(
                "{NOW}{FORGET}\
                 local held = tonumber(redis.call('HGET', KEYS[1], 'u') or '0') \
                 if held > now then return {{'held', held - now}} end \
                 local fence = math.max(tonumber(redis.call('HGET', KEYS[1], 'f') or '0') + 1, now) \
                 local till = now + tonumber(ARGV[2]) \
                 redis.call('HSET', KEYS[1], 'f', string.format('%.0f', fence), 'h', ARGV[1], \
                   'u', string.format('%.0f', till)) \
                 if redis.call('HEXISTS', KEYS[1], 's') == 0 then forget(KEYS[1], till) end \
                 return {{'granted', fence}}"
            )),
            // ARGV: fence, lifetime, holder.
            extend: Script::new(&format!(
                "{NOW}{FORGET}\
                 local found = redis.call('HMGET', KEYS[1], 'f', 'u', 's', 'h') \
                 if found[1] ~= ARGV[1] or found[4] ~= ARGV[3] or not found[2] then return 0 end \
                 local till = now + tonumber(ARGV[2]) \
                 redis.call('HSET', KEYS[1], 'u', string.format('%.0f', till)) \
                 if not found[3] then forget(KEYS[1], till) end \
                 return 1"
            )),
            // ARGV: fence, holder.
            release: Script::new(
                "local found = redis.call('HMGET', KEYS[1], 'f', 'h') \
                 if found[1] == ARGV[1] and found[2] == ARGV[2] then redis.call('HDEL', KEYS[1], 'h', 'u') end \
                 return 0",
            ),
        }
    }
}
