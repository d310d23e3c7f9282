//! `cargo xtask mutants --whole`: every change of a crate, in hours.
//!
//! cargo-mutants builds the tests anew for each change, which takes half a minute here: a day for a crate. No tool for stable Rust that is
//! kept puts all changes into one build, so this does: each is behind a switch ([`switches`]) and is turned on by an environment variable
//! when a test runs. cargo-mutants goes on to try samples, and is the reference for what a change is.
//!
//! Changes that do not compile are left out first, by the places that the compiler's errors name. Then each test runs once by itself and
//! tells which changes it reaches, and each change is tried with the tests that reach it, until one fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    num::NonZero,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{
    subjects::{MutatedCrate, TriedChanges, built_for_changes, folder},
    switches::{self, ACTIVE, Change, Changes, REACHED, Switched},
};
use crate::workspace::{self, cargo};

/// Parts of the names of tests that are not run for each change: they take long, or need what is not on each machine. They are modules rather
/// than words, which quick tests have in their names too.
const LEFT_OUT_TESTS: [&str; 9] = [
    "storms::",
    "browser::",
    "browser_siblings::",
    "chromium::",
    "peers::",
    "replay::",
    "contract::",
    "quirks::",
    "quirks_openid::",
];
/// A test that takes longer by itself is left out, too.
const LONGEST_TEST: Duration = Duration::from_secs(20);

/// How many tests share a process. The first that fails ends it. The quickest few of a binary have one of their own, because most changes
/// are noticed by any test.
const FIRST: usize = 12;
const TOGETHER: usize = 60;

/// How often errors of the compiler may lead to another build.
const MOST_BUILDS: usize = 25;

/// A test, and the changes that it reaches.
#[derive(Clone)]
struct Test {
    binary: PathBuf,
    /// The folder of its package, where Cargo would run it.
    folder: PathBuf,
    name: String,
    time: Duration,
    reached: BTreeSet<usize>,
}

/// Whether any test noticed a change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Verdict {
    Caught,
    /// A test did not end.
    Hung,
    Missed,
    /// No test comes to the place, or it is not compiled on this machine.
    Unreached,
}

impl Verdict {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Caught, "caught"),
        (Self::Hung, "hung"),
        (Self::Missed, "missed"),
        (Self::Unreached, "not reached"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(verdict, _)| *verdict == self).map_or("", |(_, word)| word)
    }

    fn is_survivor(self) -> bool {
        matches!(self, Self::Missed | Self::Unreached)
    }
}

/// Tries every change of a crate in the copy of the repository, or with `again` those that no test noticed the last time.
pub(super) fn run(subject: &MutatedCrate, tree: &Path, again: bool) -> Result<TriedChanges> {
    let results = folder()?.join("whole");
    fs::create_dir_all(&results)?;
    let (changes, tests) = build(subject, tree)?;
    let tests = cover(tests, &results.join("reached"))?;
    let log = results.join(format!("{}.txt", subject.package));
    let known = if again { fs::read_to_string(&log).unwrap_or_default() } else { String::new() };
    let verdicts = attack(&changes, &tests, &caught_before(&known), &log)?;
    let survivors: Vec<_> = verdicts.iter().filter(|(_, verdict)| verdict.is_survivor()).collect();
    let table = results.join(format!("{}.md", subject.package));
    fs::write(&table, survivors_table(&survivors))?;
    println!("what no test has noticed is in {}", workspace::short(&table));
    let count = |of| verdicts.iter().filter(|(_, verdict)| *verdict == of).count();
    Ok(TriedChanges {
        package: subject.package,
        all: changes.all.len(),
        caught: count(Verdict::Caught),
        hung: count(Verdict::Hung),
        unviable: changes.excluded.len(),
        missed: survivors.iter().map(|(change, verdict)| told(change, *verdict)).collect(),
    })
}

