//! The model is searched through, and finds each mistake that is planted.

use stateright::{Checker, HasDiscoveries, Model};

use crate::{
    Faults, Mistake, Provider, Refresh,
    properties::{
        MARKED, NOT_OVER_NEWER, NOT_SPENT, NOTHING_LOST, ONE_AT_A_TIME, REPORTED, SAVED_FIRST, SOMETIMES,
    },
};

/// Searches through everything that can happen with at most so many faults; `cargo xtask nightly` sets more.
fn search(provider: Provider, faults: u8) {
    let set = std::env::var("OAUTH_TEST_FAULTS").map(|faults| faults.parse().unwrap());
    let faults = Faults::any(set.unwrap_or(faults));
    let model = Refresh { provider, faults, last_token: 3, mistake: None };
    let checker = model.checker().threads(2).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!("{provider:?}, {} faults: {states} states, {depth} steps", faults.all);
    let failed = checker.discoveries().into_iter().filter(|(name, _)| !SOMETIMES.contains(name));
    for (name, path) in failed {
        let last = path.last_state().clone();
        let actions = path.into_actions();
        println!("not so: {name}");
        for action in actions {
            println!("  {action:?}");
        }
        println!("  {last:#?}");
    }
    checker.assert_properties();
}

#[test]
fn nothing_is_lost_at_a_provider_with_grace() {
    search(Provider::Grace, 2);
}

#[test]
fn only_what_the_guide_admits_is_lost_at_a_provider_that_ends_reused_grants() {
    search(Provider::EndsReusedGrants, 2);
}

#[test]
fn only_what_the_guide_admits_is_lost_at_a_provider_that_refuses_spent_tokens() {
    search(Provider::Refuses, 1);
}

/// Plants a mistake, and expects that this property does not hold any more.
fn plant(mistake: Mistake, provider: Provider, faults: Faults, property: &'static str) {
    let model = Refresh { provider, faults, last_token: 3, mistake: Some(mistake) };
    let until = HasDiscoveries::AnyFailures;
    let checker = model.checker().threads(2).finish_when(until).spawn_bfs().join();
    let mut found: Vec<_> = checker.discoveries().into_keys().collect();
    found.retain(|name| !SOMETIMES.contains(name));
    assert!(found.contains(&property), "{mistake:?}: {found:?} in {} states", checker.unique_state_count());
}

#[test]
fn a_lease_that_is_ignored_is_found() {
    plant(Mistake::LeaseIgnored, Provider::EndsReusedGrants, Faults::default(), ONE_AT_A_TIME);
}

#[test]
fn a_missing_mark_is_found() {
    plant(Mistake::MarkOmitted, Provider::EndsReusedGrants, Faults::default(), MARKED);
    let crash = Faults { all: 1, crashes: 1, ..Faults::default() };
    plant(Mistake::MarkOmitted, Provider::EndsReusedGrants, crash, MARKED);
}

#[test]
fn a_lease_that_is_not_checked_before_the_request_is_found() {
    let outage = Faults { all: 1, outages: 1, ..Faults::default() };
    plant(Mistake::CheckOmitted, Provider::EndsReusedGrants, outage, MARKED);
}

#[test]
fn a_missing_head_start_is_found() {
    let outage = Faults { all: 1, outages: 1, ..Faults::default() };
    plant(Mistake::HeadStartOmitted, Provider::EndsReusedGrants, outage, ONE_AT_A_TIME);
}

#[test]
fn a_head_start_that_passes_while_the_store_is_down_is_found() {
    let outages = Faults { all: 2, outages: 2, ..Faults::default() };
    plant(Mistake::HeadStartThroughOutages, Provider::EndsReusedGrants, outages, ONE_AT_A_TIME);
}

#[test]
fn a_token_that_is_handed_out_before_it_is_saved_is_found() {
    plant(Mistake::HandedOutBeforeSaved, Provider::Grace, Faults::default(), SAVED_FIRST);
}

#[test]
fn a_save_over_anything_is_found() {
    let stall = Faults { all: 1, stalls: 1, ..Faults::default() };
    plant(Mistake::SavedOverAnything, Provider::Grace, stall, NOT_OVER_NEWER);
}

#[test]
fn an_unsaved_token_that_is_dropped_is_found() {
    let outage = Faults { all: 1, outages: 1, ..Faults::default() };
    plant(Mistake::UnsavedForgotten, Provider::EndsReusedGrants, outage, NOTHING_LOST);
}

#[test]
fn a_lost_reply_that_is_not_noted_is_found() {
    let lost = Faults { all: 1, lost_replies: 1, ..Faults::default() };
    plant(Mistake::LostReplyForgotten, Provider::EndsReusedGrants, lost, REPORTED);
}

#[test]
fn a_token_that_is_not_restored_is_found() {
    let back = Faults { all: 1, steps_back: 1, ..Faults::default() };
    plant(Mistake::NotRestored, Provider::EndsReusedGrants, back, NOT_SPENT);
}

#[test]
fn a_refusal_that_is_noted_over_anything_is_found() {
    let stall = Faults { all: 1, stalls: 1, ..Faults::default() };
    plant(Mistake::RefusalNotedOverAnything, Provider::Refuses, stall, NOT_OVER_NEWER);
}

#[test]
fn a_contest_that_is_forgotten_is_found() {
    let stall = Faults { all: 1, stalls: 1, ..Faults::default() };
    plant(Mistake::ContestForgotten, Provider::EndsReusedGrants, stall, REPORTED);
}
