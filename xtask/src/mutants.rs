//! `cargo xtask mutants`: small changes that break the code, each of which some test should notice.

mod subjects;
mod switches;
mod whole;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};

use self::subjects::{MutatedCrate, SUBJECTS, TriedChanges, built_for_changes, folder};
use crate::{
    steps::Steps,
    tools,
    workspace::{self, cargo},
};

const PROGRAM: (&str, &str) = ("cargo-mutants", "27.1.0");

/// The longest that the tests may take, in seconds; a change that makes them hang is noticed too.
const TIMEOUT: &str = "--timeout=300";

/// How many changes of each crate a night tries, each time others.
const NIGHTLY_SAMPLE: usize = 20;

/// Which of a crate's changes are tried: each of so many, beginning with one of the first.
struct ChangeSample {
    size: usize,
    begin: usize,
}

/// What is tried of each crate.
pub(crate) enum Extent {
    /// So many changes, beginning with this one.
    Sample(usize, usize),
    /// Every change; with `again`, those that no test noticed the last time.
    Whole { again: bool },
}

/// Tries changes of these crates, or of all four, and prints a table and what no test has noticed.
pub(crate) fn run(tried: &Extent, packages: &[String]) -> Result<()> {
    let known: Vec<_> = SUBJECTS.iter().map(|subject| subject.package).collect();
    if let Some(unknown) = packages.iter().find(|package| !known.contains(&&***package)) {
        bail!("no tests are chosen for changes of {unknown}; they are for {}", known.join(", "));
    }
    let mut outcomes = Vec::new();
    for subject in &SUBJECTS {
        if packages.is_empty() || packages.iter().any(|package| package == subject.package) {
            // Of the crate before, it takes the changes out again.
            let tree = tree()?;
            outcomes.push(match *tried {
                Extent::Sample(size, begin) => subject.try_changes(&tree, &ChangeSample { size, begin })?,
                Extent::Whole { again } => whole::run(subject, &tree, again)?,
            });
        }
    }
    println!("\n{}", table(&outcomes));
    Ok(())
}

/// Tries other changes each night. What no test notices is told, and fails nothing: not every change makes a fault.
pub(crate) fn nightly(steps: &mut Steps) -> Result<()> {
    let today = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / (24 * 60 * 60);
    let sample = ChangeSample { size: NIGHTLY_SAMPLE, begin: usize::try_from(today)? };
    let mut missed = Vec::new();
    for subject in &SUBJECTS {
        let name = format!(
            "cargo xtask mutants --sample {NIGHTLY_SAMPLE} --begin {} {}",
            sample.begin, subject.package
        );
        steps.step(&name, || {
            missed.extend(subject.try_changes(&tree()?, &sample)?.missed);
            Ok(())
        })?;
    }
    for change in missed {
        steps.skip(format!("what no test notices: {change}"));
    }
    Ok(())
}