/// Puts all changes of the crate that compile into one build of the tests, and lists the tests.
fn build(subject: &MutatedCrate, tree: &Path) -> Result<(Changes, Vec<Test>)> {
    let source = tree.join("crates").join(subject.package).join("src");
    let originals: Vec<_> = workspace::rust_files(&source)?
        .into_iter()
        .map(|path| Ok((fs::read_to_string(&path)?, path)))
        .collect::<Result<_>>()?;
    let mut for_tests = BTreeSet::new();
    for (text, path) in &originals {
        for_tests.extend(switches::test_modules(text).with_context(|| workspace::short(path))?);
    }
    let is_for_tests = |path: &Path| {
        let below = path.strip_prefix(&source).unwrap_or(path).with_extension("");
        below.iter().any(|name| name.to_str().is_some_and(|name| for_tests.contains(name)))
    };
    let changed: Vec<_> =
        originals.iter().filter(|(_, path)| !is_for_tests(path) && !subject.leaves_out(path)).collect();
    let mut excluded = BTreeSet::new();
    for _ in 0..MOST_BUILDS {
        let mut changes = Changes { excluded, ..Changes::default() };
        let mut written = BTreeMap::new();
        for (text, path) in &changed {
            let file = path.strip_prefix(tree)?.to_string_lossy().replace('\\', "/");
            let switched = switches::switched(&file, text, &mut changes).with_context(|| file.clone())?;
            written.insert(file, switched);
        }
        for (file, switched) in &written {
            let text = match file.ends_with("/src/lib.rs") {
                true => switches::with_runtime(&switched.text, changes.all.len()),
                false => switched.text.clone(),
            };
            if fs::read_to_string(tree.join(file))? != text {
                fs::write(tree.join(file), text)?;
            }
        }
        println!("{} changes, {} of which do not compile", changes.all.len(), changes.excluded.len());
        let mut cargo = cargo();
        cargo.current_dir(tree).args(["test", "--no-run", "--message-format=json", "--lib", "--tests"]);
        cargo.args(subject.around.iter().chain([&subject.package]).map(|name| format!("--package={name}")));
        // An incremental build is of no use: nothing is built again once it compiles.
        built_for_changes(&mut cargo)?.env("CARGO_INCREMENTAL", "0").stderr(Stdio::inherit());
        let output = cargo.output()?;
        let messages = String::from_utf8(output.stdout)?;
        let messages: Vec<Value> =
            messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if output.status.success() {
            return Ok((changes, tests(&messages)?));
        }
        let blamed = blamed(&messages, &written)?;
        excluded = changes.excluded;
        excluded.extend(blamed);
    }
    bail!("after {MOST_BUILDS} builds, there are still changes that do not compile")
}

/// The changes that the errors of the compiler are about.
fn blamed(messages: &[Value], written: &BTreeMap<String, Switched>) -> Result<BTreeSet<usize>> {
    let mut all = BTreeSet::new();
    let mut others = String::new();
    let errors =
        messages.iter().map(|message| &message["message"]).filter(|message| message["level"] == "error");
    for error in errors {
        let spans = error["spans"].as_array().into_iter().flatten().filter(|span| span["is_primary"] == true);
        let found: BTreeSet<_> = spans.filter_map(|span| place(span, written)).flatten().collect();
        if found.is_empty() {
            others += error["rendered"].as_str().unwrap_or_default();
        }
        all.extend(found);
    }
    match all.is_empty() {
        true => bail!("the copy does not build, and no change explains it:\n{others}"),
        false => Ok(all),
    }
}

/// The changes at the place of an error, or at that of the macro's use.
fn place(span: &Value, written: &BTreeMap<String, Switched>) -> Option<BTreeSet<usize>> {
    let mut span = span;
    loop {
        let file = span["file_name"].as_str()?.replace('\\', "/");
        if let Some(switched) = written.get(&file) {
            // The runtime's line in front of `lib.rs`.
            let before = if file.ends_with("/src/lib.rs") { switches::LENIENT.len() } else { 0 };
            let byte = |name: &str| Some(usize::try_from(span[name].as_u64()?).ok()?.saturating_sub(before));
            return Some(switched.blamed(&(byte("byte_start")?..byte("byte_end")?)));
        }
        span = span.get("expansion")?.get("span")?;
    }
}

