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
    /// What a third process does, in which the user signs in again.
    pub(crate) login: LoginStep,
    /// Tokens with numbers up to this one are due.
    pub(crate) clock: u8,
    pub(crate) faults_left: Faults,
    pub(crate) excuses: Excuses,
    pub(crate) violations: Violations,
    /// The newest access token that the store has ever held, of each login.
    pub(crate) newest_saved: [u8; 2],
    /// Whether the store has ever held the second login.
    pub(crate) is_login_saved: bool,
    /// Whether the application has given the grant another chance. It does so once.
    pub(crate) is_revived: bool,
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
    /// The application has deleted it. What is left tells the next one its number.
    pub(crate) is_deleted: bool,
    /// Which login it is of, and how many refreshes lie in between (`Lineage`).
    pub(crate) lineage: Lineage,
    pub(crate) token: Token,
    /// `marked_by`: the process that has begun a refresh and has not noted how it ended.
    pub(crate) marked_by: Option<u8>,
    /// `refreshing_since`: whether there was a refresh of which nobody knows how it ended.
    pub(crate) is_unfinished: bool,
    /// `contested_since`: whether another process may have redeemed the predecessor of this token too.
    pub(crate) is_contested: bool,
    pub(crate) dead: Option<DeadReason>,
}

/// Which login a token comes from. Of two, the later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lineage {
    /// 0 for the first login, 1 for the second.
    pub(crate) login: u8,
    pub(crate) refreshes: u8,
}

/// What a provider issues. The tokens of the first login are numbered from 1, those of the second from [`SECOND`] and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Token {
    pub(crate) access: u8,
    /// 0 where there is none.
    pub(crate) refresh: u8,
    /// It is due when the clock shows this.
    pub(crate) due: u8,
}

/// Below the numbers of the tokens of the second login.
pub(crate) const SECOND: u8 = 100;

/// The login to which the provider has issued a token.
pub(crate) fn grant_of(number: u8) -> usize {
    usize::from(number > SECOND)
}

/// What the process does in which the user signs in again: `SharedState::overwrite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LoginStep {
    /// Nobody signs in, or not any more.
    Idle,
    /// It looks into the store. `last`: the attempt of which nobody knows how it ended.
    Look {
        last: Option<Attempt>,
    },
    Save {
        attempt: Attempt,
    },
}

/// `PutAttempt`: what a login saves, over which record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    pub(crate) expected: Record,
    pub(crate) new: Record,
}

/// Why a grant is noted as dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DeadReason {
    Refused,
    LostInRefresh,
    /// The application ended it.
    Ended,
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

/// The provider, with the grants of both logins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProviderState {
    /// The newest token that it has issued to each.
    pub(crate) newest: [u8; 2],
    pub(crate) has_ended: [bool; 2],
}

/// One of the processes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    /// Its number in leases and marks. A process that takes the place of a crashed one has another.
    pub(crate) id: u8,
    pub(crate) step: Step,
    /// The newest token that it has seen in the store (`NewestToken`), as it was there.
    pub(crate) seen: Option<Record>,
    /// The access token that an API has refused, for which it wants another one (`Trigger::Rejected`); 0 where there is none. A clock that is
    /// ahead comes to the same: it takes a token for due that another process takes for live.
    pub(crate) rejected: u8,
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
        new: Record,
        expected: Record,
        under_lease: bool,
    },
    /// Another process had a newer lease: it looks what is there.
    LookAfterFence {
        before: Record,
        new: Record,
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
    Token(Token),
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
    /// The provider refused a good refresh token. That loses nothing but time.
    pub(crate) refused_by_mistake: bool,
    /// The user took the consent back at the provider. Nothing else is lost by that.
    pub(crate) consent_withdrawn: bool,
}

impl Excuses {
    /// Whether there is any for which a token may be lost.
    pub(crate) fn any(self) -> bool {
        let Self { lease_missed, refused_by_mistake, consent_withdrawn, .. } = self;
        self != Self { lease_missed, refused_by_mistake, consent_withdrawn, ..Self::default() }
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
    /// A record that the application had deleted came back.
    pub(crate) deleted_came_back: bool,
    /// A grant that the application had ended was written over as if it was alive.
    pub(crate) ended_came_back: bool,
    /// A login was reported as saved that never was.
    pub(crate) login_lost: bool,
}

impl Record {
    /// The record of a token that was just obtained, or written again, in this one's place.
    pub(crate) fn with_token(self, token: Token, lineage: Lineage) -> Self {
        Self {
            lineage,
            token,
            is_deleted: false,
            marked_by: None,
            is_unfinished: false,
            is_contested: false,
            dead: None,
            ..self
        }
    }

    /// `TokenState::contested_since_by_another`, for a record in the place of the predecessor.
    pub(crate) fn is_contested_by_another(self, process: u8) -> bool {
        match self.dead {
            Some(reason) => reason == DeadReason::LostInRefresh,
            None => self.is_unfinished && self.marked_by != Some(process),
        }
    }

    /// `TokenState::has_the_tokens_of`.
    pub(crate) fn has_the_tokens_of(self, other: Self) -> bool {
        !self.is_deleted
            && (self.token.access, self.token.refresh) == (other.token.access, other.token.refresh)
    }

    /// `TokenState::is_older_than`.
    pub(crate) fn is_older_than(self, other: Self) -> bool {
        self.lineage.login == other.lineage.login && self.lineage.refreshes < other.lineage.refreshes
    }

    /// `NewestToken::is_newer_than`, where this is what was seen. Of two logins, the second was obtained later.
    pub(crate) fn is_newer_than(self, found: Self) -> bool {
        match self.lineage.login == found.lineage.login {
            true => found.lineage.refreshes < self.lineage.refreshes,
            false => found.version < self.version && found.lineage.login < self.lineage.login,
        }
    }

    /// Whether the refresh token of another record was redeemed for this one, or for a later one of the same grant.
    pub(crate) fn succeeds(self, other: Self) -> bool {
        let (own, others) = (self.token.refresh, other.token.refresh);
        other.is_older_than(self) || (own > others && others > 0 && grant_of(own) == grant_of(others))
    }
}

impl Step {
    /// The record whose refresh token this process has sent, and whose successor it has or waits for.
    pub(crate) fn has_sent(&self) -> Option<Record> {
        match self {
            Self::Sent { before, .. }
            | Self::Answered { before, answer: Answer::Token(_) | Answer::Failed, .. }
            | Self::Save { before, .. }
            | Self::LookAfterFence { before, .. } => Some(*before),
            _ => None,
        }
    }

    /// The new token that only this process has.
    pub(crate) fn new_token(&self) -> Option<Token> {
        match self {
            Self::Answered { answer: Answer::Token(token), .. } => Some(*token),
            Self::Save { new, .. } | Self::LookAfterFence { new, .. } => Some(new.token),
            _ => None,
        }
    }

    /// Whether it only waits for the store to take a new token.
    pub(crate) fn is_saving(&self) -> bool {
        matches!(self, Self::Save { .. } | Self::LookAfterFence { .. })
    }
}
