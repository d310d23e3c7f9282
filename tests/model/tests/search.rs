//! The model is searched through, and finds each mistake that is planted.

use stateright::{Checker, HasDiscoveries, Model};

use crate::{
    Faults, Login, Mistake, Provider, Refresh,
    properties::{
        LOGIN_SAVED, MARKED, NO_GRANT_ENDS, NOT_OVER_NEWER, NOT_SPENT, NOTHING_LOST, ONE_AT_A_TIME, REPORTED,
        SAVED_FIRST, SOMETIMES, STAYS_DELETED, STAYS_ENDED,
    },
    state::Record,
};

/// Searches through everything that can happen with at most so many faults; `cargo xtask nightly` sets more.
fn search(provider: Provider, faults: u8) {
    search_all(provider, Login::WithRefreshToken, Faults::any(set("OAUTH_TEST_FAULTS").unwrap_or(faults)));
}

/// As [`search`], with what users, applications and providers do. Those are so many that one fault more makes it twenty times as long.
fn search_with_users(provider: Provider, login: Login, faults: u8) {
    search_all(provider, login, Faults::with_users(set("OAUTH_TEST_FAULTS_WITH_USERS").unwrap_or(faults)));
}

fn set(variable: &str) -> Option<u8> {
    std::env::var(variable).ok().map(|faults| faults.parse().unwrap())
}

fn search_all(provider: Provider, login: Login, faults: Faults) {
    let model = Refresh { provider, faults, login, last_token: 3, mistake: None };
    let checker = model.checker().threads(2).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!("{provider:?}, {login:?}, {} faults: {states} states, {depth} steps", faults.all);
    let failed = checker.discoveries().into_iter().filter(|(name, _)| !SOMETIMES.contains(name));
    for (name, path) in failed {
        println!("not so: {name}");
        for (state, action) in path.into_vec() {
            // What is there, and then what happens.
            let Record { version, lineage, token, marked_by, dead, .. } = state.store.record;
            let (login, refreshes) = (lineage.login, lineage.refreshes);
            println!(
                "  {version}: {login}.{refreshes} {}/{} {marked_by:?} {dead:?}",
                token.access, token.refresh
            );
            for process in &state.processes {
                println!("    {} {:?}", process.id, process.step);
            }
            println!("  {action:?}");
        }
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

#[test]
fn nothing_is_lost_at_a_provider_that_does_not_rotate() {
    search(Provider::DoesNotRotate, 2);
}

#[test]
fn a_login_with_a_refresh_token_wins_and_nothing_is_lost() {
    search_with_users(Provider::Grace, Login::WithRefreshToken, 2);
    search_with_users(Provider::EndsReusedGrants, Login::WithRefreshToken, 1);
}

#[test]
fn a_login_that_keeps_a_refresh_token_loses_nothing() {
    search_with_users(Provider::Grace, Login::WithoutRefreshToken, 1);
    search_with_users(Provider::DoesNotRotate, Login::WithoutRefreshToken, 1);
    search_with_users(Provider::EndsReusedGrants, Login::WithoutRefreshToken, 2);
}

/// Plants a mistake, and expects that this property does not hold any more.
fn plant(mistake: Mistake, provider: Provider, faults: Faults, property: &'static str) {
    plant_with(Login::WithRefreshToken, mistake, provider, faults, property);
}

fn plant_with(login: Login, mistake: Mistake, provider: Provider, faults: Faults, property: &'static str) {
    let model = Refresh { provider, faults, login, last_token: 3, mistake: Some(mistake) };
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

#[test]
fn a_failure_that_is_taken_for_a_refusal_is_found() {
    let lost = Faults { all: 1, lost_replies: 1, ..Faults::default() };
    plant(Mistake::FailureTakenForRefusal, Provider::Grace, lost, NO_GRANT_ENDS);
}

#[test]
fn a_save_over_what_was_deleted_is_found() {
    let deletion = Faults { all: 1, deletions: 1, ..Faults::default() };
    plant(Mistake::SavedOverAnything, Provider::Grace, deletion, STAYS_DELETED);
}

#[test]
fn a_save_over_a_login_is_found() {
    let login = Faults { all: 1, logins: 1, ..Faults::default() };
    plant(Mistake::SavedOverAnything, Provider::Grace, login, NOT_OVER_NEWER);
}

/// The code once made this mistake: where the refresh token stays the same, the mark on a newer token looked like its own.
#[test]
fn a_save_over_the_mark_on_a_newer_token_is_found() {
    let stall = Faults { all: 2, stalls: 1, rejections: 1, ..Faults::default() };
    plant(Mistake::MarkTakenForOwn, Provider::DoesNotRotate, stall, MARKED);
}

/// The code once made this mistake too.
#[test]
fn a_save_over_a_grant_that_was_ended_is_found() {
    let faults = Faults { all: 2, endings: 1, stalls: 1, ..Faults::default() };
    plant(Mistake::EndingForgotten, Provider::Grace, faults, STAYS_ENDED);
}

/// And this one.
#[test]
fn a_save_over_a_dead_login_is_found() {
    let (login, mistake) = (Login::WithoutRefreshToken, Mistake::DeadLoginForgotten);
    let faults = Faults { all: 2, logins: 1, outages: 1, ..Faults::default() };
    plant_with(login, mistake, Provider::Refuses, faults, NOT_OVER_NEWER);
}

/// And this one.
#[test]
fn a_login_that_is_saved_over_what_came_of_it_is_found() {
    let (login, mistake) = (Login::WithoutRefreshToken, Mistake::OwnSuccessorForgotten);
    let faults = Faults { all: 2, logins: 1, unheard: 1, ..Faults::default() };
    plant_with(login, mistake, Provider::EndsReusedGrants, faults, ONE_AT_A_TIME);
}

/// And this one.
#[test]
fn a_login_that_takes_itself_for_saved_is_found() {
    let faults = Faults { all: 3, logins: 1, outages: 1, lost_replies: 1, ..Faults::default() };
    plant(Mistake::VersionsCounted, Provider::EndsReusedGrants, faults, LOGIN_SAVED);
}