/// The tests of the binaries that were built.
fn tests(messages: &[Value]) -> Result<Vec<Test>> {
    let mut all = Vec::new();
    for message in messages.iter().filter(|message| message["profile"]["test"] == true) {
        let Some(binary) = message["executable"].as_str() else { continue };
        let manifest = Path::new(message["manifest_path"].as_str().context("Cargo names no manifest")?);
        let folder = manifest.parent().context("the manifest has no folder")?;
        let list = |options: &[&str]| {
            let mut list = Command::new(binary);
            workspace::output(list.args(["--list", "--format=terse"]).args(options).current_dir(folder))
        };
        let ignored = list(&["--ignored"])?;
        let ignored: BTreeSet<_> = ignored.lines().collect();
        for line in list(&[])?.lines().filter(|line| !ignored.contains(line)) {
            let Some(name) = line.strip_suffix(": test") else { continue };
            if LEFT_OUT_TESTS.iter().all(|part| !name.contains(part)) {
                let (binary, folder, name) = (binary.into(), folder.to_owned(), name.to_owned());
                all.push(Test { binary, folder, name, time: Duration::ZERO, reached: BTreeSet::new() });
            }
        }
    }
    Ok(all)
}

/// Runs each test by itself without a change, and returns those that reach any.
fn cover(tests: Vec<Test>, scratch: &Path) -> Result<Vec<Test>> {
    println!("{} tests run once each, to see which changes they reach", tests.len());
    if scratch.exists() {
        fs::remove_dir_all(scratch)?;
    }
    fs::create_dir_all(scratch)?;
    let mut reaching = Vec::new();
    let done = in_parallel(&tests, |index, test| {
        let file = scratch.join(index.to_string());
        let start = Instant::now();
        let end = ran(&[test], REACHED, &file.to_string_lossy(), LONGEST_TEST)?;
        let reached = fs::read_to_string(&file).unwrap_or_default();
        let reached = reached.lines().filter_map(|line| line.parse().ok()).collect();
        Ok(match end {
            End::Passed => Some(Test { time: start.elapsed(), reached, ..test.clone() }),
            End::Failed | End::TimedOut => None,
        })
    })?;
    for (test, done) in tests.iter().zip(done) {
        match done {
            Some(test) => reaching.extend((!test.reached.is_empty()).then_some(test)),
            None => println!("left out, because it fails or takes long without any change: {}", test.name),
        }
    }
    // The quickest first, and those that are about little.
    let effort = |test: &Test| test.time + Duration::from_micros(500 * test.reached.len() as u64);
    reaching.sort_by_key(effort);
    Ok(reaching)
}

/// Tries each change that compiles and was not caught before.
fn attack<'a>(
    changes: &'a Changes,
    tests: &[Test],
    caught: &BTreeMap<String, Verdict>,
    log: &Path,
) -> Result<Vec<(&'a Change, Verdict)>> {
    let mut all = Vec::new();
    let mut numbers = BTreeMap::<_, usize>::new();
    for (number, change) in changes.all.iter().enumerate() {
        // Of what is there several times in a function, the first, the second, and so on.
        let name = format!("{} {}: {}", change.file, change.function, change.what);
        let times = numbers.entry(name.clone()).or_default();
        *times += 1;
        if !changes.excluded.contains(&number) {
            all.push((number, change, format!("{name} #{times}")));
        }
    }
    let todo = all.iter().filter(|(_, _, name)| !caught.contains_key(name)).count();
    println!("{todo} changes to try");
    let log = Mutex::new(File::create(log)?);
    let done = AtomicUsize::new(0);
    in_parallel(&all, |_, (number, change, name)| {
        let verdict = match caught.get(name) {
            Some(verdict) => *verdict,
            None => {
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                if done.is_multiple_of(100) {
                    println!("{done} of {todo}");
                }
                verdict(*number, tests)?
            }
        };
        if let Ok(mut log) = log.lock() {
            writeln!(log, "{}\t{name}", verdict.word())?;
        }
        Ok((*change, verdict))
    })
}

/// What the log of the last run says was caught.
fn caught_before(log: &str) -> BTreeMap<String, Verdict> {
    let lines = log.lines().filter_map(|line| line.split_once('\t'));
    let verdict = |word| Verdict::ALL.iter().find(|(_, known)| *known == word).map(|(verdict, _)| *verdict);
    let known = lines.filter_map(|(word, name)| Some((name.to_owned(), verdict(word)?)));
    known.filter(|(_, verdict)| !verdict.is_survivor()).collect()
}

