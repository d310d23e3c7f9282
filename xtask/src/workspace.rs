//! Where things are in the repository, what Cargo knows about it, and how commands are run in it.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable when it runs this; the compiled-in value is for those who start the binary themselves.
    let here = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&here).parent().map_or_else(|| here.clone().into(), Path::to_owned)
}

/// The Cargo that started this.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    // They describe the package xtask, not the ones that Cargo is about to work on.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR") {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    match word.contains([' ', '"', '$', '&', ';']) {
        true => format!("'{word}'"),
        false => word.into_owned(),
    }
}

/// Runs a command that must succeed; its output goes to the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    match status.success() {
        true => Ok(()),
        false => bail!("`{}` failed ({status})", shown(command)),
    }
}

/// Runs a command that must succeed, and returns what it wrote to its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}):\n{}", shown(command), output.status, said.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Reads a file of the repository.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", short(path)))
}

/// A path as the project's documentation writes it.
pub(crate) fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// The folders in a folder, in the order of their names.
pub(crate) fn folders(of: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(of)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// The Rust files of a source folder and of those in it.
pub(crate) fn rust_files(of: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in entries(of)? {
        if path.is_dir() {
            found.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

/// What is in a folder, in the order of names.
pub(crate) fn entries(of: &Path) -> Result<Vec<PathBuf>> {
    let list = fs::read_dir(of).with_context(|| format!("cannot list {}", short(of)))?;
    let mut paths = list.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// What `cargo metadata` says.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    /// Which package uses which; absent unless asked for.
    pub(crate) resolve: Option<Resolve>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) rust_version: Option<String>,
    /// The registries it may go to; `Some` of none means that it is not published.
    publish: Option<Vec<String>>,
    pub(crate) license: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) description: Option<String>,
    /// The path of the README, from the package's folder.
    pub(crate) readme: Option<PathBuf>,
    metadata: Option<PackageMetadata>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    targets: Vec<CargoTarget>,
}

/// A library, a program, a test.
#[derive(Deserialize)]
struct CargoTarget {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct PackageMetadata {
    docs: Option<Docs>,
}

#[derive(Deserialize)]
struct Docs {
    rs: Option<DocsRs>,
}

/// What docs.rs is told to build: `[package.metadata.docs.rs]`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DocsRs {
    #[serde(default)]
    pub(crate) all_features: bool,
    #[serde(default)]
    pub(crate) features: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    /// The versions that will do, such as `^0.1.0`; `*` for a path without a version.
    pub(crate) req: String,
    pub(crate) optional: bool,
    /// Where it is, if it is in this repository.
    pub(crate) path: Option<PathBuf>,
}

#[derive(Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<ResolvedPackage>,
}

#[derive(Deserialize)]
pub(crate) struct ResolvedPackage {
    pub(crate) id: String,
    deps: Vec<NodeDependency>,
}

#[derive(Deserialize)]
struct NodeDependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Metadata {
    /// The packages of this repository, without what they depend on.
    pub(crate) fn members() -> Result<Vec<Package>> {
        Ok(Self::of(&["--no-deps"])?.packages)
    }

    /// Where Cargo puts what it makes.
    pub(crate) fn target_directory() -> Result<PathBuf> {
        Ok(Self::of(&["--no-deps"])?.target_directory)
    }

    /// All packages, with every feature of this repository's.
    pub(crate) fn all() -> Result<Self> {
        Self::of(&["--all-features"])
    }

    fn of(options: &[&str]) -> Result<Self> {
        let json = output(cargo().args(["metadata", "--format-version=1"]).args(options))?;
        serde_json::from_str(&json).context("`cargo metadata` has another form than expected")
    }
}

impl Package {
    pub(crate) fn is_published(&self) -> bool {
        self.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    }

    /// Whether it is one of the provider crates in `crates/providers`.
    pub(crate) fn is_vendor(&self) -> bool {
        self.folder().parent().is_some_and(|parent| parent.ends_with("crates/providers"))
    }

    pub(crate) fn docs_rs(&self) -> Option<&DocsRs> {
        self.metadata.as_ref()?.docs.as_ref()?.rs.as_ref()
    }

    pub(crate) fn has_build_script(&self) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "custom-build"))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

impl ResolvedPackage {
    /// What the package needs when somebody uses it: everything but its dev-dependencies.
    pub(crate) fn needs(&self) -> impl Iterator<Item = &str> {
        let used = |d: &&NodeDependency| d.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
        self.deps.iter().filter(used).map(|dependency| &*dependency.pkg)
    }
}
