//! A model of how the processes that share a token store refresh one grant (`oauth-tokens`, `docs/architecture.md`), for a model checker.
//!
//! It has two processes, a store with one record and its lease, a provider, and a clock. At every step a process
//! can crash, a reply of the provider or the store can be lost, the store can fail, come back, and lose its last write, and a process can be
//! suspended for longer than its lease lasts. The user can sign in again, by a third process, and take the consent back; the application can
//! delete the record or end the grant; an API can refuse a live token, and the provider a good refresh token. How often each of these happens is bounded by
//! [`Faults`]. Every order of steps is tried.
//!
//! Time is not counted. What the code ensures by time limits is a condition of a step: a lease expires only where its holder
//! cannot extend it, and a head start ends only when whoever it is for has had the time to save. The documentation of each step names the
//! function that it models.
//!
//! `docs/architecture.md` tells what of the guide's table of failures is left out, and why.

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
    /// Whether a refresh token comes with the second login.
    pub(crate) login: Login,
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
    /// There is one refresh token, which is good for ever.
    DoesNotRotate,
}

impl Provider {
    /// Whether a refresh that was cut off can be repeated.
    pub(crate) fn repairs(self) -> bool {
        matches!(self, Self::Grace | Self::DoesNotRotate)
    }
}

/// What comes with a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    WithRefreshToken,
    /// It keeps the stored one, as at a provider that sends one with the first consent only.
    WithoutRefreshToken,
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
    /// How often the user may sign in again.
    pub(crate) logins: u8,
    /// How often the application may delete the record.
    pub(crate) deletions: u8,
    /// How often the application may end the grant.
    pub(crate) endings: u8,
    /// How often an API may refuse a live token.
    pub(crate) rejections: u8,
    /// How often the provider may refuse a good refresh token.
    pub(crate) mistaken_refusals: u8,
    /// How often the user may take the consent back.
    pub(crate) withdrawals: u8,
}

/// None.
const NONE: Faults = Faults {
    all: 0,
    crashes: 0,
    lost_requests: 0,
    lost_replies: 0,
    outages: 0,
    unheard: 0,
    stalls: 0,
    steps_back: 0,
    logins: 0,
    deletions: 0,
    endings: 0,
    rejections: 0,
    mistaken_refusals: 0,
    withdrawals: 0,
};

impl Faults {
    /// Each fault of machines once, and so many in all.
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
            ..NONE
        }
    }

    /// Each of them once, what users, applications and providers do among them, and so many in all.
    pub(crate) const fn with_users(all: u8) -> Self {
        Self {
            logins: 1,
            deletions: 1,
            endings: 1,
            rejections: 1,
            mistaken_refusals: 1,
            withdrawals: 1,
            ..Self::any(all)
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
    /// A request that was not answered is taken for a refusal.
    FailureTakenForRefusal,
    /// A new token is saved over a newer one of the same login, if that has the same refresh token and is marked.
    MarkTakenForOwn,
    /// A new token is saved over its predecessor though the application has ended the grant meanwhile.
    EndingForgotten,
    /// A new token is saved over a login that has kept the refresh token and was noted as dead.
    DeadLoginForgotten,
    /// A login whose reply was lost is saved once more over what came of it.
    OwnSuccessorForgotten,
    /// A login takes itself for saved because others have saved often enough.
    VersionsCounted,
}
