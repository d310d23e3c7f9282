//! What can happen next, and what comes of it.

use stateright::{Model, Property};

use crate::{
    Faults, Login, Mistake, Provider, Refresh,
    state::{
        Answer, Attempt, DeadReason, Excuses, Lease, LeaseState, Lineage, LoginStep, Process, ProviderState,
        Record, SECOND, State, Step, Store, Token, Violations, grant_of,
    },
};

/// What happens. Processes are called by their place, 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// A process does what comes next. Where that takes the store, it answers.
    Proceeds(usize),
    /// The store is down, and the process learns that.
    Fails(usize),
    /// The store carries out what a process asks for, and its answer is lost.
    IsNotHeard(usize),
    /// Nobody came first while a process gave another one a head start.
    StopsWaiting(usize),
    /// A process extends its lease.
    Extends(usize),
    Crashes(usize),
    /// Another process takes the place of a crashed one.
    Starts(usize),
    /// The provider does what it was asked.
    ProviderAnswers(usize),
    RequestIsLost(usize),
    ReplyIsLost(usize),
    LeaseExpires,
    StoreGoesDown,
    StoreComesBack,
    StoreLosesAWrite,
    /// The user signs in again, with a third process.
    LoginBegins,
    LoginProceeds,
    LoginFails,
    LoginIsNotHeard,
    /// The application deletes the record, with a process that does nothing else.
    Deletes,
    /// The application ends the grant, under a lease.
    Ends,
    /// An API refuses the token that a process gave it.
    IsRejected(usize),
    /// The provider refuses a good refresh token.
    RefusesByMistake(usize),
    /// The application gives the grant another chance.
    Revives,
    /// The user takes the consent back.
    ConsentWithdrawn,
    /// The next token is due, which takes longer than trouble is remembered.
    TimePasses,
}

/// How a step that takes the store goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contact {
    Heard,
    NotHeard,
    Down,
}

/// How a compare-and-swap ended (`Saved`).
enum Saved {
    Version(Record),
    Conflict(Record),
    Fenced,
}

