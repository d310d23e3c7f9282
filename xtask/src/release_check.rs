//! `cargo xtask release-check`: what a registry would refuse or show wrongly, whose the names are, and in which order and at which pace
//! the packages can be published. It publishes nothing.

use std::{collections::BTreeMap, fmt, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use semver::{Version, VersionReq};

use crate::{
    readme,
    workspace::{self, Dependency, Metadata, Package, cargo},
};

/// Checks everything, or says what could not be asked. With `names`, the registry is asked about these packages alone.
pub(crate) fn run(offline: bool, names: &[String]) -> Result<()> {
    let members = Metadata::members()?;
    let published: Vec<_> = members.iter().filter(|package| package.is_published()).collect();
    let unknown = names.iter().find(|name| !published.iter().any(|package| package.name == **name));
    if let Some(name) = unknown {
        bail!("{name} is not a package that this repository publishes");
    }

    let mut problems = of_packages(&members)?;
    let mut states = BTreeMap::new();
    let mut not_asked = offline.then(|| "--offline".to_owned());
    for package in published.iter().filter(|package| names.is_empty() || names.contains(&package.name)) {
        if not_asked.is_some() {
            break;
        }
        match ask(&package.name) {
            RegistryAnswer::Silence(why) => not_asked = Some(why),
            answer => {
                let state = Published::of(package, answer)?;
                println!("{:<28} {state}", package.name);
                problems.extend(state.problem().map(|what| format!("{}: {what}", package.name)));
                states.insert(&*package.name, state);
            }
        }
    }

    let order = order(&published)?;
    let steps: Vec<_> = order
        .iter()
        // A name that nobody was asked about counts as new: the plan then takes longer than the release will.
        .map(|package| (*package, states.get(&*package.name).map_or(Action::New, Published::action)))
        .filter(|(_, action)| *action != Action::Nothing)
        .collect();
    print_plan(&steps);

    if let Some(why) = &not_asked {
        println!(
            "\nNot checked: whose the names are and which versions are there, because the registry was not asked ({why}). \
             Everything else was checked; in the plan, what was not asked about counts as new."
        );
    } else if !names.is_empty() {
        println!(
            "\nThe registry was asked about {} alone; in the plan, all others count as new.",
            names.join(", ")
        );
    }
    complain(&problems)
}

/// Checks what needs no registry, and prints nothing unless something is wrong.
pub(crate) fn without_registry() -> Result<()> {
    let members = Metadata::members()?;
    order(&members.iter().filter(|package| package.is_published()).collect::<Vec<_>>())?;
    complain(&of_packages(&members)?)
}

fn complain(problems: &[String]) -> Result<()> {
    ensure!(problems.is_empty(), "{} findings:\n{}", problems.len(), problems.join("\n"));
    Ok(())
}

fn of_packages(members: &[Package]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in members.iter().filter(|package| package.is_published()) {
        let of_manifest = of_manifest(package, members);
        problems.extend(of_manifest.into_iter().map(|what| format!("{}: {what}", package.name)));
        problems.extend(of_readme(package)?);
    }
    Ok(problems)
}

/// What a registry would refuse, or show wrongly. `cargo xtask tidy` checks what each change must keep; this is what a release needs.
fn of_manifest(package: &Package, members: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    if Version::parse(&package.version).is_err() {
        found.push(format!("{:?} is not a version", package.version));
    }
    match package.license.as_deref() {
        Some("MIT OR Apache-2.0") => {}
        other => found.push(format!("the licence must be \"MIT OR Apache-2.0\", not {other:?}")),
    }
    if package.repository.is_none() {
        found.push("there is no repository, by which a registry's answer would be known for ours".to_owned());
    }
    if package.description.as_deref().is_none_or(str::is_empty) {
        found.push("there is no description, without which a registry takes nothing".to_owned());
    }
    match package.docs_rs() {
        Some(features) if features.all_features || !features.features.is_empty() => {}
        _ => found.push(
            "docs.rs would build the default features alone: see [package.metadata.docs.rs]".to_owned(),
        ),
    }
    let internal = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
    found.extend(internal.filter_map(|dependency| of_dependency(package, dependency, members)));
    found
}

fn of_dependency(package: &Package, dependency: &Dependency, members: &[Package]) -> Option<String> {
    let (name, req) = (&dependency.name, &dependency.req);
    let is_dev = dependency.kind.as_deref() == Some("dev");
    // Cargo leaves out a dev-dependency that has a path alone.
    if is_dev && req == "*" {
        return None;
    }
    if *name == package.name {
        return Some(format!(
            "its tests depend on {name} {req}, which is not there before the first release; write `{name} = {{ path = \".\" }}`"
        ));
    }
    let other = members.iter().find(|member| member.name == *name)?;
    if !other.is_published() {
        return Some(format!("it depends on {name}, which is not published"));
    }
    let version = Version::parse(&other.version).ok()?;
    let fits = VersionReq::parse(req).is_ok_and(|req| req.matches(&version));
    (!fits).then(|| format!("it needs {name} {req}, which {version} is not"))
}

fn of_readme(package: &Package) -> Result<Vec<String>> {
    let Some(file) = &package.readme else {
        return Ok(vec![format!("{}: there is no README", package.name)]);
    };
    let path = package.folder().join(file);
    let repository = package.repository.as_deref().unwrap_or_default();
    let problems = readme::problems(&workspace::read(&path)?, repository, &workspace::root());
    Ok(problems
        .into_iter()
        .map(|(line, what)| format!("{}:{line}: {what}", workspace::short(&path)))
        .collect())
}

/// What the registry says about a name.
#[derive(Debug, PartialEq, Eq)]
enum RegistryAnswer {
    NoSuchPackage,
    Package {
        version: String,
        repository: Option<String>,
        license: Option<String>,
    },
    /// It could not be asked, and why.
    Silence(String),
}

/// Asks through Cargo, and so the registry that Cargo is configured for.
fn ask(name: &str) -> RegistryAnswer {
    // Without the option, Cargo shows the package of this workspace.
    let asked = cargo().args(["info", "--quiet", "--color=never", "--registry=crates-io", name]).output();
    match asked {
        Err(error) => RegistryAnswer::Silence(format!("cannot start cargo: {error}")),
        Ok(output) => RegistryAnswer::read(
            output.status.success(),
            &String::from_utf8_lossy(&output.stdout),
            &String::from_utf8_lossy(&output.stderr),
        ),
    }
}

impl RegistryAnswer {
    fn read(succeeded: bool, said: &str, complained: &str) -> Self {
        if !succeeded && complained.contains("could not find") {
            return Self::NoSuchPackage;
        }
        let field = |name: &str| {
            let value = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.map(|value| value.trim().to_owned())
        };
        // `0.1.0 (latest 0.2.0)` where this compiler is too old for the latest.
        let version = field("version").map(|version| match version.split_once("(latest ") {
            Some((_, latest)) => latest.trim_end_matches(')').to_owned(),
            None => version.split(' ').next().unwrap_or_default().to_owned(),
        });
        match version {
            Some(version) if succeeded => {
                Self::Package { version, repository: field("repository"), license: field("license") }
            }
            _ => {
                let why = complained.lines().map(str::trim).find(|line| !line.is_empty());
                Self::Silence(why.unwrap_or("cargo info said nothing").to_owned())
            }
        }
    }
}

/// What the registry has of a package.
#[derive(Debug, PartialEq, Eq)]
enum Published {
    Free,
    Ours { there: Version, here: Version },
    SomebodyElses { version: String, repository: Option<String>, license: Option<String> },
}

impl Published {
    fn of(package: &Package, answer: RegistryAnswer) -> Result<Self> {
        Ok(match answer {
            RegistryAnswer::NoSuchPackage => Self::Free,
            RegistryAnswer::Silence(why) => bail!("{}: {why}", package.name),
            RegistryAnswer::Package { version, repository, license } => {
                let ours = package.repository.as_deref().map(normalized);
                match ours.is_some() && repository.as_deref().map(normalized) == ours {
                    true => Self::Ours {
                        there: Version::parse(&version).with_context(|| package.name.clone())?,
                        here: Version::parse(&package.version).with_context(|| package.name.clone())?,
                    },
                    false => Self::SomebodyElses { version, repository, license },
                }
            }
        })
    }

    fn action(&self) -> Action {
        match self {
            Self::Free => Action::New,
            Self::Ours { there, here } if here > there => Action::Update,
            Self::Ours { .. } | Self::SomebodyElses { .. } => Action::Nothing,
        }
    }

    fn problem(&self) -> Option<String> {
        match self {
            Self::Free => None,
            Self::Ours { there, here } => {
                (here < there).then(|| format!("the registry has {there} already, and here is {here}"))
            }
            Self::SomebodyElses { .. } => Some(format!("the name is taken: {self}")),
        }
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => write!(f, "free"),
            Self::Ours { there, here } if here > there => {
                write!(f, "ours, {there} is there, {here} is to be published")
            }
            Self::Ours { there, here } if here == there => {
                write!(f, "ours, {there} is there; if anything has changed since, it needs a new version")
            }
            Self::Ours { there, here } => write!(f, "ours, {there} is there, which is newer than {here}"),
            Self::SomebodyElses { version, repository, license } => write!(
                f,
                "somebody else's, {version}, {}, {}",
                license.as_deref().unwrap_or("without a licence"),
                repository.as_deref().unwrap_or("without a repository")
            ),
        }
    }
}

