//! The invariants of `docs/architecture.md`, and the losses that `docs/tokens.md` admits.

use stateright::Property;

use crate::{
    Provider, Refresh,
    state::{DeadReason, Step, grant_of},
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
pub(crate) const STAYS_DELETED: &str = "what the application has deleted stays deleted";
pub(crate) const STAYS_ENDED: &str = "a grant that the application has ended stays ended";
pub(crate) const LOGIN_SAVED: &str = "a login that is reported as saved was saved";

/// What shows that the model does something.
pub(crate) const SOMETIMES: [&str; 3] = [REACHES_THE_LAST, RECOVERS, REVIVED];
const REACHES_THE_LAST: &str = "the grant is refreshed to the last token";
const RECOVERS: &str = "a token that a crash has lost is got again";
const REVIVED: &str = "a grant that was refused by mistake is refreshed again";

impl Refresh {
    pub(crate) fn all_properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::<Self>::always(MARKED, |_, state| !state.violations.sent_unmarked),
            Property::<Self>::always(ONE_AT_A_TIME, |_, state| !state.violations.sent_twice),
            Property::<Self>::always(NOT_SPENT, |_, state| !state.violations.sent_spent),
            Property::<Self>::always(NOT_OVER_NEWER, |_, state| !state.violations.newer_overwritten),
            Property::<Self>::always(SAVED_FIRST, |_, state| !state.violations.unsaved_handed_out),
            Property::<Self>::always(STAYS_DELETED, |_, state| !state.violations.deleted_came_back),
            Property::<Self>::always(STAYS_ENDED, |_, state| {
                !state.violations.ended_came_back || state.excuses.went_back
            }),
            Property::<Self>::always(LOGIN_SAVED, |_, state| {
                !state.violations.login_lost || state.excuses.went_back
            }),
            Property::<Self>::always(NOTHING_LOST, |model, state| {
                let record = state.store.record;
                let newest = state.provider.newest[grant_of(record.token.refresh)];
                let is_in_a_process = state.processes.iter().any(|process| {
                    process.seen.is_some_and(|seen| seen.token.refresh == newest)
                        || process.step.new_token().is_some_and(|new| new.refresh == newest)
                        || matches!(process.step, Step::Restore { .. })
                });
                let refresh = record.token.refresh;
                // Nobody wants it, there is none, or it is good for ever.
                let is_unwanted =
                    record.is_deleted || refresh == 0 || model.provider == Provider::DoesNotRotate;
                let is_repaired = model.provider == Provider::Grace && refresh + 1 == newest;
                is_unwanted || refresh == newest || is_in_a_process || is_repaired || state.excuses.any()
            }),
            Property::<Self>::always(NO_GRANT_ENDS, |model, state| {
                let record = state.store.record;
                let has_ended = state.provider.has_ended[grant_of(record.token.refresh)];
                // The user wants that, or can be helped by `revive`.
                let is_wanted = state.excuses.consent_withdrawn;
                let is_noted_by_mistake = state.excuses.refused_by_mistake && !has_ended;
                let is_good = !has_ended && record.dead.is_none();
                let is_excused = state.excuses.any() && !model.provider.repairs();
                let is_ended = record.dead == Some(DeadReason::Ended) && !has_ended;
                is_good || is_excused || is_wanted || is_ended || is_noted_by_mistake || record.is_deleted
            }),
            Property::<Self>::always(REPORTED, |_, state| {
                let excuses = state.excuses;
                // Whose request was under way when another process went on with its refresh may end the grant afterwards.
                let is_excused = excuses.went_back || excuses.overtaken_in_flight;
                let is_true = excuses.consent_withdrawn || excuses.refused_by_mistake;
                state.store.record.dead != Some(DeadReason::Refused) || is_excused || is_true
            }),
            Property::<Self>::sometimes(REACHES_THE_LAST, |model, state| {
                state.store.record.token.access == model.last_token
            }),
        ];
        if self.provider == Provider::Grace && self.faults.crashes > 0 {
            all.push(Property::<Self>::sometimes(RECOVERS, |_, state| {
                let token = state.store.record.token;
                let is_newest = token.refresh == state.provider.newest[grant_of(token.refresh)];
                state.excuses.crashed_in_flight && is_newest
            }));
        }
        if self.faults.mistaken_refusals > 0 {
            all.push(Property::<Self>::sometimes(REVIVED, |_, state| {
                let record = state.store.record;
                state.is_revived && record.dead.is_none() && record.lineage.refreshes > 0
            }));
        }
        all
    }
}
