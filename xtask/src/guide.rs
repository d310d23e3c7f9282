//! `cargo xtask guide`: follows `docs/adding-a-provider.md` in a copy of the repository, and the guides of the web frameworks in an empty
//! folder, word for word.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::{self, Metadata};

const GUIDE: &str = "docs/adding-a-provider.md";

/// What is no part of the project, or no matter for the guide.
const LEFT_OUT: &[&str] = &["target", "node_modules", ".git"];

pub(crate) fn run() -> Result<()> {
    add_a_provider()?;
    for path in workspace::entries(&workspace::root().join("docs"))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == "start.md" || name.starts_with("sign-in-with-") {
            sign_in(&name, &workspace::read(&path)?).with_context(|| format!("docs/{name}"))?;
        }
    }
    Ok(())
}

/// Makes the site of a guide's first commands and first program, from what the guide says alone.
fn sign_in(name: &str, text: &str) -> Result<()> {
    println!("\nfollowing docs/{name}");
    let target = Metadata::target_directory()?;
    let folder = target.join("guide");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    // So that the site is not a member of this workspace.
    fs::write(folder.join("Cargo.toml"), "[workspace]\nmembers = []\nresolver = \"3\"\n")?;
    let site = folder.join("my-site");
    for line in block(text, "sh")?.lines() {
        match line {
            "cargo new my-site && cd my-site" => {
                workspace::run(&mut told("cargo new my-site", &folder, &target)?)?;
            }
            _ => workspace::run(&mut told(&from_here(line), &site, &target)?)?,
        }
    }
    fs::write(site.join("src/main.rs"), block(text, "rust,no_run")?)?;
    workspace::run(&mut told("cargo check", &site, &target)?)?;
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// The command with this checkout's facade in place of the released one.
fn from_here(line: &str) -> String {
    let facade = workspace::root().join("crates/oauth-clients");
    line.replace("cargo add oauth-clients ", &format!("cargo add --path {} ", facade.display()))
}

fn add_a_provider() -> Result<()> {
    let guide = Guide::parse(&workspace::read(&workspace::root().join(GUIDE))?).context(GUIDE)?;
    let target = Metadata::target_directory()?;
    let copy = target.join("guide");
    if copy.exists() {
        fs::remove_dir_all(&copy).with_context(|| format!("cannot empty {}", copy.display()))?;
    }
    copy_folder(&workspace::root(), &copy)?;
    let follow = |commands: &[String]| {
        commands.iter().try_for_each(|command| workspace::run(&mut told(command, &copy, &target)?))
    };
    follow(&guide.make)?;
    for (file, text) in [(&guide.library.0, &guide.library.1), (&guide.facts.0, &guide.facts.1)] {
        let path = copy.join(file);
        ensure!(path.exists(), "the guide fills in {file}, which `cargo xtask new` has not written");
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    follow(&guide.run)?;
    fs::remove_dir_all(&copy)?;
    Ok(())
}

/// What the guide tells its readers to do.
struct Guide {
    /// The commands of section 1.
    make: Vec<String>,
    /// The file of section 2, with its text.
    library: (String, String),
    /// The file of section 3, with its text.
    facts: (String, String),
    /// The commands of section 4.
    run: Vec<String>,
}

impl Guide {
    fn parse(text: &str) -> Result<Self> {
        let section = |number: u32| {
            let start = text
                .find(&format!("\n## {number}. "))
                .with_context(|| format!("there is no section {number}"))?;
            let section = &text[start + 1..];
            Ok::<_, anyhow::Error>(section.find("\n## ").map_or(section, |end| &section[..end]))
        };
        let commands = |number| {
            Ok::<_, anyhow::Error>(block(section(number)?, "sh")?.lines().map(str::to_owned).collect())
        };
        let file = |number, language, ending: &str| {
            let section = section(number)?;
            let mut names = section.split('`').skip(1).step_by(2);
            let name = names.find(|name| name.starts_with("crates/") && name.ends_with(ending));
            let name =
                name.with_context(|| format!("section {number} names no file that ends with {ending}"))?;
            Ok::<_, anyhow::Error>((name.to_owned(), block(section, language)?))
        };
        Ok(Self {
            make: commands(1)?,
            library: file(2, "rust", "/src/lib.rs")?,
            facts: file(3, "toml", ".toml")?,
            run: commands(4)?,
        })
    }
}

/// The first block of a language in a section.
fn block(section: &str, language: &str) -> Result<String> {
    let mut lines = section.lines();
    let begins = format!("```{language}");
    lines.by_ref().find(|line| *line == begins).with_context(|| format!("there is no block {begins}"))?;
    Ok(lines.take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect())
}

/// A command of the guide, in the copy. What is built goes to the usual place, where the dependencies are built already.
fn told(line: &str, copy: &Path, target: &Path) -> Result<Command> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut command = match words[..] {
        // This program, because another could not take its place while it runs.
        ["cargo", "xtask", ref rest @ ..] => {
            let mut xtask = Command::new(env::current_exe()?);
            xtask.args(rest).env("CARGO_MANIFEST_DIR", copy.join("xtask"));
            xtask
        }
        ["cargo", ref rest @ ..] => {
            let mut cargo = workspace::cargo();
            cargo.args(rest);
            cargo
        }
        _ => bail!("the guide says `{line}`, which is not a command of Cargo's"),
    };
    println!("\n$ {line}");
    command.current_dir(copy).env("CARGO_TARGET_DIR", target);
    Ok(command)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for path in workspace::entries(from)? {
        let name = path.file_name().unwrap_or_default();
        let copied: PathBuf = to.join(name);
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        if path.is_dir() {
            copy_folder(&path, &copied)?;
        } else {
            fs::copy(&path, &copied).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guide_takes_the_facade_from_this_checkout() {
        let line = from_here("cargo add oauth-clients --features axum,github");
        assert!(
            line.starts_with("cargo add --path ") && line.ends_with("oauth-clients --features axum,github")
        );
        assert_eq!(from_here("cargo add axum"), "cargo add axum");
    }

    #[test]
    fn pages_show_what_is_compiled_in_the_examples() {
        let main = |example: &str| {
            workspace::read(&workspace::root().join(format!("crates/examples/{example}/src/main.rs")))
                .unwrap()
        };
        let programs = ["dioxus", "leptos", "loco", "opentelemetry"].map(main);
        for page in ["leptos-dioxus-loco.md", "observability.md"] {
            let text = workspace::read(&workspace::root().join("docs").join(page)).unwrap();
            let blocks: Vec<&str> =
                text.split("```rust\n").skip(1).map(|rest| rest.split("```\n").next().unwrap()).collect();
            assert!(!blocks.is_empty(), "{page}");
            for block in blocks {
                assert!(programs.iter().any(|program| program.contains(block)), "{page}:\n{block}");
            }
        }
    }

    #[test]
    fn the_guide_can_be_followed() {
        let guide = Guide::parse(include_str!("../../docs/adding-a-provider.md")).unwrap();
        assert_eq!(guide.make, ["cargo xtask new nimbus --display-name Nimbus"]);
        assert_eq!(guide.library.0, "crates/providers/nimbus/src/lib.rs");
        assert!(guide.library.1.contains("pub const SPEC") && guide.library.1.ends_with("}\n"));
        assert_eq!(guide.facts.0, "crates/oauth-emulator/providers/nimbus.toml");
        assert!(guide.facts.1.contains("[emulator]"));
        assert!(guide.run.iter().any(|line| line == "cargo test -p oauth-tests contract::nimbus::"));
        for line in guide.make.iter().chain(&guide.run) {
            told(line, Path::new("copy"), Path::new("target")).unwrap();
        }
    }
}
