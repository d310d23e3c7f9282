//! PostgreSQL (also behind PgBouncer), MariaDB, Redis (also clusters of it) and Keycloak servers that live as long as the tests which start them.
//!
//! Each server has a folder and a free port of the loopback interface to itself, whatever the system runs. It ends with its
//! value, and with the process that holds the value, however that process ends.
//!
//! They are for tests: what they acknowledge survives the death of the server's process, not that of the machine.

mod keycloak;
mod mariadb;
mod pgbouncer;
mod postgres;
mod process;
mod redis;
mod system;

pub use keycloak::Keycloak;
pub use mariadb::MariaDb;
pub use pgbouncer::{PgBouncer, PoolMode};
pub use postgres::Postgres;
pub use redis::{Persistence, Redis, RedisCluster};
