//! x
#![forbid(unsafe_code)]

mod error;
mod keys;
mod scripts;
mod store;

pub use store::RedisStore;