/// Tries one change with the tests that reach it.
fn verdict(number: usize, tests: &[Test]) -> Result<Verdict> {
    let reaching: Vec<_> = tests.iter().filter(|test| test.reached.contains(&number)).collect();
    if reaching.is_empty() {
        return Ok(Verdict::Unreached);
    }
    let mut by_binary = BTreeMap::<_, Vec<&Test>>::new();
    for test in reaching {
        by_binary.entry(&test.binary).or_default().push(test);
    }
    let mut by_binary: Vec<_> = by_binary.into_values().collect();
    by_binary.sort_by_key(|tests| tests.iter().map(|test| test.time).sum::<Duration>());
    let chunks = by_binary.iter().flat_map(|tests| {
        let (first, others) = tests.split_at(tests.len().min(FIRST));
        std::iter::once(first).chain(others.chunks(TOGETHER))
    });
    for tests in chunks {
        let time: Duration = tests.iter().map(|test| test.time).sum();
        match ran(tests, ACTIVE, &number.to_string(), time * 8 + Duration::from_secs(20))? {
            End::Passed => {}
            End::Failed => return Ok(Verdict::Caught),
            End::TimedOut => return Ok(Verdict::Hung),
        }
    }
    Ok(Verdict::Missed)
}

enum End {
    Passed,
    Failed,
    TimedOut,
}

/// Runs tests of one binary, until one fails.
fn ran(tests: &[&Test], variable: &str, value: &str, limit: Duration) -> Result<End> {
    let Some(first) = tests.first() else { return Ok(End::Passed) };
    let mut command = Command::new(&first.binary);
    command.args(tests.iter().map(|test| &test.name)).arg("--exact");
    command.current_dir(&first.folder).env("CARGO_MANIFEST_DIR", &first.folder).env(variable, value);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| first.binary.display().to_string())?;
    let failed = Arc::new(AtomicBool::new(false));
    if let Some(output) = child.stdout.take() {
        let failed = failed.clone();
        // Nobody waits for it: what a test has started, and leaves behind, may keep the output open.
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            for line in lines {
                if line.ends_with("FAILED") {
                    failed.store(true, Ordering::Relaxed);
                }
            }
        });
    }
    let start = Instant::now();
    loop {
        let is_late = start.elapsed() > limit;
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(End::Passed),
            Some(_) => return Ok(End::Failed),
            None if is_late || failed.load(Ordering::Relaxed) => {
                child.kill()?;
                child.wait()?;
                return Ok(if is_late { End::TimedOut } else { End::Failed });
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Does something with each item, in as many threads as there are processors, and keeps the order.
fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(usize, &T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let worker = || -> Result<Vec<(usize, R)>> {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return Ok(done) };
            done.push((index, work(index, item)?));
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut all = thread::scope(|scope| -> Result<Vec<_>> {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let mut all = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(done) => all.extend(done?),
                Err(_) => bail!("a thread has panicked"),
            }
        }
        Ok(all)
    })?;
    all.sort_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, done)| done).collect())
}

fn told(change: &Change, verdict: Verdict) -> String {
    let Change { file, line, function, what } = change;
    match verdict {
        Verdict::Unreached => format!("{file}:{line}: {function}: {what} ({})", verdict.word()),
        _ => format!("{file}:{line}: {function}: {what}"),
    }
}

