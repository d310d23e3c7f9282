//! Instructions of each kind of work, as multiples of the same work done by hand: what a change of the library's code shows in, and
//! neither the machine's load nor its clock. A new compiler changes both numbers, and so their ratio little.
//!
//! `oauth-instructions` in tests/by-hand does the work; callgrind counts, of the process alone: what the kernel does is not in it. The
//! processor that valgrind imitates has no AVX-512, so the cryptography takes other ways than it does elsewhere, and does so alike on
//! both sides of each ratio.

use std::{collections::BTreeMap, env, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    system,
    workspace::{self, Metadata, cargo},
};

/// How much more than its budget a ratio may be, because compilers differ. Runs of one program differ by less than 1 %.
pub(crate) const MARGIN: f64 = 0.10;

const PACKAGE: &str = "oauth-by-hand";
const PROGRAM: &str = "oauth-instructions";
/// The function of the program at which callgrind writes down what it has counted. Its name is found mangled too.
const MARK: &str = "*between_two_works*";

/// What a piece of work takes, in instructions.
pub(crate) struct Counted {
    pub(crate) work: String,
    pub(crate) library: f64,
    pub(crate) by_hand: f64,
}

impl Counted {
    /// In thousandths, because the next digit is noise.
    pub(crate) fn ratio(&self) -> f64 {
        (self.library / self.by_hand * 1_000.0).round() / 1_000.0
    }
}

/// Why nothing can be counted here, if so. That valgrind is missing is an error where it `must` be there.
pub(crate) fn impossible(must: bool) -> Result<Option<String>> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        let why = "instructions are counted on Linux on x86-64 only, because another processor's are others";
        return Ok(Some(why.to_owned()));
    }
    if system::has_valgrind() {
        return Ok(None);
    }
    // Where nobody reads what was left out, it must not be left out.
    ensure!(!must && env::var_os("CI").is_none(), "{HOW_TO_INSTALL}");
    Ok(Some(HOW_TO_INSTALL.to_owned()))
}

const HOW_TO_INSTALL: &str = "\
instructions cannot be counted without valgrind. Install it, then run the command again:
  Debian, Ubuntu:  sudo apt-get install valgrind
  Fedora:          sudo dnf install valgrind";

/// Builds the program as users build theirs, and counts.
pub(crate) fn count() -> Result<Vec<Counted>> {
    let target = Metadata::target_directory()?;
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--package", PACKAGE, "--bin", PROGRAM]);
    build.arg("--target-dir").arg(&target);
    // No flags of anybody's, from wherever: not all that this processor has is known to valgrind.
    build.env("CARGO_ENCODED_RUSTFLAGS", "").env_remove("CARGO_BUILD_TARGET");
    workspace::run(&mut build)?;

    let folder = target.join("instructions");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("the old counts cannot be deleted")?;
    }
    fs::create_dir_all(&folder)?;
    let counts = folder.join("counts");
    let mut callgrind = Command::new("valgrind");
    callgrind.args(["--quiet", "--tool=callgrind"]);
    callgrind.arg(format!("--dump-before={MARK}"));
    callgrind.arg(format!("--callgrind-out-file={}", counts.display()));
    callgrind.arg(target.join("release").join(PROGRAM));
    // Small blocks of memory come from lists of their own, whatever was allocated and freed before.
    callgrind.env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=1000:glibc.malloc.tcache_max=65536");
    let said = workspace::output(&mut callgrind)?;
    counted(&said, |dump| {
        let path = counts.with_extension(dump.to_string());
        instructions(&path)
            .with_context(|| format!("callgrind has not counted between marks in {}", path.display()))
    })
}

/// Puts together what the program says that it did and what callgrind counted. The program comes to a mark before each work and after
/// it, so each second count is one.
fn counted(said: &str, dump: impl Fn(usize) -> Result<f64>) -> Result<Vec<Counted>> {
    let mut lines = said.lines();
    let times: f64 = lines.next().unwrap_or_default().parse().context("no number of times")?;
    let mut order: Vec<&str> = Vec::new();
    let mut found: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for (at, line) in lines.enumerate() {
        let (role, work) = line.split_once('\t').with_context(|| format!("no work in {line:?}"))?;
        if !order.contains(&work) {
            order.push(work);
        }
        found.insert((work, role), dump(2 * (at + 1))? / times);
    }
    if order.is_empty() {
        bail!("{PROGRAM} did nothing");
    }
    let pieces = order.into_iter().map(|work| {
        let of = |role| found.get(&(work, role)).copied();
        let library = of("library").with_context(|| format!("{work}: nothing of the library"))?;
        let by_hand = of("by hand").with_context(|| format!("{work}: nothing by hand"))?;
        // What is done by hand leaves it out.
        let library = library - of("in both").unwrap_or(0.0);
        Ok(Counted { work: work.to_owned(), library, by_hand })
    });
    pieces.collect()
}

/// The sum of a file of callgrind's.
fn instructions(path: &Path) -> Result<f64> {
    let text = fs::read_to_string(path)?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals:")).context("no totals")?;
    Ok(totals.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_count_is_a_work() {
        let said = "100\nlibrary\ttoken parse\nby hand\ttoken parse\nlibrary\tID token\nby hand\tID token\nin both\tID token\n";
        // The odd ones are what was prepared in between.
        let counts = [0, 9, 3_000, 9, 2_000, 9, 90_000, 9, 10_000, 9, 70_000];
        let counted = counted(said, |dump| Ok(f64::from(counts[dump]))).unwrap();
        let found: Vec<_> = counted.iter().map(|c| (&*c.work, c.library, c.by_hand, c.ratio())).collect();
        assert_eq!(found, [("token parse", 30.0, 20.0, 1.5), ("ID token", 200.0, 100.0, 2.0)]);
    }

    #[test]
    fn nothing_counted_is_an_error() {
        assert!(counted("100\n", |_| Ok(1.0)).is_err());
        assert!(counted("100\nlibrary\ttoken parse\n", |_| Ok(1.0)).is_err());
        assert!(counted("100\nlibrary\ta\nby hand\ta\n", |_| bail!("no such file")).is_err());
    }
}
