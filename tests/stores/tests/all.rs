//! What must hold when many processes share one store, with the real servers. `cargo xtask test` starts them.

mod database;
mod fixture;
