//! The procedure that every refresh follows, from the first look into the store to the end.
//!
//! ```text
//! load the record ─ live, dead, or resting after a failure? then that is the answer     (record.rs)
//!   └─ lease ─ held by another process? load again a little later                       (run.rs)
//!        └─ load again, under the lease
//!             └─ mark "refreshing since …" ─ the store does not take it? then nothing is redeemed
//!                  └─ redeem ─ refused? load again before that is believed              (failure.rs)
//!                       └─ save by compare-and-swap, then hand out                      (save.rs)
//! ```

mod failure;
mod record;
mod run;
mod save;

pub(crate) use record::Trigger;
pub(crate) use save::{SHORTEST_ATTEMPT, no_answer};
