//! The invariants of `docs/architecture.md`, and the losses that `docs/tokens.md` admits.

use stateright::Property;

use crate::{
    Provider, Refresh,
    state::{DeadReason, Step},
};

pub(crate) const MARKED: &str = "a refresh token is sent under the lease, and after the mark was saved";
pub(crate) const ONE_AT_A_TIME: &str =
    "while another process may have the successor, a refresh token is not sent";
pub(crate) const NOT_SPENT: &str = "a refresh token is not sent by a process that has seen its successor";
pub(crate) const NOT_OVER_NEWER: &str = "a newer token is never written over";
pub(crate) const SAVED_FIRST: &str = "a token is handed out after it was saved";
pub(crate) const NOTHING_LOST: &str = "the newest token is in the store or can be got there";
pub(crate) const NO_GRANT_ENDS: &str = "no grant ends or is noted as dead without an excuse";
pub(crate) const REPORTED: &str = "a grant that was lost in a refresh is reported as lost";

/// What shows that the model does something.
pub(crate) const SOMETIMES: [&str; 2] = [REACHES_THE_LAST, RECOVERS];
const REACHES_THE_LAST: &str = "the grant is refreshed to the last token";
const RECOVERS: &str = "a token that a crash has lost is got again";

impl Refresh {
    pub(crate) fn all_properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::<Self>::always(MARKED, |_, state| !state.violations.sent_unmarked),
            Property::<Self>::always(ONE_AT_A_TIME, |_, state| !state.violations.sent_twice),
            Property::<Self>::always(NOT_SPENT, |_, state| !state.violations.sent_spent),
            Property::<Self>::always(NOT_OVER_NEWER, |_, state| !state.violations.newer_overwritten),
            Property::<Self>::always(SAVED_FIRST, |_, state| !state.violations.unsaved_handed_out),
            Property::<Self>::always(NOTHING_LOST, |model, state| {
                let newest = state.provider.newest;
                let is_in_a_process = state.processes.iter().any(|process| {
                    process.seen == newest
                        || process.step.new_token() == Some(newest)
                        || matches!(process.step, Step::Restore { .. })
                });
                let token = state.store.record.token;
                let is_repaired = model.provider == Provider::Grace && token + 1 == newest;
                token == newest || is_in_a_process || is_repaired || state.excuses.any()
            }),
            Property::<Self>::always(NO_GRANT_ENDS, |model, state| {
                let is_good = !state.provider.has_ended && state.store.record.dead.is_none();
                is_good || (state.excuses.any() && model.provider != Provider::Grace)
            }),
            Property::<Self>::always(REPORTED, |_, state| {
                // Whose request was under way when another process went on with its refresh may end the grant afterwards.
                let is_excused = state.excuses.went_back || state.excuses.overtaken_in_flight;
                state.store.record.dead != Some(DeadReason::Refused) || is_excused
            }),
            Property::<Self>::sometimes(REACHES_THE_LAST, |model, state| {
                state.store.record.token == model.last_token
            }),
        ];
        if self.provider == Provider::Grace && self.faults.crashes > 0 {
            all.push(Property::<Self>::sometimes(RECOVERS, |_, state| {
                state.excuses.crashed_in_flight && state.store.record.token == state.provider.newest
            }));
        }
        all
    }
}
