//! Keeps the tokens of [`oauth_tokens`] in Redis, by the application's own connection.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use oauth_core::{OAuth2, Sealer};
//! # async fn f(sealer: Sealer, provider: OAuth2) -> Result<(), Box<dyn std::error::Error>> {
//! use oauth_store_redis::RedisStore;
//! use oauth_tokens::TokenManager;
//! use redis::aio::ConnectionManager;
//!
//! let client = redis::Client::open("redis://redis.example/")?;
//! let store = RedisStore::new(ConnectionManager::new(client).await?).with_prefix("app:oauth")?;
//! let tokens = TokenManager::builder(store, sealer).provider(Arc::new(provider)).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! Any [`ConnectionLike`](redis::aio::ConnectionLike) that can be cloned will do: a `ConnectionManager` (which reconnects by
//! itself), a multiplexed connection, a cluster connection. The server is Redis 6.2 or later, or Valkey.
//!
//! While Redis is down, a `ConnectionManager` tries to connect again for some seconds before a command fails; whoever asks for a
//! token that is due waits for that. `ConnectionManagerConfig` makes it shorter (`set_number_of_retries`, `set_max_delay`), and
//! sets how long a reply may take: half a second by default, which a slow network exceeds (`set_response_timeout`).
//!
//! In a cluster, take a `ClusterConnection` (redis's feature `cluster-async`): `ClusterClient::new(urls)?.get_async_connection().await?`. It follows
//! slots that move and nodes that come back; `ClusterClientBuilder` has the same limits (`retries`, `response_timeout`). The tests run with three
//! nodes, on which the users are spread. While a node is gone that has no replica, the tokens of its users fail with a transient error, and where it
//! has the indexes too, so does each save.
//!
//! # What is in Redis
//!
//! | key | holds |
//! | --- | --- |
//! | `oauth:{TENANT/SUBJECT}:PROVIDER/LABEL` | a hash: version `v`, sealed token `s`, newest fence `f`, holder `h` and end `u` of the lease; status `t`, due time `d` and sealing key's id `k`, as of version `n` |
//! | `oauth:{TENANT/SUBJECT}` | a set: which tokens the subject has |
//! | `oauth:{index}:all` | a sorted set: all tokens, as `TENANT/SUBJECT:PROVIDER/LABEL` |
//! | `oauth:{index}:begun`, `oauth:{index}:noted` | a sorted set and a hash: whose refreshes have begun, and who noted that |
//! | `oauth:cache:NAME` | a value that expires, for [`SharedCache`](oauth_core::SharedCache) |
//!
//! All characters but letters, digits and `-._~@+` are written as `%` and two hexadecimal digits. The braces are a hash tag: in a cluster, all tokens of
//! a subject and the set of them are in one slot, and each operation is one script in that slot. (That is also its price: the
//! tokens of one subject are not spread over the cluster.) The token is encrypted before it reaches the store; its status, due time and sealing key's id are plain, for whoever reads
//! Redis. A hash without a token
//! expires a day after its token was deleted, or its lease has ended.
//!
//! # Searching
//!
//! Records are found by tenant, by user, and by whether their refresh has begun, through the indexes. Any other search
//! (provider, dead, due, sealing key) looks at every record of the tenant, or of all tenants, a thousand at a time. In a cluster the
//! indexes are in one slot, and a save takes one or two steps more in that slot; they may name a record too many, never one too few.
//! What earlier versions of this crate saved is found once [`RedisStore::index_existing`] has entered it, or once it is saved anew.
//!
//! # What is promised, and what Redis does not
//!
//! - Each operation is one step for all processes. Leases end by the clock of the server that has the slot.
//! - An operation that does not end within [a time limit](RedisStore::with_time_limit) fails with a transient error. Redis may still
//!   carry it out, but a save or delete only if nothing else was saved or deleted for the key meanwhile.
//! - **What Redis acknowledged may be lost**, and a rotated refresh token with it, for which its user must sign in again.
//!   By default Redis writes snapshots minutes apart. With `appendonly yes` and `appendfsync always` it loses nothing, at the
//!   price of a disk's latency for each write. With `appendfsync everysec` it loses up to two seconds when the machine dies, and
//!   it may lose as much when its process is killed, because a write waits while another one is forced to the disk. Replication
//!   is asynchronous: a failover loses what the replica had not received yet, leases among it. Take PostgreSQL where that is
//!   too much.
//! - `maxmemory-policy` must be `noeviction` (the default), or one of the `volatile-` policies, which spare tokens and may cost
//!   the numbers of deleted ones. The `allkeys-` policies delete tokens.
//! - `FLUSHDB`, or a server that starts empty, forgets all grants. Nothing of it can be told from a user who never signed in.

#![forbid(unsafe_code)]

mod error;
mod keys;
mod scripts;
mod store;

pub use redis;
pub use store::RedisStore;
