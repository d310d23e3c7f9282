//! What the processes, the store and the provider know.

use crate::Faults;

/// Everything that a step can depend on, and what has happened so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) store: Store,
    /// The store without its last write, where that may be lost.
    pub(crate) before_last_write: Option<(Record, Lease)>,
    pub(crate) provider: ProviderState,
    pub(crate) processes: [Process; 2],
    /// Tokens with numbers up to this one are due.
    pub(crate) clock: u8,
    pub(crate) faults_left: Faults,
    pub(crate) excuses: Excuses,
    pub(crate) violations: Violations,
    /// The newest token that the store has ever held.
    pub(crate) newest_saved: u8,
}

/// The store of all processes, with one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub(crate) is_up: bool,
    pub(crate) record: Record,
    pub(crate) lease: Lease,
    /// Whether the lease may have missed a heartbeat, because the store was down.
    pub(crate) is_lease_shaky: bool,
}

/// The record of the key. Two that are equal are the same sealed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) version: u8,
    /// The token, by its number: how many refreshes lie behind it, and one.
    pub(crate) token: u8,
    /// `marked_by`: the process that has begun a refresh and has not noted how it ended.
    pub(crate) marked_by: Option<u8>,
    /// `refreshing_since`: whether there was a refresh of which nobody knows how it ended.
    pub(crate) is_unfinished: bool,
    /// `contested_since`: whether another process may have redeemed the predecessor of this token too.
    pub(crate) is_contested: bool,
    pub(crate) dead: Option<DeadReason>,
}

/// Why a grant is noted as dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DeadReason {
    Refused,
    LostInRefresh,
}

/// The newest lease that the store has granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    pub(crate) fence: u8,
    pub(crate) holder: u8,
    pub(crate) state: LeaseState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LeaseState {
    Held,
    Expired,
    Released,
}

/// The provider, with one grant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProviderState {
    /// The newest token that it has issued.
    pub(crate) newest: u8,
    pub(crate) has_ended: bool,
}

/// One of the processes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    /// Its number in leases and marks. A process that takes the place of a crashed one has another.
    pub(crate) id: u8,
    pub(crate) step: Step,
    /// The newest token that it has seen in the store.
    pub(crate) seen: u8,
    /// The fence of the lease that it believes to have, and extends.
    pub(crate) lease: Option<u8>,
    /// Whether it had trouble with the store in the last minute.
    pub(crate) had_trouble: bool,
}

/// What a process does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Crashed,
    /// It looks into the store when somebody asks for the token, or the sweep does.
    Look,
    /// It writes the newer token that it has seen over what it found, and goes on under the lease or before it.
    Restore {
        found: Record,
    },
    Acquire,
    LookAgain,
    /// It waits for the process that has marked the record. `was_disturbed`: the store was down meanwhile.
    HeadStart {
        found: Record,
        was_disturbed: bool,
    },
    Mark {
        before: Record,
    },
    CheckLease {
        before: Record,
        marked: Record,
    },
    /// The request is under way.
    Sent {
        before: Record,
        marked: Record,
    },
    /// The reply is under way.
    Answered {
        before: Record,
        marked: Record,
        answer: Answer,
    },
    /// It saves a new token, over what it expects to find. `under_lease`: the store is to compare the fence.
    Save {
        before: Record,
        token: u8,
        expected: Record,
        under_lease: bool,
    },
    /// Another process had a newer lease: it looks what is there.
    LookAfterFence {
        before: Record,
        token: u8,
    },
    /// It asks the store once more before it believes a refusal.
    LookAfterRefusal {
        before: Record,
    },
    NoteDeath {
        before: Record,
        found: Record,
    },
    NoteFailure {
        before: Record,
        marked: Record,
    },
    Release,
}

/// What a process learns about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Token(u8),
    Refused,
    /// There was no reply.
    Failed,
}

/// What has happened that the guide names as a reason for which a grant may be lost without a grace period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Excuses {
    /// A process crashed when it had sent a refresh token and had not saved the new one.
    pub(crate) crashed_in_flight: bool,
    /// A reply of the provider was lost.
    pub(crate) reply_lost: bool,
    /// A process was suspended, or could not extend its lease, with the provider's reply under way.
    pub(crate) overtaken_in_flight: bool,
    /// A process was suspended when it was about to save the new token.
    pub(crate) stalled: bool,
    /// A process that had no trouble with the store took one for crashed that had.
    pub(crate) taken_for_crashed: bool,
    /// The store lost a write.
    pub(crate) went_back: bool,
    /// A process could not extend its lease, because the store was down. That alone loses nothing.
    pub(crate) lease_missed: bool,
}

impl Excuses {
    /// Whether there is any.
    pub(crate) fn any(self) -> bool {
        self != Self { lease_missed: self.lease_missed, ..Self::default() }
    }
}

/// What must never happen, noted when it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Violations {
    /// A refresh token was sent without the lease, or without a mark in the store.
    pub(crate) sent_unmarked: bool,
    /// A refresh token was sent while another process had sent it or had its successor, and nothing excuses that.
    pub(crate) sent_twice: bool,
    /// A refresh token was sent by a process that had seen its successor in the store.
    pub(crate) sent_spent: bool,
    /// A record with a newer token was written over.
    pub(crate) newer_overwritten: bool,
    /// A token was handed out that was never saved, as if it had been.
    pub(crate) unsaved_handed_out: bool,
}

impl Record {
    /// The record of a token that was just obtained, or written again, in this one's place.
    pub(crate) fn with_token(self, token: u8) -> Self {
        Self { token, marked_by: None, is_unfinished: false, is_contested: false, dead: None, ..self }
    }

    /// `TokenState::contested_by_another`, for a record in the place of the predecessor.
    pub(crate) fn is_contested_by_another(self, process: u8) -> bool {
        match self.dead {
            Some(reason) => reason == DeadReason::LostInRefresh,
            None => self.is_unfinished && self.marked_by != Some(process),
        }
    }
}

impl Step {
    /// The token whose refresh token this process has sent, and whose successor it has or waits for.
    pub(crate) fn has_sent(&self) -> Option<u8> {
        match self {
            Self::Sent { before, .. }
            | Self::Answered { before, answer: Answer::Token(_) | Answer::Failed, .. }
            | Self::Save { before, .. }
            | Self::LookAfterFence { before, .. } => Some(before.token),
            _ => None,
        }
    }

    /// The new token that only this process has.
    pub(crate) fn new_token(&self) -> Option<u8> {
        match self {
            Self::Answered { answer: Answer::Token(token), .. }
            | Self::Save { token, .. }
            | Self::LookAfterFence { token, .. } => Some(*token),
            _ => None,
        }
    }

    /// Whether it only waits for the store to take a new token.
    pub(crate) fn is_saving(&self) -> bool {
        matches!(self, Self::Save { .. } | Self::LookAfterFence { .. })
    }
}
