//! What a user's build costs: packages, processor time, and the size of the program.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    measure::{Spread, cpu_time_of_children},
    report::{Bar, Goal, CompetitorKind, Row, Table, shown_ratio, shown_time},
    world::World,
};

const OURS: &str = "with-oauth-github";
const FLOOR: &str = "with-reqwest-ring";
const OAUTH2: &str = "with-oauth2";

/// The programs with their labels in the table.
const PROGRAMS: &[(&str, &str)] = &[
    (FLOOR, "bare reqwest 0.13, rustls on ring, HTTP/1.1"),
    (OURS, "oauth-github"),
    (OAUTH2, "oauth2 + reqwest"),
    ("with-openidconnect", "openidconnect + reqwest"),
    ("with-reqwest-default", "bare reqwest 0.13 with its defaults"),
];

/// What both rows do so that this repository's packages, which come by path, cost what they cost from crates.io.
const AS_FROM_THE_REGISTRY: &str = "\
    Nothing is compiled incrementally, for any contender (`CARGO_INCREMENTAL=0`): Cargo never does that with packages from crates.io, but \
    would with this repository's, which are here by path, and it would cost them time that no user spends.";

pub fn row(world: &mut World) -> Result<Row> {
    let programs = Programs::new(world)?;
    let rounds = if world.quick { 1 } else { 3 };
    let mut seconds: Vec<Vec<f64>> = vec![Vec::new(); PROGRAMS.len()];
    for round in 0..rounds {
        for at in 0..PROGRAMS.len() {
            let at = (at + round) % PROGRAMS.len();
            let (program, _) = PROGRAMS[at];
            programs.clean(program)?;
            seconds[at].push(programs.build(program, program)?);
            eprintln!("  {program}: {:.1} s of CPU", seconds[at].last().unwrap_or(&0.0) / 1e9);
        }
    }
    let place =
        |wanted: &str| PROGRAMS.iter().position(|(program, _)| *program == wanted).context("no such program");
    let (floor, ours, oauth2) = (place(FLOOR)?, place(OURS)?, place(OAUTH2)?);
    let ratio = |at: usize| {
        Spread::of(seconds[at].iter().zip(&seconds[floor]).map(|(own, floor)| own / floor).collect())
    };
    let packages: Vec<usize> =
        PROGRAMS.iter().map(|(program, _)| programs.packages(program)).collect::<Result<_>>()?;
    let sizes: Vec<f64> =
        PROGRAMS.iter().map(|(program, _)| programs.release_size(program)).collect::<Result<_>>()?;
    let mut lines = Vec::new();
    let mut bars = Vec::new();
    for (at, (program, name)) in PROGRAMS.iter().enumerate() {
        let kind = match *program {
            OURS => CompetitorKind::Ours,
            name if name.starts_with("with-reqwest") => CompetitorKind::Floor,
            _ => CompetitorKind::Peer,
        };
        lines.push(vec![
            if kind == CompetitorKind::Ours { format!("**{name}**") } else { (*name).to_owned() },
            format!("{} ({:+})", packages[at], packages[at] as i64 - packages[floor] as i64),
            shown_ratio(ratio(at)),
            shown_time(Spread::of(seconds[at].clone()).median),
            format!("{:.2}", sizes[at] / sizes[floor]),
            mebibytes(sizes[at]),
        ]);
        bars.push(Bar { name: (*name).to_owned(), value: ratio(at), kind });
    }
    let more = packages[ours] as i64 - packages[oauth2] as i64;
    let beside_oauth2 =
        Spread::of(seconds[ours].iter().zip(&seconds[oauth2]).map(|(own, peer)| own / peer).collect());
    Ok(Row {
        id: "build",
        title: "A user's build",
        method: format!(
            "A minimal program for each, built from nothing with the dev profile as `cargo new` has it, {rounds} times in turn; CPU is \
             that of Cargo and all it starts. The size is that of the stripped program in the release profile, which is what is \
             shipped; that build's time is not in the CPU. {AS_FROM_THE_REGISTRY} Packages are what `cargo tree` \
             lists for this platform, the program itself left out; ± is beside the first line. The programs of `oauth2` and \
             `openidconnect` have their default features."
        ),
        tables: vec![Table {
            title: String::new(),
            header: ["", "packages", "CPU × ring floor", "CPU", "size × ring floor", "size, release"]
                .map(str::to_owned)
                .into(),
            lines,
            bars,
            unit: "processor time of the build as a multiple of bare reqwest on ring".to_owned(),
            goals: vec![
                Goal::exact("packages ≤ oauth2's", format!("{more:+}"), more <= 0),
                Goal::ratio("CPU ≤ oauth2's", beside_oauth2, 1.0),
            ],
        }],
    })
}

