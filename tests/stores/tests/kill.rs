//! Processes are killed under load, as by `kill -9`, ten each second.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use oauth_store_tests::worker::{GRACE, Order, Settings, key};
use oauth_tokens::TokenManager;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    fixture::Place,
    processes::{AuthorizationServer, Death, Hammering, TURN, Told, rounds, storm_lasts},
};

const PROCESSES: usize = 8;
const SUBJECTS: usize = 100;
const BETWEEN_KILLS: Duration = Duration::from_millis(100);
/// Each subject is refreshed every two seconds or so.
const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(3);
const MOST_SIGN_INS: usize = 5;
const ORDER: Order = Order::Hammer { subjects: SUBJECTS, tasks: 8 };

#[tokio::test(flavor = "multi_thread")]
async fn no_grant_is_lost_in_sqlite_if_the_provider_allows_a_grace() {
    with_grace(Place::sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_grant_is_lost_in_postgres_if_the_provider_allows_a_grace() {
    with_grace(Place::postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_grant_is_lost_in_mariadb_if_the_provider_allows_a_grace() {
    with_grace(Place::mysql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_grant_is_lost_in_redis_if_the_provider_allows_a_grace() {
    with_grace(Place::redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_only_what_was_killed_in_between_is_lost_in_sqlite() {
    without_grace(&Place::sqlite("kill")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_only_what_was_killed_in_between_is_lost_in_postgres() {
    without_grace(&Place::postgres("kill")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_only_what_was_killed_in_between_is_lost_in_mariadb() {
    without_grace(&Place::mysql("kill")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_only_what_was_killed_in_between_is_lost_in_redis() {
    without_grace(&Place::redis("kill")).await;
}

async fn with_grace(place: impl Fn(&str) -> Place) {
    let _turn = TURN.lock().await;
    for _ in 0..rounds() {
        let place = place("kill");
        let mut storm = Storm::begin(&place, GRACE).await;
        storm.rage().await;
        storm.end().await;
        assert!(storm.told().killed_in_flight > 0, "nothing was under way when processes were killed");
        storm.all_grants_are_alive().await;
        storm.explain_the_rest();
        assert_eq!(storm.lost + storm.stalled, 0, "grants were lost");
        storm.report("lost 0 grants with a grace of 30 s");
    }
}

async fn without_grace(place: &Place) {
    let _turn = TURN.lock().await;
    let mut storm = Storm::begin(place, Duration::ZERO).await;
    storm.rage().await;
    storm.end().await;
    assert!(storm.told().killed_in_flight > 0, "nothing was under way when processes were killed");
    // Those that nobody has asked for since.
    storm.all_grants_are_alive().await;
    storm.explain_the_rest();
    let (lost, kills, refreshes) = (storm.lost, storm.kills, storm.refreshes);
    storm.report(&format!(
        "lost {lost} grants without grace, all of them reported as lost in a refresh: {:.1} % of the kills, {:.2} % of the \
         refreshes",
        100.0 * lost as f64 / kills as f64,
        100.0 * lost as f64 / refreshes as f64,
    ));
}

struct Storm<'a> {
    place: &'a Place,
    server: AuthorizationServer,
    settings: Settings,
    manager: TokenManager,
    told: Arc<Mutex<Told>>,
    workers: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
    kills: usize,
    lost: usize,
    /// Deaths that nothing explains yet.
    unexplained: Vec<Death>,
    stalled: usize,
    refreshes: usize,
}

impl<'a> Storm<'a> {
    async fn begin(place: &'a Place, grace: Duration) -> Self {
        let server = AuthorizationServer::start(grace, ACCESS_TOKEN_LIFETIME).await;
        let manager =
            server.builder(place).await.reread_failures_after(Duration::from_millis(200)).build().unwrap();
        let settings = Settings { reply_takes: 50, ..server.settings(place) };
        let mut storm = Self {
            place,
            server,
            settings,
            manager,
            told: Arc::default(),
            workers: Vec::new(),
            kills: 0,
            lost: 0,
            unexplained: Vec::new(),
            stalled: 0,
            refreshes: 0,
        };
        for subject in 0..SUBJECTS {
            storm.sign_in(&subject.to_string()).await;
        }
        for _ in 0..PROCESSES {
            let worker = storm.worker().await;
            storm.workers.push(worker);
        }
        storm
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sign_in(&self, subject: &str) {
        // On a machine that is very busy, the store's answer may take longer than the patience of one `put`; the user signs in again, for
        // nobody knows whether the first tokens are in use by then.
        for _ in 0..MOST_SIGN_INS {
            match self.manager.put(&key(subject), &self.server.sign_in()).await {
                Ok(_) => return,
                Err(oauth_tokens::TokenError::NotSaved { cause, .. }) if cause.is_transient() => {}
                Err(error) => panic!("{subject}: {error}"),
            }
        }
        panic!("{subject}: the store is too slow");
    }

    async fn worker(&self) -> (oneshot::Sender<()>, JoinHandle<()>) {
        let worker = Hammering::start(&self.settings, &ORDER, &self.told).await;
        let (kill, killed) = oneshot::channel();
        (kill, tokio::spawn(worker.until(killed)))
    }

    async fn kill(&mut self, index: usize) {
        let (kill, ended) = self.workers.swap_remove(index);
        kill.send(()).unwrap();
        ended.await.unwrap();
        self.kills += 1;
    }

    async fn rage(&mut self) {
        let began = Instant::now();
        let mut next_kill = began;
        while began.elapsed() < storm_lasts() {
            tokio::time::sleep_until(next_kill.into()).await;
            next_kill += BETWEEN_KILLS;
            let index = random_below(self.workers.len());
            self.kill(index).await;
            let worker = self.worker().await;
            self.workers.push(worker);
            self.see_to_deaths().await;
        }
    }

    async fn end(&mut self) {
        while !self.workers.is_empty() {
            self.kill(0).await;
        }
        self.see_to_deaths().await;
        self.refreshes = self.server.redeemed().len();
    }

    /// Each grant that died must be one that could not be saved, and be reported as such; its user signs in again.
    async fn see_to_deaths(&mut self) {
        let deaths = std::mem::take(&mut self.told().deaths);
        for death in deaths {
            self.sign_in(&death.subject).await;
            self.explain(death);
        }
    }

    fn explain(&mut self, death: Death) {
        let was_in_flight = self.told().in_flight_when_killed.remove(&death.subject).is_some();
        match was_in_flight && death.lost_in_refresh {
            true => self.lost += 1,
            false => self.unexplained.push(death),
        }
    }

    /// On a machine that is so busy that a process stands still for longer than its lease lasts, another one rightly takes over.
    /// That costs a grant too, and the process says so, though perhaps after the other one has found the grant dead.
    fn explain_the_rest(&mut self) {
        for death in std::mem::take(&mut self.unexplained) {
            let has_stalled = self.told().stalled.remove(&death.subject);
            assert!(has_stalled, "{}: {}, and nobody was killed or too slow", death.subject, death.reason);
            self.stalled += 1;
        }
    }

    /// Every grant that was not reported as lost must still refresh: the store has its newest refresh token.
    async fn all_grants_are_alive(&mut self) {
        // Whatever is stored expires, so that a refresh token must be redeemed for each.
        tokio::time::sleep(ACCESS_TOKEN_LIFETIME).await;
        for subject in 0..SUBJECTS {
            let subject = subject.to_string();
            match self.manager.get(&key(&subject)).await {
                Ok(_) => {}
                Err(oauth_tokens::TokenError::Dead { grant, .. }) => self.explain(Death {
                    subject,
                    lost_in_refresh: matches!(grant.reason, oauth_tokens::DeadReason::LostInRefresh { .. }),
                    reason: grant.reason.to_string(),
                }),
                Err(error) => panic!("{subject}: {error}"),
            }
        }
    }

    fn report(&self, outcome: &str) {
        let told = self.told();
        println!(
            "{}: {} kills in {:?} of {PROCESSES} processes that refreshed {SUBJECTS} subjects {} times; {} refreshes were under \
             way in a process that was killed; {outcome}; {} lost to a process that stood still for longer \
             than its lease; {} other errors",
            self.place.name,
            self.kills,
            storm_lasts(),
            self.refreshes,
            told.killed_in_flight,
            self.stalled,
            told.errors.len(),
        );
    }
}

/// A number that nobody foresees; which process is killed must not depend on what it does.
fn random_below(limit: usize) -> usize {
    use std::hash::{BuildHasher, RandomState};

    (RandomState::new().hash_one(()) % limit as u64) as usize
}