impl Model for Refresh {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let record = Record {
            version: 1,
            is_deleted: false,
            lineage: Lineage { login: 0, refreshes: 0 },
            token: Token { access: 1, refresh: 1, due: 1 },
            marked_by: None,
            is_unfinished: false,
            is_contested: false,
            dead: None,
        };
        let lease = Lease { fence: 0, holder: 0, state: LeaseState::Released };
        let process =
            |id| Process { id, step: Step::Look, seen: None, rejected: 0, lease: None, had_trouble: false };
        vec![State {
            store: Store { is_up: true, record, lease, is_lease_shaky: false },
            before_last_write: None,
            provider: ProviderState { newest: [1, SECOND], has_ended: [false; 2] },
            processes: [process(0), process(1)],
            login: LoginStep::Idle,
            clock: 1,
            faults_left: self.faults,
            excuses: Excuses::default(),
            violations: Violations::default(),
            newest_saved: [1, 0],
            is_login_saved: false,
            is_revived: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let left = state.faults_left;
        let may = |kind: u8| kind > 0 && left.all > 0;
        for (place, process) in state.processes.iter().enumerate() {
            let step = &process.step;
            match step {
                Step::Crashed => {
                    actions.push(Action::Starts(place));
                    continue;
                }
                Step::Sent { .. } => {
                    actions.push(Action::ProviderAnswers(place));
                    if may(left.lost_requests) {
                        actions.push(Action::RequestIsLost(place));
                    }
                    if may(left.mistaken_refusals) {
                        actions.push(Action::RefusesByMistake(place));
                    }
                }
                Step::Answered { answer, .. } => {
                    actions.push(Action::Proceeds(place));
                    if *answer != Answer::Failed && may(left.lost_replies) {
                        actions.push(Action::ReplyIsLost(place));
                    }
                }
                _ if state.store.is_up => {
                    actions.push(Action::Proceeds(place));
                    if step.writes() && may(left.unheard) {
                        actions.push(Action::IsNotHeard(place));
                    }
                }
                _ => actions.push(Action::Fails(place)),
            }
            if let Step::HeadStart { .. } = step {
                actions.push(Action::StopsWaiting(place));
            }
            // A token that is seconds old is not refreshed for that, and requests arrive within seconds.
            let is_old = !state.processes.iter().any(|process| matches!(process.step, Step::Sent { .. }));
            let may_be_rejected =
                *step == Step::Look && process.seen.is_some() && process.rejected == 0 && is_old;
            if may_be_rejected && may(left.rejections) {
                actions.push(Action::IsRejected(place));
            }
            if state.store.is_up && state.needs_heartbeat(process) {
                actions.push(Action::Extends(place));
            }
            if may(left.crashes) {
                actions.push(Action::Crashes(place));
            }
        }
        if state.store.lease.state == LeaseState::Held {
            let is_extended = state.is_extended() && state.store.is_up && !state.store.is_lease_shaky;
            if !is_extended || may(left.stalls) {
                actions.push(Action::LeaseExpires);
            }
        }
        match state.store.is_up {
            true if may(left.outages) => actions.push(Action::StoreGoesDown),
            true => {}
            false => actions.push(Action::StoreComesBack),
        }
        if state.before_last_write.is_some() && may(left.steps_back) {
            actions.push(Action::StoreLosesAWrite);
        }
        self.actions_of_the_user(state, actions);
        // Whatever a process does takes less time than a token lives, but for a save that the store does not take, or that is begun by
        // a process which is suspended.
        let is_idle = |process: &Process| match process.step {
            Step::Look | Step::Crashed => true,
            Step::Save { .. } => !state.store.is_up || state.excuses.stalled,
            _ => false,
        };
        if state.clock < state.store.record.token.due
            && state.clock + 1 < self.last_token
            && state.processes.iter().all(is_idle)
            && state.login == LoginStep::Idle
        {
            actions.push(Action::TimePasses);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Proceeds(place) => self.proceed(&mut state, place, Contact::Heard),
            Action::Fails(place) => self.proceed(&mut state, place, Contact::Down),
            Action::IsNotHeard(place) => {
                state.use_up(|left| &mut left.unheard);
                self.proceed(&mut state, place, Contact::NotHeard);
            }
            Action::StopsWaiting(place) => self.stop_waiting(&mut state, place),
            Action::Extends(_) => state.extend(),
            Action::Crashes(place) => state.crash(place),
            Action::Starts(place) => {
                let process = &mut state.processes[place];
                (process.id, process.step) = (process.id + 2, Step::Look);
            }
            Action::ProviderAnswers(place) => self.answer(&mut state, place),
            Action::RequestIsLost(place) => {
                state.use_up(|left| &mut left.lost_requests);
                state.fail(place);
            }
            Action::ReplyIsLost(place) => {
                state.use_up(|left| &mut left.lost_replies);
                state.excuses.reply_lost |= state.processes[place].step.new_token().is_some();
                state.fail(place);
            }
            Action::LeaseExpires => state.expire(),
            Action::StoreGoesDown => {
                state.use_up(|left| &mut left.outages);
                state.store.is_up = false;
                state.store.is_lease_shaky = true;
                for process in &mut state.processes {
                    if let Step::HeadStart { was_disturbed, .. } = &mut process.step {
                        *was_disturbed = true;
                    }
                }
            }
            Action::StoreComesBack => state.store.is_up = true,
            Action::LoginBegins => {
                state.use_up(|left| &mut left.logins);
                if self.login == Login::WithRefreshToken {
                    state.provider.newest[1] = SECOND + 1;
                }
                state.login = LoginStep::Look { last: None };
            }
            Action::LoginProceeds => self.sign_in(&mut state, Contact::Heard),
            Action::LoginFails => self.sign_in(&mut state, Contact::Down),
            Action::LoginIsNotHeard => {
                state.use_up(|left| &mut left.unheard);
                self.sign_in(&mut state, Contact::NotHeard);
            }
            Action::Deletes => {
                state.use_up(|left| &mut left.deletions);
                let there = state.store.record;
                state.write(Record { is_deleted: true, version: there.version + 1, ..there });
            }
            Action::Ends => {
                state.use_up(|left| &mut left.endings);
                let (there, lease) = (state.store.record, state.store.lease);
                state.write_lease(Lease {
                    fence: lease.fence + 1,
                    holder: u8::MAX,
                    state: LeaseState::Released,
                });
                let lineage = Lineage { refreshes: there.lineage.refreshes + 1, ..there.lineage };
                let dead = Some(DeadReason::Ended);
                state.write(Record { dead, lineage, marked_by: None, version: there.version + 1, ..there });
            }
            Action::IsRejected(place) => {
                state.use_up(|left| &mut left.rejections);
                let process = &mut state.processes[place];
                process.rejected = process.seen?.token.access;
            }
            Action::RefusesByMistake(place) => {
                let Step::Sent { before, marked } = state.processes[place].step else { return None };
                state.use_up(|left| &mut left.mistaken_refusals);
                state.excuses.refused_by_mistake = true;
                state.processes[place].step = Step::Answered { before, marked, answer: Answer::Refused };
            }
            Action::Revives => {
                let there = state.store.record;
                state.is_revived = true;
                state.write(Record { dead: None, version: there.version + 1, ..there });
            }
            Action::ConsentWithdrawn => {
                state.use_up(|left| &mut left.withdrawals);
                state.excuses.consent_withdrawn = true;
                state.provider.has_ended[grant_of(state.store.record.token.refresh)] = true;
            }
            Action::StoreLosesAWrite => {
                let (record, lease) = state.before_last_write.take()?;
                state.use_up(|left| &mut left.steps_back);
                (state.store.record, state.store.lease) = (record, lease);
                state.store.is_lease_shaky = true;
                state.excuses.went_back = true;
            }
            Action::TimePasses => {
                state.clock += 1;
                // A failover loses the last writes, and not those of an hour ago.
                state.before_last_write = None;
                for process in &mut state.processes {
                    process.had_trouble = false;
                }
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.all_properties()
    }

    /// Without this, a lease could be acquired and given back for ever, as by a process that finds a change each time.
    fn within_boundary(&self, state: &State) -> bool {
        let most = 3 * self.last_token + 2 * self.faults.all + 4;
        state.store.lease.fence <= most && state.store.record.version <= 2 * most
    }
}

/// The steps of a process.
impl Refresh {
    fn proceed(&self, state: &mut State, place: usize, contact: Contact) {
        match state.processes[place].step.clone() {
            Step::Crashed | Step::Sent { .. } => {}
            Step::Look => self.look(state, place, contact),
            Step::Restore { found } => self.restore(state, place, contact, found),
            Step::Acquire => self.acquire(state, place, contact),
            Step::LookAgain => self.look_again(state, place, contact),
            Step::HeadStart { found, was_disturbed } => {
                self.look_for_change(state, place, contact, found, was_disturbed);
            }
            Step::Mark { before } => self.mark(state, place, contact, before),
            Step::CheckLease { before, marked } => self.check_lease(state, place, contact, before, marked),
            Step::Answered { before, marked, answer } => self.receive(state, place, before, marked, answer),
            Step::Save { before, new, expected, under_lease } => {
                self.save(state, place, contact, Save { before, new, expected, under_lease });
            }
            Step::LookAfterFence { before, new } => {
                if contact == Contact::Heard {
                    let found = state.store.record;
                    self.consider(state, place, Save { before, new, expected: found, under_lease: false });
                }
            }
            Step::LookAfterRefusal { before } => self.look_after_refusal(state, place, contact, before),
            Step::NoteDeath { before, found } => self.note_death(state, place, contact, before, found),
            Step::NoteFailure { before, marked } => self.note_failure(state, place, contact, before, marked),
            Step::Release => state.release(place, contact),
        }
        if contact != Contact::Heard {
            // `SharedState::refresh_to_the_end` and `SharedState::save_new` note it.
            state.processes[place].had_trouble = true;
        }
    }

    /// `Refresh::run` up to the lease: `SealedStore::load_resealed`, `Refresh::restored` and `Refresh::settled`.
    fn look(&self, state: &mut State, place: usize, contact: Contact) {
        if contact == Contact::Heard {
            let found = state.store.record;
            self.found(state, place, found);
        }
    }

    /// The beginning of `Refresh::under_lease`: `SealedStore::load_again`, `Refresh::restored` and `Refresh::settled`.
    fn look_again(&self, state: &mut State, place: usize, contact: Contact) {
        match contact {
            Contact::Heard => {
                let found = state.store.record;
                self.found(state, place, found);
            }
            _ => state.end(place),
        }
    }

    /// `Refresh::restored` decides whether the store has lost a token that this process has seen, `Refresh::settled` whether there is
    /// something to do.
    fn found(&self, state: &mut State, place: usize, found: Record) {
        let process = &mut state.processes[place];
        let is_behind = process.seen.is_some_and(|seen| seen.is_newer_than(found)) && !found.is_deleted;
        if is_behind && self.mistake != Some(Mistake::NotRestored) {
            process.step = Step::Restore { found };
        } else if state.is_settled(place, found) {
            state.end(place);
        } else if matches!(state.processes[place].step, Step::LookAgain)
            || state.processes[place].lease.is_some()
        {
            self.begin(state, place, found);
        } else {
            state.processes[place].step = Step::Acquire;
        }
    }

    /// `Refresh::restored` writes the newer token over what it found, a moment after it has looked.
    fn restore(&self, state: &mut State, place: usize, contact: Contact, found: Record) {
        let Some(seen) = state.processes[place].seen else { return state.end(place) };
        let newest = found.with_token(seen.token, seen.lineage);
        match (contact, state.save_unless_exchanged(place, contact, found, false, newest)) {
            (Contact::Heard, Some(Saved::Version(record))) => self.found(state, place, record),
            _ => state.end(place),
        }
    }

    /// `TokenStore::acquire`.
    fn acquire(&self, state: &mut State, place: usize, contact: Contact) {
        if self.mistake == Some(Mistake::LeaseIgnored) {
            state.processes[place].step = Step::LookAgain;
            return;
        }
        let lease = state.store.lease;
        let is_granted = contact != Contact::Down && lease.state != LeaseState::Held;
        if is_granted {
            let holder = state.processes[place].id;
            state.write_lease(Lease { fence: lease.fence + 1, holder, state: LeaseState::Held });
            state.store.is_lease_shaky = false;
        }
        let fence = state.store.lease.fence;
        let process = &mut state.processes[place];
        if is_granted && contact == Contact::Heard {
            (process.lease, process.step) = (Some(fence), Step::LookAgain);
        } else {
            process.step = Step::Look;
        }
    }

    /// `Refresh::under_lease` lets another process save first (`Refresh::give_a_head_start`), or marks the record.
    fn begin(&self, state: &mut State, place: usize, found: Record) {
        let process = &mut state.processes[place];
        let is_of_another = found.marked_by.is_some_and(|by| by != process.id);
        let waits = process.had_trouble && is_of_another && self.mistake != Some(Mistake::HeadStartOmitted);
        process.step = match self.mistake {
            _ if waits => Step::HeadStart { found, was_disturbed: false },
            Some(Mistake::MarkOmitted) => Step::CheckLease { before: found, marked: found },
            _ => Step::Mark { before: found },
        };
    }

    /// `Refresh::give_a_head_start` looks whether the other process has saved. When the store does not answer, that process cannot save
    /// either, and so the refresh ends.
    fn look_for_change(
        &self,
        state: &mut State,
        place: usize,
        contact: Contact,
        found: Record,
        was_disturbed: bool,
    ) {
        let goes_on = self.mistake == Some(Mistake::HeadStartThroughOutages);
        if was_disturbed && !goes_on {
            state.processes[place].had_trouble = true;
            state.end(place);
        } else if contact == Contact::Heard && state.store.record != found {
            state.end(place);
        }
    }

    /// `Refresh::give_a_head_start` ends: it is longer than `SharedState::retry_saving` takes to save once the store is there.
    fn stop_waiting(&self, state: &mut State, place: usize) {
        let Step::HeadStart { found, was_disturbed } = state.processes[place].step else { return };
        let is_overdue = match self.mistake {
            Some(Mistake::HeadStartThroughOutages) => was_disturbed,
            _ => false,
        };
        let may_end = match state.processes[1 - place].step.is_saving() {
            true => is_overdue,
            false => !was_disturbed || is_overdue,
        };
        if may_end {
            let other = &state.processes[1 - place].step;
            let is_sent = other.has_sent().is_some_and(|sent| self.is_spent_with(found, sent));
            state.excuses.overtaken_in_flight |= is_sent && !other.is_saving();
            state.processes[place].step = Step::Mark { before: found };
        }
    }

    /// `Refresh::under_lease` marks the record (`TokenState::refreshing`), a moment after it has looked.
    fn mark(&self, state: &mut State, place: usize, contact: Contact, before: Record) {
        let marked_by = Some(state.processes[place].id);
        let marked = Record { marked_by, is_unfinished: true, ..before };
        let saved = state.save_unless_exchanged(place, contact, before, true, marked);
        if matches!(saved, Some(Saved::Version(_))) {
            self.judge_takeover(state, place, before);
        }
        match (contact, saved) {
            (Contact::Heard, Some(Saved::Version(marked))) => {
                state.processes[place].step = Step::CheckLease { before, marked };
            }
            _ => state.end(place),
        }
    }

    /// `Refresh::still_holds`, and then `Refresh::obtain` sends the request at once.
    fn check_lease(&self, state: &mut State, place: usize, contact: Contact, before: Record, marked: Record) {
        if !matches!(self.mistake, Some(Mistake::CheckOmitted | Mistake::LeaseIgnored)) {
            let holds = contact != Contact::Down && state.holds_newest_lease(place);
            if holds {
                state.extend();
            }
            if !holds || contact != Contact::Heard {
                return state.end(place);
            }
        }
        self.judge_request(state, place, before);
        state.processes[place].step = Step::Sent { before, marked };
    }

    /// Notes whether this refresh token may be sent now.
    fn judge_request(&self, state: &mut State, place: usize, before: Record) {
        let (process, other) = (&state.processes[place], &state.processes[1 - place]);
        let (record, excuses) = (state.store.record, &mut state.excuses);
        let is_under_lease = state.store.lease.holder == process.id
            && Some(state.store.lease.fence) == process.lease
            && state.store.lease.state == LeaseState::Held;
        // What the user or another process did since then is seen when the answer is there.
        let is_replaced = record.succeeds(before) || record.lineage.login > before.lineage.login;
        let is_marked = record.marked_by == Some(process.id) || is_replaced || record.is_deleted;
        state.violations.sent_unmarked |= (!is_under_lease || !is_marked) && !excuses.went_back;
        state.violations.sent_spent |= process
            .seen
            .is_some_and(|seen| seen.lineage.login == before.lineage.login && seen.succeeds(before));
        let lost_its_lease = excuses.lease_missed || excuses.stalled || excuses.went_back;
        if other.step.has_sent().is_none() && record.succeeds(before) {
            // The other one has saved since this process has looked.
            match lost_its_lease {
                true => excuses.overtaken_in_flight = true,
                false => state.violations.sent_twice = true,
            }
        }
        self.judge_takeover(state, place, before);
    }

    /// Notes whether a process may go on with a refresh that another one has begun: when it marks the record, and when it sends the
    /// refresh token.
    fn judge_takeover(&self, state: &mut State, place: usize, before: Record) {
        let (process, other) = (&state.processes[place], &state.processes[1 - place]);
        if !other.step.has_sent().is_some_and(|sent| self.is_spent_with(before, sent)) {
            return;
        }
        let excuses = &mut state.excuses;
        let lost_its_lease = excuses.lease_missed || excuses.stalled || excuses.went_back;
        if !other.step.is_saving() && lost_its_lease {
            excuses.overtaken_in_flight = true;
        } else if !process.had_trouble && excuses.lease_missed {
            excuses.taken_for_crashed = true;
        } else {
            state.violations.sent_twice |= !excuses.any();
        }
    }

    /// Whether whoever redeems the refresh token of a record spends that of another one. At a provider that does not rotate, all records
    /// have the same, and the access token tells which refresh it is.
    fn is_spent_with(&self, record: Record, other: Record) -> bool {
        let is_same = record.token.refresh == other.token.refresh;
        is_same && (self.provider != Provider::DoesNotRotate || record.token.access == other.token.access)
    }

    /// The provider's side of a refresh.
    fn answer(&self, state: &mut State, place: usize) {
        let Step::Sent { before, marked } = state.processes[place].step else { return };
        let (sent, grant) = (before.token.refresh, grant_of(before.token.refresh));
        let (newest, has_ended) = (&mut state.provider.newest[grant], &mut state.provider.has_ended[grant]);
        let due = state.clock + 1;
        let answer = if *has_ended {
            Answer::Refused
        } else if self.provider == Provider::DoesNotRotate {
            *newest += 1;
            Answer::Token(Token { access: *newest, refresh: sent, due })
        } else if sent == *newest {
            *newest += 1;
            Answer::Token(Token { access: *newest, refresh: *newest, due })
        } else if sent + 1 == *newest && self.provider == Provider::Grace {
            Answer::Token(Token { access: *newest, refresh: *newest, due })
        } else {
            *has_ended = self.provider != Provider::Refuses;
            Answer::Refused
        };
        state.processes[place].step = Step::Answered { before, marked, answer };
    }

    /// `Refresh::under_lease` goes on with `Refresh::save` or `Refresh::handle_failure`.
    fn receive(&self, state: &mut State, place: usize, before: Record, marked: Record, answer: Answer) {
        state.processes[place].step = match answer {
            Answer::Token(token) => {
                if self.mistake == Some(Mistake::HandedOutBeforeSaved) {
                    state.hand_out(token);
                }
                let lineage = Lineage { refreshes: before.lineage.refreshes + 1, ..before.lineage };
                let new = before.with_token(token, lineage);
                Step::Save { before, new, expected: marked, under_lease: true }
            }
            Answer::Failed if self.mistake == Some(Mistake::FailureTakenForRefusal) => {
                Step::LookAfterRefusal { before }
            }
            Answer::Refused => Step::LookAfterRefusal { before },
            Answer::Failed => Step::NoteFailure { before, marked },
        };
    }

    /// `SharedState::attempt_to_save`. A store that does not answer is asked again: `SharedState::save_new`, and when its patience has
    /// ended and the callers have the token in `TokenError::NotSaved`, `SharedState::retry_saving`.
    fn save(&self, state: &mut State, place: usize, contact: Contact, save: Save) {
        let Save { before, new, expected, under_lease } = save;
        let saved = match self.mistake {
            Some(Mistake::SavedOverAnything) => state.save(place, contact, None, false, new),
            _ => state.save_unless_exchanged(place, contact, expected, under_lease, new),
        };
        match (contact, saved) {
            (Contact::Heard, Some(Saved::Version(record))) => {
                if new.dead.is_none() {
                    state.hand_out(new.token);
                    state.learn(place, record);
                }
                state.end(place);
            }
            (Contact::Heard, Some(Saved::Conflict(found))) => {
                self.consider(state, place, Save { before, new, expected: found, under_lease });
            }
            (Contact::Heard, _) => state.processes[place].step = Step::LookAfterFence { before, new },
            _ if self.mistake == Some(Mistake::UnsavedForgotten) => state.end(place),
            _ => state.processes[place].step = Step::Save { before, new, expected, under_lease: false },
        }
    }

    /// `SharedState::save_new` decides about what it found in the predecessor's place.
    fn consider(&self, state: &mut State, place: usize, save: Save) {
        let Save { before, mut new, expected: found, under_lease } = save;
        let process = &state.processes[place];
        let is_own = found.has_the_tokens_of(new) && !found.is_unfinished && found.dead.is_none();
        let has_its_refresh_token = found.token.refresh > 0 && found.token.refresh == before.token.refresh;
        let is_of_another_login = found.lineage.login != before.lineage.login;
        let is_successor_wanted = found.has_the_tokens_of(before)
            || (has_its_refresh_token
                && found.is_unfinished
                && (is_of_another_login || self.mistake == Some(Mistake::MarkTakenForOwn)));
        let is_behind = process.seen.is_some_and(|seen| seen.is_newer_than(found));
        if found.is_deleted {
            state.end(place);
        } else if is_own {
            // An attempt that seemed to fail did not, or another process got the same token.
            state.learn(place, found);
            state.end(place);
        } else if is_successor_wanted || found.is_older_than(new) || is_behind {
            let is_login_with_it = is_of_another_login
                && has_its_refresh_token
                && found.is_unfinished
                && !found.has_the_tokens_of(before);
            if is_login_with_it && (found.dead.is_none() || self.mistake != Some(Mistake::DeadLoginForgotten))
            {
                // `TokenState::with_successor`: its own access token stays.
                let lineage = Lineage { refreshes: found.lineage.refreshes + 1, ..found.lineage };
                let token = Token { refresh: new.token.refresh, ..found.token };
                let dead = found.dead.filter(|dead| *dead == DeadReason::Ended);
                new = Record { dead, is_contested: new.is_contested, ..found.with_token(token, lineage) };
            }
            let is_predecessor = is_login_with_it || found.has_the_tokens_of(before);
            let is_contested = is_predecessor && found.is_contested_by_another(process.id);
            if found.has_the_tokens_of(before)
                && found.dead == Some(DeadReason::Ended)
                && self.mistake != Some(Mistake::EndingForgotten)
            {
                // `TokenState::with_ended_successor`
                let lineage = Lineage { refreshes: found.lineage.refreshes + 1, ..found.lineage };
                new = Record { dead: found.dead, lineage, ..new };
            }
            new.is_contested |= is_contested && self.mistake != Some(Mistake::ContestForgotten);
            state.processes[place].step = Step::Save { before, new, expected: found, under_lease };
        } else {
            state.is_settled(place, found);
            state.end(place);
        }
    }

    /// `Refresh::mark_dead` looks before it believes.
    fn look_after_refusal(&self, state: &mut State, place: usize, contact: Contact, before: Record) {
        let found = state.store.record;
        if contact == Contact::Heard
            && ((found.has_the_tokens_of(before) && found.dead.is_none())
                || self.mistake == Some(Mistake::RefusalNotedOverAnything))
        {
            state.processes[place].step = Step::NoteDeath { before, found };
            return;
        }
        if contact == Contact::Heard {
            state.is_settled(place, found);
        }
        state.end(place);
    }

    /// `Refresh::mark_dead` notes the refusal (`TokenState::died`). Whatever comes of that, the refresh ends.
    fn note_death(&self, state: &mut State, place: usize, contact: Contact, before: Record, found: Record) {
        let dead = Some(match before.is_unfinished || before.is_contested {
            true => DeadReason::LostInRefresh,
            false => DeadReason::Refused,
        });
        let new = Record { marked_by: None, dead, ..before };
        match self.mistake {
            Some(Mistake::RefusalNotedOverAnything) => state.save(place, contact, None, false, new),
            _ => state.save_unless_exchanged(place, contact, found, true, new),
        };
        state.end(place);
    }

    /// `Refresh::retry_later` notes that nobody knows what became of the refresh (`TokenState::failed`).
    fn note_failure(
        &self,
        state: &mut State,
        place: usize,
        contact: Contact,
        before: Record,
        marked: Record,
    ) {
        let is_unfinished = match self.mistake {
            Some(Mistake::LostReplyForgotten) => before.is_unfinished,
            _ => true,
        };
        let new = Record { marked_by: None, is_unfinished, ..before };
        state.save_unless_exchanged(place, contact, marked, true, new);
        state.end(place);
    }
}

/// What [`Step::Save`] holds.
#[derive(Clone, Copy)]
struct Save {
    before: Record,
    new: Record,
    expected: Record,
    under_lease: bool,
}

/// What the user and the application do.
impl Refresh {
    fn actions_of_the_user(&self, state: &State, actions: &mut Vec<Action>) {
        let left = state.faults_left;
        let may = |kind: u8| kind > 0 && left.all > 0;
        let record = state.store.record;
        match (state.login, state.store.is_up) {
            (LoginStep::Idle, _) if may(left.logins) => actions.push(Action::LoginBegins),
            (LoginStep::Idle, _) => {}
            (_, false) => actions.push(Action::LoginFails),
            (step, true) => {
                actions.push(Action::LoginProceeds);
                if matches!(step, LoginStep::Save { .. }) && may(left.unheard) {
                    actions.push(Action::LoginIsNotHeard);
                }
            }
        }
        if state.store.is_up && !record.is_deleted && may(left.deletions) {
            actions.push(Action::Deletes);
        }
        let may_be_ended = state.store.is_up && !record.is_deleted && record.dead.is_none();
        if may_be_ended && state.store.lease.state != LeaseState::Held && may(left.endings) {
            actions.push(Action::Ends);
        }
        let is_dead_by_mistake = record.dead.is_some() && state.excuses.refused_by_mistake;
        if state.store.is_up && !record.is_deleted && is_dead_by_mistake && !state.is_revived {
            actions.push(Action::Revives);
        }
        if !state.provider.has_ended[grant_of(record.token.refresh)] && may(left.withdrawals) {
            actions.push(Action::ConsentWithdrawn);
        }
    }

    /// `SharedState::try_to_overwrite`, by a process that knows nothing of the key.
    fn sign_in(&self, state: &mut State, contact: Contact) {
        let there = state.store.record;
        // What came of the login is its own too.
        let is_forgotten = there.is_deleted || self.mistake == Some(Mistake::OwnSuccessorForgotten);
        state.login = match state.login {
            LoginStep::Idle => LoginStep::Idle,
            LoginStep::Look { .. } if contact != Contact::Heard => state.login,
            LoginStep::Look { last } => match last {
                Some(last) if there.has_the_tokens_of(last.new) => state.sign_in_ends(),
                Some(last) if there.lineage.login == last.new.lineage.login && !is_forgotten => {
                    state.sign_in_ends()
                }
                Some(last) if self.is_replaced(last, there) => state.sign_in_ends(),
                Some(last) if last.expected == there => LoginStep::Save { attempt: last },
                _ => LoginStep::Save { attempt: Attempt { expected: there, new: self.login(state, there) } },
            },
            LoginStep::Save { attempt } if contact == Contact::Down => {
                LoginStep::Look { last: Some(attempt) }
            }
            LoginStep::Save { attempt } => {
                let expected = attempt.expected;
                let is_as_expected =
                    (expected.version, expected.is_deleted) == (there.version, there.is_deleted);
                if is_as_expected {
                    state.is_login_saved = true;
                    state.write(Record { version: there.version + 1, ..attempt.new });
                }
                match contact {
                    Contact::Heard if is_as_expected => state.sign_in_ends(),
                    Contact::Heard => LoginStep::Look { last: None },
                    _ => LoginStep::Look { last: Some(attempt) },
                }
            }
        };
    }

    /// Whether an attempt of which nobody knows how it ended was carried out, and its token replaced since then.
    fn is_replaced(&self, last: Attempt, there: Record) -> bool {
        let is_of_the_login_before = there.lineage.login == last.expected.lineage.login;
        if there.is_deleted {
            return false;
        }
        if last.expected.is_deleted {
            return true;
        }
        let counts = !is_of_the_login_before || self.mistake == Some(Mistake::VersionsCounted);
        counts && there.version.saturating_sub(last.expected.version) > 2
    }

    /// `PutOptions::combine`: what a login saves over a record.
    fn login(&self, state: &State, found: Record) -> Record {
        let lineage = Lineage { login: 1, refreshes: 0 };
        let token = Token { access: SECOND + 1, refresh: SECOND + 1, due: state.clock + 1 };
        let keeps = !found.is_deleted && found.dead.is_none() && found.token.refresh > 0;
        match self.login {
            Login::WithRefreshToken => found.with_token(token, lineage),
            // `TokenState::with_refresh_token_of`: the mark stays with the token that may be spent.
            Login::WithoutRefreshToken if keeps => {
                let token = Token { refresh: found.token.refresh, ..token };
                let Record { marked_by, is_unfinished, is_contested, .. } = found;
                Record { marked_by, is_unfinished, is_contested, ..found.with_token(token, lineage) }
            }
            Login::WithoutRefreshToken => found.with_token(Token { refresh: 0, ..token }, lineage),
        }
    }
}

impl Step {
    /// Whether the store changes by it.
    fn writes(&self) -> bool {
        matches!(
            self,
            Self::Restore { .. }
                | Self::Acquire
                | Self::Mark { .. }
                | Self::CheckLease { .. }
                | Self::Save { .. }
                | Self::NoteDeath { .. }
                | Self::NoteFailure { .. }
        )
    }
}

impl State {
    /// `TokenStore::save_described`; `None` where the store is down.
    fn save(
        &mut self,
        place: usize,
        contact: Contact,
        expected: Option<Record>,
        under_lease: bool,
        new: Record,
    ) -> Option<Saved> {
        if contact == Contact::Down {
            return None;
        }
        let (process, there) = (&self.processes[place], self.store.record);
        if let Some(fence) = process.lease.filter(|_| under_lease) {
            let lease = self.store.lease;
            if lease.fence > fence || (lease.fence == fence && lease.holder != process.id) {
                return Some(Saved::Fenced);
            }
        }
        let is_other = |expected: Record| expected.version != there.version || there.is_deleted;
        if expected.is_some_and(is_other) {
            return Some(Saved::Conflict(there));
        }
        self.violations.newer_overwritten |= there.lineage > new.lineage;
        self.violations.deleted_came_back |= there.is_deleted;
        let is_ended = there.dead == Some(DeadReason::Ended) && there.lineage.login == new.lineage.login;
        self.violations.ended_came_back |= is_ended && new.dead != Some(DeadReason::Ended);
        let new = Record { version: there.version + 1, ..new };
        self.write(new);
        Some(Saved::Version(new))
    }

    fn write(&mut self, new: Record) {
        self.remember();
        self.store.record = new;
        let saved = &mut self.newest_saved[grant_of(new.token.access)];
        *saved = (*saved).max(new.token.access);
    }

    /// The login is reported as saved, or as saved and replaced.
    fn sign_in_ends(&mut self) -> LoginStep {
        self.violations.login_lost |= !self.is_login_saved;
        LoginStep::Idle
    }

    /// `Cache::learn`.
    fn learn(&mut self, place: usize, found: Record) {
        let process = &mut self.processes[place];
        if process.seen.is_none_or(|seen| !seen.is_newer_than(found)) {
            process.seen = Some(found);
        }
    }

    /// `SealedStore::exchanged`, and then `TokenStore::save_described`.
    fn save_unless_exchanged(
        &mut self,
        place: usize,
        contact: Contact,
        expected: Record,
        under_lease: bool,
        new: Record,
    ) -> Option<Saved> {
        let there = self.store.record;
        if contact != Contact::Down && there.version == expected.version && there != expected {
            return Some(Saved::Conflict(there));
        }
        self.save(place, contact, Some(expected), under_lease, new)
    }

    /// `Refresh::settled`: whether the record leaves nothing to do. A live token is remembered (`Cache::learn`).
    fn is_settled(&mut self, place: usize, found: Record) -> bool {
        if found.is_deleted {
            // `Learned::NoRecord`.
            self.processes[place].seen = None;
            return true;
        }
        let is_rejected = found.token.access == self.processes[place].rejected;
        let is_live =
            found.dead.is_none() && found.token.due > self.clock && !found.is_unfinished && !is_rejected;
        if is_live {
            self.learn(place, found);
        }
        // Without a refresh token there is nothing to do but to ask the user.
        is_live || found.dead.is_some() || found.token.refresh == 0
    }

    /// The end of `SharedState::refresh_to_the_end`.
    fn end(&mut self, place: usize) {
        let process = &mut self.processes[place];
        process.rejected = 0;
        process.step = if process.lease.is_some() { Step::Release } else { Step::Look };
    }

    /// `TokenStore::release`.
    fn release(&mut self, place: usize, contact: Contact) {
        if contact != Contact::Down && self.holds_newest_lease(place) {
            self.write_lease(Lease { state: LeaseState::Released, ..self.store.lease });
        }
        let process = &mut self.processes[place];
        (process.lease, process.step) = (None, Step::Look);
    }

    fn hand_out(&mut self, token: Token) {
        self.violations.unsaved_handed_out |= token.access > self.newest_saved[grant_of(token.access)];
    }

    /// Whether this process has the newest lease, and has not given it back.
    fn holds_newest_lease(&self, place: usize) -> bool {
        let (process, lease) = (&self.processes[place], self.store.lease);
        lease.holder == process.id
            && Some(lease.fence) == process.lease
            && lease.state != LeaseState::Released
    }

    /// Whether the holder of the newest lease lives and extends it (`SharedState::under`).
    fn is_extended(&self) -> bool {
        self.holds_newest_lease(0) || self.holds_newest_lease(1)
    }

    fn needs_heartbeat(&self, process: &Process) -> bool {
        let lease = self.store.lease;
        lease.holder == process.id
            && Some(lease.fence) == process.lease
            && lease.state != LeaseState::Released
            && (self.store.is_lease_shaky || lease.state == LeaseState::Expired)
    }

    /// `TokenStore::extend`, by `SharedState::heartbeat` or `Refresh::still_holds`.
    fn extend(&mut self) {
        self.write_lease(Lease { state: LeaseState::Held, ..self.store.lease });
        self.store.is_lease_shaky = false;
    }

    fn expire(&mut self) {
        if self.is_extended() {
            if self.store.is_up && !self.store.is_lease_shaky {
                self.use_up(|left| &mut left.stalls);
                self.excuses.stalled = true;
            } else {
                self.excuses.lease_missed = true;
            }
        }
        // Nobody writes that, so that it cannot be lost.
        self.store.lease.state = LeaseState::Expired;
    }

    fn crash(&mut self, place: usize) {
        self.use_up(|left| &mut left.crashes);
        let process = &mut self.processes[place];
        self.excuses.crashed_in_flight |= process.step.has_sent().is_some();
        *process = Process {
            id: process.id,
            step: Step::Crashed,
            seen: None,
            rejected: 0,
            lease: None,
            had_trouble: false,
        };
    }

    fn fail(&mut self, place: usize) {
        let step = &mut self.processes[place].step;
        if let Step::Sent { before, marked } | Step::Answered { before, marked, .. } = *step {
            *step = Step::Answered { before, marked, answer: Answer::Failed };
        }
    }

    fn write_lease(&mut self, lease: Lease) {
        if lease != self.store.lease {
            self.remember();
            self.store.lease = lease;
        }
    }

    /// Keeps what is there before a write, as long as that may be lost.
    fn remember(&mut self) {
        let may_be_lost = self.faults_left.steps_back > 0 && self.faults_left.all > 0;
        self.before_last_write = may_be_lost.then_some((self.store.record, self.store.lease));
    }

    fn use_up(&mut self, kind: impl FnOnce(&mut Faults) -> &mut u8) {
        *kind(&mut self.faults_left) -= 1;
        self.faults_left.all -= 1;
        if self.faults_left.all == 0 || self.faults_left.steps_back == 0 {
            self.before_last_write = None;
        }
    }
}