/// A repository's address in the form that is compared.
fn normalized(url: &str) -> String {
    let url = url.trim().trim_end_matches('/').to_ascii_lowercase();
    let url = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(&url).to_owned();
    let url = url.strip_prefix("www.").unwrap_or(&url).to_owned();
    // Some crates name their folder in it.
    let url = url.split("/tree/").next().unwrap_or_default().trim_end_matches('/').to_owned();
    url.strip_suffix(".git").unwrap_or(&url).to_owned()
}

/// The packages in an order in which each finds in the registry what it depends on, for its tests too.
fn order<'a>(published: &[&'a Package]) -> Result<Vec<&'a Package>> {
    let mut left: Vec<&Package> = published.to_vec();
    left.sort_by(|a, b| a.name.cmp(&b.name));
    let mut order: Vec<&Package> = Vec::new();
    while !left.is_empty() {
        let waits = |package: &Package| {
            let mut needs = package.dependencies.iter().filter(|of| {
                of.path.is_some()
                    && of.name != package.name
                    && !(of.kind.as_deref() == Some("dev") && of.req == "*")
            });
            needs.any(|need| left.iter().any(|other| other.name == need.name))
        };
        let (waiting, ready): (Vec<&Package>, Vec<&Package>) =
            left.iter().partition(|package| waits(package));
        ensure!(
            !ready.is_empty(),
            "these packages depend on each other in a circle, so none can be published first: {}",
            waiting.iter().map(|package| &*package.name).collect::<Vec<_>>().join(", ")
        );
        order.extend(ready);
        left = waiting;
    }
    Ok(order)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    New,
    Update,
    Nothing,
}

