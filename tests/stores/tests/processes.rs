//! Worker processes, and the provider that they refresh at.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use oauth_core::OAuth2Token;
use oauth_emulator::Emulator;
use oauth_store_tests::worker::{Order, Report, Settings, provider};
use oauth_tokens::{TokenManager, TokenManagerBuilder};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::fixture::Place;

/// Tests that load the machine take turns, so that each measures itself.
pub(crate) static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A process of which nobody expects more. A busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// The emulator and its generic provider, which rotates refresh tokens and ends the grant when one comes twice.
pub(crate) struct AuthorizationServer {
    pub(crate) emulator: Emulator,
}

impl AuthorizationServer {
    pub(crate) async fn start(grace: Duration, access_token_lifetime: Duration) -> Self {
        let emulator = Emulator::builder()
            .rotate_refresh_tokens(true)
            .refresh_token_grace(grace)
            .access_token_lifetime(access_token_lifetime)
            .start()
            .await
            .unwrap();
        Self { emulator }
    }

    /// The token of a new grant.
    pub(crate) fn sign_in(&self) -> OAuth2Token {
        self.emulator.sign_in("oauth2").unwrap()
    }

    /// The token of a new grant, whose access token has expired.
    pub(crate) fn sign_in_expired(&self) -> OAuth2Token {
        let mut token = serde_json::to_value(self.sign_in()).unwrap();
        token["expires_at"] = 1.into();
        serde_json::from_value(token).unwrap()
    }

    pub(crate) fn token_endpoint(&self) -> String {
        self.emulator.local("https://oauth2.example/token")
    }

    /// The refresh tokens that came, in their order.
    pub(crate) fn redeemed(&self) -> Vec<String> {
        let requests = self.emulator.requests();
        let of_refresh =
            requests.iter().filter(|request| request.field("grant_type") == Some("refresh_token"));
        of_refresh.map(|request| request.field("refresh_token").unwrap_or_default().to_owned()).collect()
    }

    /// A manager in this process.
    pub(crate) async fn manager(&self, place: &Place) -> TokenManager {
        self.builder(place).await.build().unwrap()
    }

    pub(crate) async fn builder(&self, place: &Place) -> TokenManagerBuilder {
        TokenManager::builder(place.open().await, oauth_store_tests::worker::sealer())
            .provider(Arc::new(provider(&self.token_endpoint())))
    }

    pub(crate) fn settings(&self, place: &Place) -> Settings {
        Settings {
            store: place.url.clone(),
            table: place.table.clone(),
            token_endpoint: self.token_endpoint(),
            reply_takes: 0,
        }
    }
}

/// A process that gets tokens, and is killed with this value.
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts one, and waits until it has opened its store.
    pub(crate) async fn start(settings: &Settings) -> Self {
        let mut worker = Self::spawn(settings).await;
        assert_eq!(worker.next().await, Some(Report::Ready));
        worker
    }

    async fn spawn(settings: &Settings) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oauth-store-worker"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut worker = Self { child, input, output };
        worker.write(&serde_json::to_string(settings).unwrap()).await;
        worker
    }

    pub(crate) async fn order(&mut self, order: &Order) {
        self.write(&serde_json::to_string(order).unwrap()).await;
    }

    /// What it says next; `None` when it has ended.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        self.next_within(PATIENCE).await
    }

    /// What it says next, within a limit for work that takes longer.
    pub(crate) async fn next_within(&mut self, limit: Duration) -> Option<Report> {
        let line = tokio::time::timeout(limit, self.output.next_line()).await.expect("a worker says nothing");
        line.unwrap().map(|line| serde_json::from_str(&line).unwrap())
    }

    async fn write(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Kills it, as nothing that a program could catch.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

/// A worker that gets tokens until it is killed, and what it was doing when it was.
pub(crate) struct Hammering {
    worker: Worker,
    told: Arc<Mutex<Told>>,
    /// Whose refresh tokens it has sent without having saved the answer.
    in_flight: BTreeMap<String, u128>,
}

/// What all workers told.
#[derive(Default)]
pub(crate) struct Told {
    /// Deaths that were not seen to yet, each of them told once.
    pub(crate) deaths: Vec<Death>,
    known_deaths: BTreeSet<(String, i64)>,
    /// Subjects whose refresh token had been sent by a process that was killed before it had saved the answer, with the time
    /// at which it was sent. Who is refreshed after that is out of danger.
    pub(crate) in_flight_when_killed: BTreeMap<String, u128>,
    /// How often that happened.
    pub(crate) killed_in_flight: usize,
    /// Subjects whose lease was lost by a process that had stood still for longer.
    pub(crate) stalled: BTreeSet<String>,
    pub(crate) errors: Vec<String>,
}

/// A grant that died.
pub(crate) struct Death {
    pub(crate) subject: String,
    pub(crate) lost_in_refresh: bool,
    pub(crate) reason: String,
}

impl Hammering {
    pub(crate) async fn start(settings: &Settings, order: &Order, told: &Arc<Mutex<Told>>) -> Self {
        let mut worker = Worker::spawn(settings).await;
        worker.order(order).await;
        Self { worker, told: Arc::clone(told), in_flight: BTreeMap::new() }
    }

    /// Listens until the process ends.
    async fn listen(&mut self) {
        loop {
            // A process that is killed while it writes leaves half a line.
            let line = self.worker.output.next_line().await.unwrap_or_default();
            let Some(line) = line else { break };
            let Ok(report) = serde_json::from_str(&line) else { continue };
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            match report {
                Report::Ready | Report::Got { .. } | Report::Maintained { .. } => {}
                Report::Redeems { subject, at } => {
                    self.in_flight.insert(subject, at);
                }
                Report::Refreshed { subject, at } => {
                    if told.in_flight_when_killed.get(&subject).is_some_and(|sent| *sent < at) {
                        told.in_flight_when_killed.remove(&subject);
                    }
                }
                Report::Saved { subject } => {
                    self.in_flight.remove(&subject);
                }
                Report::Stalled { subject } => {
                    told.stalled.insert(subject);
                }
                Report::Dead { subject, at, lost_in_refresh, reason } => {
                    if told.known_deaths.insert((subject.clone(), at)) {
                        told.deaths.push(Death { subject, lost_in_refresh, reason });
                    }
                }
                Report::Failed { error } => told.errors.push(error),
            }
        }
    }

    /// Listens until told to kill the process, and then to its end.
    pub(crate) async fn until(mut self, killed: tokio::sync::oneshot::Receiver<()>) {
        tokio::select! {
            () = self.listen() => panic!("a worker ended by itself"),
            _ = killed => {}
        }
        self.worker.kill().await;
        self.listen().await;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.killed_in_flight += self.in_flight.len();
        told.in_flight_when_killed.append(&mut self.in_flight);
    }
}

/// For how long the storms with kills and outages last: ten seconds, or what the environment says.
pub(crate) fn storm_lasts() -> Duration {
    let seconds = std::env::var("OAUTH_TEST_STORM_SECONDS").ok();
    Duration::from_secs(
        seconds.map_or(10, |seconds| seconds.parse().expect("OAUTH_TEST_STORM_SECONDS is a number")),
    )
}

/// How often a case is played through: once, or as often as the environment says.
pub(crate) fn rounds() -> usize {
    let rounds = std::env::var("OAUTH_TEST_ROUNDS").ok();
    rounds.map_or(1, |rounds| rounds.parse().expect("OAUTH_TEST_ROUNDS is a number"))
}