impl MutatedCrate {
    fn try_changes(&self, tree: &Path, sample: &ChangeSample) -> Result<TriedChanges> {
        let list = workspace::output(self.mutants(tree)?.arg("--list"))?;
        let all = list.lines().count();
        ensure!(all > 0, "cargo-mutants has found nothing to change in {}", self.package);
        let every = all.div_ceil(sample.size.max(1));
        let output = folder()?.join("found").join(self.package);
        fs::create_dir_all(&output)?;
        // By itself, cargo-mutants would run the crate's own tests first, without those from outside.
        let mut unchanged = cargo();
        unchanged.current_dir(tree).arg("test").args(self.packages("--package")).args(self.targets());
        unchanged.args(self.skip());
        workspace::run(built_for_changes(&mut unchanged)?)?;
        let mut mutants = self.mutants(tree)?;
        mutants.args(["--baseline=skip", "--in-place", "--output"]).arg(&output);
        mutants.arg(format!("--shard={}/{every}", sample.begin % every)).arg("--sharding=round-robin");
        mutants.args(self.packages("--test-package"));
        mutants.args(self.targets().map(|argument| format!("--cargo-arg={argument}")));
        mutants.args(self.skip().map(|argument| format!("--cargo-test-arg={argument}")));
        mutants.args(["--no-times", TIMEOUT]);
        built_for_changes(&mut mutants)?;
        match mutants.status()?.code() {
            // 2: some were missed; 3: some made the tests hang.
            Some(0 | 2 | 3) => {}
            code => bail!("`{}` ended with {code:?}", workspace::shown(&mutants)),
        }
        let lines = |name: &str| -> Vec<String> {
            let text = fs::read_to_string(output.join("mutants.out").join(name)).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        Ok(TriedChanges {
            package: self.package,
            all,
            caught: lines("caught.txt").len(),
            hung: lines("timeout.txt").len(),
            unviable: lines("unviable.txt").len(),
            missed: lines("missed.txt"),
        })
    }

    fn packages(&self, option: &str) -> Vec<String> {
        let mut all = vec![self.package, self.tests.0];
        all.dedup();
        all.into_iter().map(|package| format!("{option}={package}")).collect()
    }

    /// The tests, as arguments of Cargo.
    fn targets(&self) -> impl Iterator<Item = String> {
        let (package, test) = self.tests;
        let feature = (package != self.package).then(|| format!("--features={package}/run"));
        ["--lib".to_owned(), format!("--test={test}")].into_iter().chain(feature)
    }

    /// What is not run, as arguments of Cargo.
    fn skip(&self) -> impl Iterator<Item = String> {
        self.skipped.into_iter().flat_map(|test| ["--".to_owned(), format!("--skip={test}")])
    }

    /// cargo-mutants, in the copy and for this crate's changes.
    fn mutants(&self, tree: &Path) -> Result<Command> {
        let mut mutants = cargo();
        mutants.current_dir(tree).env("PATH", tools::built(PROGRAM)?);
        mutants.args(["mutants", "--colors=never", "--package", self.package]);
        mutants.args(self.left_out.iter().map(|files| format!("--exclude={files}")));
        Ok(mutants)
    }
}

/// The outcomes as a table, and below it what no test has noticed.
fn table(outcomes: &[TriedChanges]) -> String {
    let mut text = "| crate | changes | tried | caught | hung | missed | did not compile |\n".to_owned();
    text += "| --- | --- | --- | --- | --- | --- | --- |\n";
    for TriedChanges { package, all, caught, hung, unviable, missed } in outcomes {
        let missed = missed.len();
        let tried = caught + hung + missed + unviable;
        text += &format!("| `{package}` | {all} | {tried} | {caught} | {hung} | {missed} | {unviable} |\n");
    }
    for change in outcomes.iter().flat_map(|outcome| &outcome.missed) {
        text += &format!("\nmissed: {change}");
    }
    text
}

/// A copy of the repository, always in the same place, so that what was built for it is of use the next time. In the repository itself,
/// somebody might be working.
fn tree() -> Result<PathBuf> {
    let (from, tree) = (workspace::root(), folder()?.join("tree"));
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]).current_dir(&from);
    let files = workspace::output(&mut git)?;
    let files: BTreeSet<_> = files.split('\0').filter(|file| !file.is_empty()).map(PathBuf::from).collect();
    remove_others(&tree, &tree, &files)?;
    for file in &files {
        // One that is listed may have been deleted.
        let Ok(bytes) = fs::read(from.join(file)) else { continue };
        let copy = tree.join(file);
        // Cargo builds anew what was written anew.
        if fs::read(&copy).ok().as_ref() != Some(&bytes) {
            fs::create_dir_all(copy.parent().unwrap_or(&tree))?;
            fs::write(&copy, bytes).with_context(|| copy.display().to_string())?;
        }
    }
    Ok(tree)
}

/// Removes what the repository does not have any more.
fn remove_others(tree: &Path, folder: &Path, files: &BTreeSet<PathBuf>) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for path in workspace::entries(folder)? {
        let is_listed = path.strip_prefix(tree).is_ok_and(|file| files.contains(file));
        if path.is_dir() {
            remove_others(tree, &path, files)?;
        } else if !is_listed {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Metadata;

    #[test]
    fn every_subject_has_tests_from_outside() {
        let members = Metadata::members().unwrap();
        for MutatedCrate { package, tests: (tests, _), around, .. } in &SUBJECTS {
            for name in [package, tests].into_iter().chain(*around) {
                assert!(members.iter().any(|member| member.name == *name), "there is no package {name}");
            }
        }
    }

    #[test]
    fn a_table_counts_what_was_tried_and_names_what_was_missed() {
        let outcome = TriedChanges {
            package: "oauth-core",
            all: 900,
            caught: 7,
            hung: 1,
            unviable: 2,
            missed: vec!["src/lib.rs:1:1: replace a with b".to_owned()],
        };
        let table = table(&[outcome]);
        assert!(table.contains("| `oauth-core` | 900 | 11 | 7 | 1 | 1 | 2 |\n"), "{table}");
        assert!(table.ends_with("\nmissed: src/lib.rs:1:1: replace a with b"), "{table}");
    }
}