fn survivors_table(survivors: &[&(&Change, Verdict)]) -> String {
    let mut text = "| where | function | change | |\n| --- | --- | --- | --- |\n".to_owned();
    for (Change { file, line, function, what }, verdict) in survivors {
        let what = what.replace('|', "\\|");
        text += &format!("| {file}:{line} | `{function}` | {what} | {} |\n", verdict.word());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_caught_is_not_tried_again_and_what_was_missed_is() {
        let log = "caught\ta.rs f: returns `true` #1\nhung\ta.rs f: returns `false` #1\nmissed\tb.rs g: returns `0` #1\n\
                   not reached\tb.rs g: returns `1` #1\n";
        let expected =
            [("a.rs f: returns `false` #1", Verdict::Hung), ("a.rs f: returns `true` #1", Verdict::Caught)];
        assert_eq!(caught_before(log), expected.map(|(name, verdict)| (name.to_owned(), verdict)).into());
    }

    #[test]
    fn errors_are_blamed_on_the_changes_at_their_places() {
        let mut changes = Changes::default();
        let switched =
            switches::switched("crates/a/src/b.rs", "fn c(d: u8) -> E { d == 1 }", &mut changes).unwrap();
        let start = switched.text.find("Default::default()").unwrap();
        let span = serde_json::json!({
            "is_primary": true, "file_name": "crates/a/src/b.rs", "byte_start": start, "byte_end": start + 7, "expansion": null,
        });
        let in_a_macro = serde_json::json!({ "is_primary": true, "file_name": "/rust/m.rs", "expansion": { "span": span } });
        let written = BTreeMap::from([("crates/a/src/b.rs".to_owned(), switched)]);
        for span in [span, in_a_macro] {
            let message = serde_json::json!({ "message": { "level": "error", "spans": [span], "rendered": "no default" } });
            assert_eq!(blamed(&[message], &written).unwrap(), BTreeSet::from([0]));
        }
        let elsewhere =
            serde_json::json!({ "message": { "level": "error", "spans": [], "rendered": "no linker" } });
        assert!(blamed(&[elsewhere], &written).unwrap_err().to_string().contains("no linker"));
    }

    #[test]
    fn the_table_names_what_survived() {
        let change = Change {
            file: "crates/a/src/b.rs".into(),
            line: 7,
            function: "A::c".into(),
            what: "`||` in place of `&&` in `d && e`".into(),
        };
        let table = survivors_table(&[&(&change, Verdict::Missed)]);
        assert!(table.ends_with(
            "| crates/a/src/b.rs:7 | `A::c` | `\\|\\|` in place of `&&` in `d && e` | missed |\n"
        ));
    }

    #[test]
    fn work_in_parallel_keeps_its_order_and_its_errors() {
        let items: Vec<usize> = (0..100).collect();
        let doubled = in_parallel(&items, |_, item| Ok(item * 2)).unwrap();
        assert_eq!(doubled, (0..200).step_by(2).collect::<Vec<_>>());
        assert!(in_parallel(&items, |_, item| if *item == 50 { bail!("no") } else { Ok(()) }).is_err());
    }

    const SMALL: &str = "
        pub struct Own;
        pub fn is_of_age(age: u8) -> bool { age >= 18 }
        pub fn own() -> Own { Own }
        pub fn unused() -> u8 { 7 }
        #[cfg(test)]
        mod tests {
            #[test]
            fn some_are_of_age() { super::own(); assert!(super::is_of_age(30) && !super::is_of_age(3)); }
        }
    ";

    #[test]
    fn a_small_crate_is_tried_from_end_to_end() {
        let tree = folder().unwrap().join("small");
        let krate = tree.join("crates/small");
        fs::create_dir_all(krate.join("src")).unwrap();
        fs::write(tree.join("Cargo.toml"), "[workspace]\nmembers = [\"crates/small\"]\nresolver = \"3\"\n")
            .unwrap();
        fs::write(krate.join("Cargo.toml"), "[package]\nname = \"small\"\nedition = \"2024\"\n").unwrap();
        fs::write(krate.join("src/lib.rs"), SMALL).unwrap();
        let subject = MutatedCrate {
            package: "small",
            tests: ("small", "small"),
            left_out: &[],
            skipped: None,
            around: &[],
        };
        let (changes, tests) = build(&subject, &tree).unwrap();
        let tests = cover(tests, &tree.join("reached")).unwrap();
        let log = tree.join("log");
        let verdicts = attack(&changes, &tests, &BTreeMap::new(), &log).unwrap();
        let found: Vec<_> = verdicts.iter().map(|(change, verdict)| (&*change.what, *verdict)).collect();
        let expected = [
            ("returns `true`", Verdict::Caught),
            ("returns `false`", Verdict::Caught),
            ("`<` in place of `>=` in `age >= 18`", Verdict::Caught),
            ("`>` in place of `>=` in `age >= 18`", Verdict::Missed),
            ("returns `0`", Verdict::Unreached),
            ("returns `1`", Verdict::Unreached),
        ];
        assert_eq!(found, expected);
        // `Own` has no default.
        let excluded: Vec<_> =
            changes.excluded.iter().map(|&number| &*changes.all[number].function).collect();
        assert_eq!(excluded, ["own"]);
        assert_eq!(caught_before(&fs::read_to_string(log).unwrap()).len(), 3);
    }
}