/// What the whole catalogue adds to two providers, one of each kind.
pub fn all(world: &mut World) -> Result<Row> {
    const TWO: &str = "catalogue-two";
    const ALL: &str = "catalogue-all";
    const FOLDER: &str = "catalogue";

    let programs = Programs::new(world)?;
    let rounds = if world.quick { 1 } else { 3 };
    let (two, all) = (programs.own(TWO)?, programs.own(ALL)?);
    let further: Vec<&String> = all.difference(&two).filter(|package| *package != ALL).collect();
    let count = further.len() as f64;
    // What both need is built once; after that, only what differs is.
    programs.build(TWO, FOLDER)?;
    programs.build(ALL, FOLDER)?;
    let mut added = Vec::new();
    for _ in 0..rounds {
        programs.forget(FOLDER, &["oauth-clients", TWO])?;
        let base = programs.build(TWO, FOLDER)?;
        let names: Vec<&str> =
            further.iter().map(|package| &***package).chain(["oauth-clients", ALL]).collect();
        programs.forget(FOLDER, &names)?;
        let whole = programs.build(ALL, FOLDER)?;
        added.push((whole - base) / count);
        eprintln!("  {:.0} ms for each further provider", added.last().unwrap_or(&0.0) / 1e6);
    }
    let added = Spread::of(added);
    let empty = programs.bare_package("", rounds)?;
    let constants = programs.bare_package(CONSTANTS, rounds)?;
    let (small, large) = (programs.release_size(TWO)?, programs.release_size(ALL)?);
    let each = (large - small) / count;
    let line = |what: &str, value: String| vec![what.to_owned(), value];
    let shown = |time: Spread| {
        format!("{} ({}–{})", shown_time(time.median), shown_time(time.low), shown_time(time.high))
    };
    let spread = shown(added);
    Ok(Row {
        id: "catalogue",
        title: "The whole catalogue",
        method: format!(
            "A program with `oauth-clients` and the features `github` and `google`, beside the same one with `all`, which builds \
             {count} provider packages more. Once everything is built, the facade, the program and those packages are built anew, \
             {rounds} times in turn: the difference is theirs. CPU is of the dev profile, sizes are of stripped programs in the \
             release profile. {AS_FROM_THE_REGISTRY} The last two lines are what Cargo and rustc take for a package, whatever is in \
             it: one that depends on `oauth-core` and is empty, and one that has the constants of a provider and a struct around \
             `OAuth2` that derives `Clone` and `Debug`, without a function of its own; {BARE_PACKAGES} of each were built. \
             Where the last line alone is above the goal for the CPU, packages with a client type of their own cannot meet it."
        ),
        tables: vec![Table {
            title: String::new(),
            header: ["", "for each further provider"].map(str::to_owned).into(),
            lines: vec![
                line("build CPU", spread.clone()),
                line("program, release", format!("{:.1} KB", each / 1e3)),
                line("program with two providers", mebibytes(small)),
                line("program with all", format!("{} ({:.2} ×)", mebibytes(large), large / small)),
                line("build CPU of an empty package", shown(empty)),
                line("build CPU of a package of constants and one struct", shown(constants)),
            ],
            bars: Vec::new(),
            unit: String::new(),
            goals: Vec::new(),
        }],
    })
}

/// How many packages are built to know what one takes.
const BARE_PACKAGES: usize = 10;

/// The least that can be called a provider.
const CONSTANTS: &str = r#"
pub use oauth_core;
use oauth_core::{Endpoint, Spec};

pub const SPEC: Spec =
    Spec { name: "bare", endpoints: &[(Endpoint::Authorization, "https://bare.example/authorize")], ..Spec::RFC6749 };

#[derive(Clone, Debug)]
pub struct BareOAuth2 {
    oauth2: oauth_core::OAuth2,
}
"#;

fn mebibytes(bytes: f64) -> String {
    format!("{:.2} MiB", bytes / 1024.0 / 1024.0)
}

struct Programs {
    repository: PathBuf,
    manifest: PathBuf,
    scratch: PathBuf,
}

impl Programs {
    fn new(world: &World) -> Result<Self> {
        let programs = Self {
            repository: world.repository.clone(),
            manifest: world.repository.join("xtask/bench/programs/Cargo.toml"),
            scratch: world.scratch.join("build"),
        };
        run(programs.cargo("fetch").arg("--quiet"))?;
        Ok(programs)
    }

