//! Where inputs come from, and the server in memory that answers with them.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use oauth_core::{HttpClient, HttpError, OAuth2, Provider, async_trait, bytes::Bytes, http};
use proptest::test_runner::{Config, RngSeed};

const SEED: u64 = 0x5eed_0123_4567_89ab;

fn times(usual: u32) -> u32 {
    let times = std::env::var("PROPERTIES_TIMES").ok().and_then(|times| times.parse().ok());
    usual.saturating_mul(times.unwrap_or(1))
}

/// So many made-up inputs.
pub(crate) fn cases(usual: u32) -> Config {
    Config {
        cases: times(usual),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(SEED),
        ..Config::default()
    }
}

/// `SplitMix64`: enough to change bytes with.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 where the limit is 0.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// Calls `check` with each line of a corpus as it is, and then with lines that are changed.
pub(crate) fn mutated(corpus: &str, changes: u32, mut check: impl FnMut(&str)) {
    let lines: Vec<_> = corpus.lines().filter(|line| !line.is_empty()).collect();
    assert!(!lines.is_empty());
    lines.iter().for_each(|line| check(line));
    let mut random = Random(SEED);
    for number in 0..times(changes) {
        let other = lines[random.below(lines.len())];
        let line = lines[random.below(lines.len())];
        let changed = changed(&mut random, line.as_bytes(), other.as_bytes());
        let changed = String::from_utf8_lossy(&changed);
        let told = Told { number, input: &changed };
        check(&changed);
        drop(told);
    }
}

/// Says which input failed.
struct Told<'i> {
    number: u32,
    input: &'i str,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("change number {} of seed {SEED:#x}: {:?}", self.number, self.input);
        }
    }
}

/// Flips, cuts, doubles, inserts, swaps and joins bytes.
fn changed(random: &mut Random, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(changed.len());
        let length = random.below(changed.len() - at).min(40);
        match random.below(8) {
            0 if !changed.is_empty() => changed[at] ^= 1 << random.below(8),
            1 => changed.truncate(at),
            2 => drop(changed.drain(at..at + length)),
            3 => {
                let piece = changed[at..at + length].to_vec();
                let to = random.below(changed.len() + 1);
                changed.splice(to..to, piece);
            }
            4 if at + 1 < changed.len() => changed.swap(at, at + 1),
            5 => {
                let from = random.below(other.len());
                changed.splice(at..at, other[from..].iter().copied());
            }
            _ => {
                const ODD: &[&str] = &[
                    "\0",
                    "\n",
                    "\r",
                    "\t",
                    " ",
                    "\"",
                    "\\",
                    "/",
                    "//",
                    "%",
                    "%2f",
                    "%5c",
                    "%00",
                    "&",
                    "=",
                    "==",
                    ";",
                    ",",
                    "#",
                    "?",
                    "@",
                    ":",
                    "{",
                    "}",
                    "[[[[[[[[",
                    "null",
                    "-1",
                    "1e999",
                    "99999999999999999999",
                    "\\u0000",
                    "\u{feff}",
                    "\u{202e}",
                    "é",
                    "\u{2028}",
                ];
                let piece = ODD[random.below(ODD.len())];
                changed.splice(at..at, piece.bytes());
            }
        }
    }
    changed
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// A server that gives the same answer to whatever is sent.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    status: u16,
    body: Bytes,
    requests: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, body: body.into(), requests: Arc::default() }
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl HttpClient for Server {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let reply = http::Response::builder().status(self.status).header("content-type", "application/json");
        Ok(reply.body(self.body.clone()).unwrap())
    }
}

pub(crate) const CLIENT_SECRET: &str = "the-client-secret-5f1c";

pub(crate) fn client(server: &Server) -> OAuth2 {
    OAuth2::new("client-1", CLIENT_SECRET, "https://as.example/authorize", "https://as.example/token")
        .with_http_client(server.clone())
}
