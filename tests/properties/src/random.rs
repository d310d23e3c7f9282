//! Where inputs come from that are not made up by a fuzzer.

use proptest::test_runner::{Config, RngSeed};

const SEED: u64 = 0x5eed_0123_4567_89ab;

fn times(usual: u32) -> u32 {
    let times = std::env::var("PROPERTIES_TIMES").ok().and_then(|times| times.parse().ok());
    usual.saturating_mul(times.unwrap_or(1))
}

/// So many made-up inputs.
#[must_use]
pub fn cases(usual: u32) -> Config {
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

/// Calls `check` with inputs of random bytes, for properties that make something of them.
pub fn pseudo_random(usual: u32, mut check: impl FnMut(&[u8])) {
    let mut random = Random(SEED);
    for number in 0..times(usual) {
        let length = random.below(160);
        let bytes: Vec<u8> = (0..length).map(|_| random.next().to_le_bytes()[0]).collect();
        let told = Told { number, input: &bytes };
        check(&bytes);
        drop(told);
    }
}

/// Calls `check` with each line of a corpus as it is, and then with lines that are changed.
pub fn mutated(corpus: &str, changes: u32, mut check: impl FnMut(&str)) {
    mutated_bytes(corpus, changes, |changed| check(&String::from_utf8_lossy(changed)));
}

/// As [`mutated`], with what the changes made of the bytes.
///
/// # Panics
///
/// If the corpus is empty.
pub fn mutated_bytes(corpus: &str, changes: u32, mut check: impl FnMut(&[u8])) {
    let lines: Vec<_> = corpus.lines().filter(|line| !line.is_empty()).collect();
    assert!(!lines.is_empty());
    lines.iter().for_each(|line| check(line.as_bytes()));
    let mut random = Random(SEED);
    for number in 0..times(changes) {
        let other = lines[random.below(lines.len())];
        let line = lines[random.below(lines.len())];
        let changed = changed(&mut random, line.as_bytes(), other.as_bytes());
        let told = Told { number, input: &changed };
        check(&changed);
        drop(told);
    }
}

/// Says which input failed.
struct Told<'i> {
    number: u32,
    input: &'i [u8],
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let input = String::from_utf8_lossy(self.input);
            eprintln!("input number {} of seed {SEED:#x}: {input:?}", self.number);
        }
    }
}

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
                let piece = ODD[random.below(ODD.len())];
                changed.splice(at..at, piece.bytes());
            }
        }
    }
    changed
}
