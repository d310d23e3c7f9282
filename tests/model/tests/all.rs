//! A model of how the processes that share a token store refresh one grant (`oauth-tokens`, `docs/architecture.md`), for a model checker.
//!
//! It has two processes, a store with one record and its lease, a provider that rotates refresh tokens, and a clock. At every step a process
//! can crash, a reply of the provider or the store can be lost, the store can fail, come back, and lose its last write, and a process can be
//! suspended for longer than its lease lasts; how often each of these happens is bounded by [`Faults`]. Every order of steps is tried.
//!
//! Time is not counted. What the code ensures by time limits is a condition of a step: a lease expires only where its holder
//! cannot extend it, and a head start ends only when whoever it is for has had the time to save. The documentation of each step names the
//! function that it models.
//!
//! Left out: logins, deletions, further access tokens, sealing and its keys, machines' tokens, and pauses after failures.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod properties;
mod search;
mod state;
mod steps;

/// The refresh protocol with a certain provider and certain faults.
#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    /// What the provider does with a refresh token that comes a second time.
    pub(crate) provider: Provider,
    /// How often what may go wrong.
    pub(crate) faults: Faults,
    /// The number of the last token. The grant begins with the first.
    pub(crate) last_token: u8,
    /// The mistake that was planted, if one was.
    pub(crate) mistake: Option<Mistake>,
}

/// What a provider does with a refresh token that comes a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// It gives the same answer as the first time, until the successor is used.
    Grace,
    /// It refuses it, and ends the grant (RFC 9700 section 4.14.2).
    EndsReusedGrants,
    /// It refuses it, and the grant stays good.
    Refuses,
}

/// How often what may go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    /// How many faults there may be in all.
    pub(crate) all: u8,
    /// How often a process may crash. Another one takes its place.
    pub(crate) crashes: u8,
    /// How often a request to the provider may fail before the provider has seen it.
    pub(crate) lost_requests: u8,
    /// How often a reply of the provider may be lost.
    pub(crate) lost_replies: u8,
    /// How often the store may be down for a while.
    pub(crate) outages: u8,
    /// How often the store may carry out a step without its answer getting through.
    pub(crate) unheard: u8,
    /// How often a process may be suspended for longer than its lease lasts.
    pub(crate) stalls: u8,
    /// How often the store may lose its last write.
    pub(crate) steps_back: u8,
}

impl Faults {
    /// Each of them once, and so many in all.
    pub(crate) const fn any(all: u8) -> Self {
        Self {
            all,
            crashes: 1,
            lost_requests: 1,
            lost_replies: 1,
            outages: 1,
            unheard: 1,
            stalls: 1,
            steps_back: 1,
        }
    }
}

/// A mistake that the code could make, for tests of the model: each must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// A process refreshes whether or not another one has the lease.
    LeaseIgnored,
    /// The record is not marked before the refresh token is redeemed.
    MarkOmitted,
    /// Nobody looks whether the lease is still held before the refresh token is redeemed.
    CheckOmitted,
    /// A process that had trouble with the store does not let the one before it save first.
    HeadStartOmitted,
    /// The head start goes on while the store does not answer, so that the other process cannot use it.
    HeadStartThroughOutages,
    /// A new token is handed out before it is saved.
    HandedOutBeforeSaved,
    /// A new token is saved over whatever is there.
    SavedOverAnything,
    /// A new token that the store does not take is dropped.
    UnsavedForgotten,
    /// A refresh whose reply was lost is noted as if nothing had been sent.
    LostReplyForgotten,
    /// A token that the store has lost is not written again.
    NotRestored,
    /// A refusal is noted over whatever is there.
    RefusalNotedOverAnything,
    /// A new token does not keep the note that another process may have redeemed its predecessor too.
    ContestForgotten,
}