    fn cargo(&self, command: &str) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.arg(command).arg("--manifest-path").arg(&self.manifest);
        // The flags of whoever runs the benchmark are none of a user's.
        cargo.env("CARGO_ENCODED_RUSTFLAGS", "").env_remove("CARGO_TARGET_DIR").env("CARGO_INCREMENTAL", "0");
        cargo
    }

    fn folder(&self, folder: &str) -> PathBuf {
        self.scratch.join(folder)
    }

    fn clean(&self, folder: &str) -> Result<()> {
        let folder = self.folder(folder);
        match folder.exists() {
            true => fs::remove_dir_all(&folder).context("the target folder cannot be deleted"),
            false => Ok(()),
        }
    }

    /// Has Cargo build these packages anew.
    fn forget(&self, folder: &str, packages: &[&str]) -> Result<()> {
        let mut cargo = self.cargo("clean");
        cargo.arg("--quiet").arg("--target-dir").arg(self.folder(folder));
        for package in packages {
            cargo.args(["--package", package]);
        }
        run(&mut cargo).map(drop)
    }

    /// The processor time of it, in nanoseconds.
    fn build(&self, program: &str, folder: &str) -> Result<f64> {
        let before = cpu_time_of_children();
        run(self
            .cargo("build")
            .args(["--offline", "--quiet", "--package", program, "--target-dir"])
            .arg(self.folder(folder)))?;
        Ok(cpu_time_of_children() - before)
    }

    /// Of the stripped program in the release profile, in bytes. All programs share what they have in common.
    fn release_size(&self, program: &str) -> Result<f64> {
        let folder = self.folder("release");
        eprintln!("  {program}: release build for its size");
        // Cargo has it stripped by the linker, so that no other program is needed.
        run(self
            .cargo("build")
            .args(["--release", "--offline", "--quiet", "--package", program, "--target-dir"])
            .arg(&folder)
            .env("CARGO_PROFILE_RELEASE_STRIP", "symbols"))?;
        Ok(fs::metadata(folder.join("release").join(program))?.len() as f64)
    }

    /// The processor time that a package with this source takes, in nanoseconds: that of a few of them, without that of the
    /// package that depends on them.
    fn bare_package(&self, source: &str, rounds: usize) -> Result<Spread> {
        const WHOLE: &str = "bare";
        let folder = self.scratch.join("bare");
        let core = self.repository.join("crates/oauth-core");
        let names: Vec<_> = (0..BARE_PACKAGES).map(|at| format!("{WHOLE}-{at}")).collect();
        let package = |name: &str, dependencies: String, source: &str| -> Result<()> {
            let source_folder = folder.join(name).join("src");
            fs::create_dir_all(&source_folder)?;
            fs::write(source_folder.join("lib.rs"), source)?;
            let manifest = format!(
                "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}"
            );
            Ok(fs::write(folder.join(name).join("Cargo.toml"), manifest)?)
        };
        for name in &names {
            package(name, format!("oauth-core = {{ path = {core:?} }}\n"), source)?;
        }
        let all = names.iter().map(|name| format!("{name} = {{ path = \"../{name}\" }}\n")).collect();
        package(WHOLE, all, "")?;
        fs::write(folder.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"bare*\"]\n")?;
        // The same versions as everywhere else in the row, which are here already.
        fs::copy(self.manifest.with_file_name("Cargo.lock"), folder.join("Cargo.lock"))?;
        let bare = Self {
            repository: self.repository.clone(),
            manifest: folder.join("Cargo.toml"),
            scratch: self.scratch.clone(),
        };
        let mut each = Vec::new();
        bare.build(WHOLE, "bare-target")?;
        for _ in 0..rounds {
            bare.forget("bare-target", &[WHOLE])?;
            let base = bare.build(WHOLE, "bare-target")?;
            let further: Vec<&str> = names.iter().map(|name| &**name).chain([WHOLE]).collect();
            bare.forget("bare-target", &further)?;
            each.push((bare.build(WHOLE, "bare-target")? - base) / BARE_PACKAGES as f64);
        }
        Ok(Spread::of(each))
    }

    /// How many packages a program builds beside itself.
    fn packages(&self, program: &str) -> Result<usize> {
        Ok(self.tree(program)?.len() - 1)
    }

    /// The packages of this repository among them.
    fn own(&self, program: &str) -> Result<BTreeSet<String>> {
        let packages = self.tree(program)?.into_iter().filter(|package| package.contains('('));
        let names = packages.filter_map(|package| package.split(' ').next().map(str::to_owned));
        Ok(names.filter(|name| name.starts_with("oauth-") || name.starts_with("catalogue-")).collect())
    }

    fn tree(&self, program: &str) -> Result<BTreeSet<String>> {
        let tree = run(self.cargo("tree").args([
            "--quiet",
            "--offline",
            "--edges=normal,build",
            "--prefix=none",
            "--no-dedupe",
            "--package",
            program,
        ]))?;
        let packages: BTreeSet<_> = tree.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        ensure!(!packages.is_empty(), "cargo tree lists nothing");
        Ok(packages.into_iter().map(str::to_owned).collect())
    }
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().context("cannot start Cargo")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let program = Path::new(command.get_program()).display().to_string();
        bail!("{program} failed: {}", said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
