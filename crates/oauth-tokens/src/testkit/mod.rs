//! Checks that every store must pass, and a provider in memory that counts what it is asked.
//!
//! Whoever writes a [`TokenStore`] runs [`check_store`] against it, and [`check_shared_cache`] if it is a
//! [`SharedCache`](oauth_core::SharedCache) too. A store that [cannot be searched](crate::TokenStore::can_find) is not searched. A store
//! that wraps another one passes [`check_wrapper`] too.
//!
//! Each check uses keys of its own, so that the store need not be empty and the checks may run again. They need a Tokio runtime, and
//! take about ten seconds with a store that is quick.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use oauth_tokens::{MemoryStore, testkit};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), testkit::CheckFailed> {
//! let store = MemoryStore::new();
//! testkit::check_shared_cache(&store).await?;
//! testkit::check_store(Arc::new(store)).await?;
//! # Ok(())
//! # }
//! ```

mod check;
mod hooked;
mod inventory;
mod keys;
mod leases;
mod managers;
mod records;
mod server;
mod shared_cache;
mod wrapper;

use std::sync::Arc;

use crate::store::TokenStore;

use check::Checked;

pub use check::CheckFailed;
pub use hooked::{HookedStore, StoreCall, StoreHook};
pub use server::{RotatingServer, ServerFault};
pub use shared_cache::check_shared_cache;
pub use wrapper::check_wrapper;

/// Runs every check of the contract of [`TokenStore`] against a store, one after the other.
///
/// # Errors
///
/// The first check that failed, and what it saw.
pub async fn check_store(store: Arc<dyn TokenStore>) -> Checked {
    macro_rules! run {
        ($($check:path),+ $(,)?) => {
            $($check(&store).await.map_err(|failed| failed.of(stringify!($check)))?;)+
        };
    }
    run!(
        records::nothing_is_there_before_it_is_saved,
        records::what_is_saved_is_there_and_its_version_grows,
        records::of_two_writers_one_wins,
        records::a_stale_reader_cannot_save,
        records::numbers_grow_across_a_delete,
        records::only_the_version_that_is_named_is_deleted,
        records::large_and_empty_records_come_back,
        keys::keys_of_any_text_are_different,
        keys::a_list_has_one_subjects_keys_in_their_order,
        keys::ten_thousand_keys,
        inventory::records_are_found_by_what_was_told,
        inventory::a_lease_is_seen_by_who_searches,
        inventory::pages_have_every_record_once,
        leases::of_many_who_ask_one_is_granted,
        leases::a_lease_expires_by_the_stores_clock,
        leases::a_lease_can_be_extended_and_given_back,
        leases::who_lost_the_lease_cannot_save,
        leases::a_lease_outlives_a_delete,
        leases::a_clock_that_is_told_goes_forward,
        managers::many_processes_send_one_request,
        managers::a_crash_between_redeem_and_save_is_reported,
        managers::a_crash_is_made_good_by_a_providers_grace,
        managers::a_crash_is_made_good_though_nobody_asks,
        managers::clocks_that_disagree_redeem_nothing_twice,
    );
    Ok(())
}