/// How many packages a registry takes at once, and how long it takes until it takes one more.
struct Limit {
    burst: u32,
    every: Duration,
}

/// What crates.io allows an account, by its page "Rate Limits".
const NEW: Limit = Limit { burst: 5, every: Duration::from_secs(10 * 60) };
const UPDATES: Limit = Limit { burst: 30, every: Duration::from_secs(60) };

impl Limit {
    /// How long after the first package the one of this number can be published, counted from 0.
    fn wait(&self, number: u32) -> Duration {
        self.every * (number + 1).saturating_sub(self.burst)
    }
}

/// When each package can be published: not before the limit of its kind allows it, and not before those that come before it.
fn schedule(actions: impl IntoIterator<Item = Action>) -> Vec<Duration> {
    let (mut new, mut updates) = (0, 0);
    let mut now = Duration::ZERO;
    actions
        .into_iter()
        .map(|action| {
            let (limit, number) = match action {
                Action::New => (NEW, &mut new),
                Action::Update => (UPDATES, &mut updates),
                Action::Nothing => return now,
            };
            now = now.max(limit.wait(*number));
            *number += 1;
            now
        })
        .collect()
}

fn print_plan(steps: &[(&Package, Action)]) {
    println!("\nThe plan: {} packages, each once those before it are in the registry.\n", steps.len());
    let times = schedule(steps.iter().map(|(_, action)| *action));
    for ((package, action), at) in steps.iter().zip(&times) {
        let minutes = at.as_secs() / 60;
        let kind = if *action == Action::New { "new" } else { "update" };
        println!(
            "{:>3}:{:02}  cargo publish --package {:<28} # {} {kind}",
            minutes / 60,
            minutes % 60,
            package.name,
            package.version
        );
    }
    if let Some(last) = times.last().filter(|last| !last.is_zero()) {
        println!(
            "\nIt takes {} h {:02} min at least: of new packages, {} can be published at once and then one in {} minutes; of updates, {} \
             and then one a minute. The registry's team raises the limit for those who ask beforehand.",
            last.as_secs() / 3600,
            last.as_secs() / 60 % 60,
            NEW.burst,
            NEW.every.as_secs() / 60,
            UPDATES.burst,
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn package(name: &str, changes: Value) -> Package {
        let mut package = json!({
            "id": name, "name": name, "version": "0.1.0", "manifest_path": format!("/x/{name}/Cargo.toml"),
            "rust_version": null, "publish": null, "license": "MIT OR Apache-2.0",
            "repository": "https://github.com/example/project", "description": "x", "readme": "README.md",
            "metadata": { "docs": { "rs": { "all-features": true } } }, "dependencies": [], "features": {},
            "targets": [],
        });
        for (key, value) in changes.as_object().unwrap() {
            package[key] = value.clone();
        }
        serde_json::from_value(package).unwrap()
    }

    fn dependency(name: &str, req: &str, kind: Option<&str>) -> Value {
        json!({ "name": name, "req": req, "kind": kind, "optional": false, "path": format!("/x/{name}") })
    }

    #[test]
    fn what_a_registry_would_refuse_is_found() {
        let members = [package("a", json!({})), package("hidden", json!({ "publish": [] }))];
        assert_eq!(of_manifest(&members[0], &members), Vec::<String>::new());
        for (changes, complaint) in [
            (json!({ "version": "1" }), "not a version"),
            (json!({ "license": "MIT" }), "licence"),
            (json!({ "license": null }), "licence"),
            (json!({ "repository": null }), "repository"),
            (json!({ "description": null }), "description"),
            (json!({ "metadata": null }), "docs.rs"),
            (json!({ "metadata": { "docs": { "rs": { "features": [] } } } }), "docs.rs"),
            (json!({ "dependencies": [dependency("a", "^0.2.0", None)] }), "which 0.1.0 is not"),
            (json!({ "dependencies": [dependency("hidden", "^0.1.0", None)] }), "not published"),
            (json!({ "dependencies": [dependency("hidden", "^0.1.0", Some("dev"))] }), "not published"),
            (json!({ "dependencies": [dependency("b", "^0.1.0", Some("dev"))] }), "path = \".\""),
        ] {
            let found = of_manifest(&package("b", changes), &members);
            assert!(matches!(&found[..], [one] if one.contains(complaint)), "{complaint}: {found:?}");
        }
        for fine in [
            dependency("a", "^0.1.0", None),
            dependency("hidden", "*", Some("dev")),
            dependency("b", "*", Some("dev")),
        ] {
            assert_eq!(
                of_manifest(&package("b", json!({ "dependencies": [fine] })), &members),
                Vec::<String>::new()
            );
        }
    }

    #[test]
    fn an_answer_is_read_from_what_cargo_prints() {
        let said = "oauth-x #login\nSomething\nversion: 0.1.4\nlicense: LGPL-3.0-or-later\nrepository: https://github.com/a/b\n";
        let version = |said: &str| match RegistryAnswer::read(true, said, "") {
            RegistryAnswer::Package { version, .. } => version,
            other => panic!("{other:?}"),
        };
        let RegistryAnswer::Package { repository, license, .. } = RegistryAnswer::read(true, said, "") else {
            panic!()
        };
        assert_eq!(repository.as_deref(), Some("https://github.com/a/b"));
        assert_eq!(license.as_deref(), Some("LGPL-3.0-or-later"));
        assert_eq!(version(said), "0.1.4");
        assert_eq!(version("version: 0.1.4 (latest 0.2.0)\n"), "0.2.0");
        assert_eq!(version("version: 0.1.4 (from somewhere)\n"), "0.1.4");
        let missing = "error: could not find `oauth-x` in registry `…`";
        assert_eq!(RegistryAnswer::read(false, "", missing), RegistryAnswer::NoSuchPackage);
        for silence in ["error: failed to query replaced source\n\nCaused by: no network", ""] {
            assert!(matches!(RegistryAnswer::read(false, "", silence), RegistryAnswer::Silence(_)));
        }
        assert!(matches!(
            RegistryAnswer::read(true, "nothing that is known", ""),
            RegistryAnswer::Silence(_)
        ));
    }

    #[test]
    fn a_name_is_ours_by_the_repository() {
        let package = package("a", json!({ "version": "0.2.0" }));
        let state = |version: &str, repository: Option<&str>| {
            let repository = repository.map(str::to_owned);
            Published::of(
                &package,
                RegistryAnswer::Package { version: version.to_owned(), repository, license: None },
            )
            .unwrap()
        };
        for ours in [
            "https://github.com/example/project",
            "http://www.github.com/Example/project.git",
            "https://github.com/example/project/tree/main/crates/a/",
        ] {
            let state = state("0.1.0", Some(ours));
            assert_eq!((state.action(), state.problem()), (Action::Update, None), "{ours}");
        }
        for others in
            [None, Some("https://github.com/example/project2"), Some("https://example.com/example/project")]
        {
            let state = state("0.1.0", others);
            assert_eq!(state.action(), Action::Nothing);
            assert!(state.problem().unwrap().contains("somebody else's, 0.1.0"), "{others:?}");
        }
        let ours = Some("https://github.com/example/project");
        assert_eq!(state("0.2.0", ours).action(), Action::Nothing);
        assert!(state("0.2.0", ours).problem().is_none());
        assert!(state("0.10.0", ours).problem().unwrap().contains("0.10.0 already"));
        assert_eq!(Published::of(&package, RegistryAnswer::NoSuchPackage).unwrap().action(), Action::New);
    }

    #[test]
    fn a_package_comes_after_what_it_needs() {
        let needs = |names: &[(&str, Option<&str>)]| {
            let all: Vec<_> = names.iter().map(|(name, kind)| dependency(name, "^0.1.0", *kind)).collect();
            json!({ "dependencies": all })
        };
        let facade = package("facade", needs(&[("github", None), ("core", None)]));
        let github = package("github", needs(&[("core", None)]));
        let core = package("core", json!({ "dependencies": [dependency("facade", "*", Some("dev"))] }));
        let tokens = package("tokens", needs(&[("emulator", Some("dev")), ("tokens", Some("dev"))]));
        let emulator = package("emulator", needs(&[("core", None)]));
        let names: Vec<_> = order(&[&facade, &github, &core, &tokens, &emulator])
            .unwrap()
            .into_iter()
            .map(|package| &*package.name)
            .collect();
        assert_eq!(names, ["core", "emulator", "github", "facade", "tokens"]);

        let circle = package("core", needs(&[("facade", Some("dev"))]));
        let error = order(&[&facade, &github, &circle]).err().unwrap().to_string();
        assert!(error.contains("circle"), "{error}");
    }

    #[test]
    fn new_packages_take_ten_minutes_each_after_a_burst() {
        let minutes = |actions: &[Action]| -> Vec<u64> {
            schedule(actions.iter().copied()).into_iter().map(|at| at.as_secs() / 60).collect()
        };
        assert_eq!(minutes(&[Action::New; 8]), [0, 0, 0, 0, 0, 10, 20, 30]);
        assert_eq!(minutes(&[Action::Update; 32])[28..], [0, 0, 1, 2]);
        // What needs a new package waits for it.
        let mixed = [&[Action::New; 6][..], &[Action::Update]].concat();
        assert_eq!(minutes(&mixed), [0, 0, 0, 0, 0, 10, 10]);
    }
}
