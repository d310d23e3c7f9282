//! `cargo xtask budgets`: what must not grow unnoticed, and is the same on each machine. Never seconds.

use std::{collections::BTreeSet, fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::workspace::{self, cargo};

/// Programs of which each has one dependency, by its name in the file and Cargo's options.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("oauth-github", &["--package=oauth-github"]),
    ("oauth-google, with ID tokens", &["--package=oauth-google"]),
    ("oauth-hyper", &["--package=oauth-hyper"]),
];

/// By how much more than its budget something may be, because a dependency's release must not fail a build.
const MARGIN_PERCENT: i64 = 25;

/// Compares with tests/budgets.toml, or writes it anew.
pub(crate) fn run(update: bool) -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--quiet", "--package=oauth-tests", "--test=budgets"]);
    if update {
        test.env("UPDATE_BUDGETS", "1");
    }
    workspace::run(&mut test)?;

    match update {
        true => update_packages(),
        false => count_packages(),
    }
}

/// Compares how many packages the programs build, which is quick: Cargo only lists them.
pub(crate) fn count_packages() -> Result<()> {
    let mut budgets = read()?;
    let mut problems = Vec::new();
    packages(section(&mut budgets, "packages")?, &mut problems)?;
    if !problems.is_empty() {
        bail!(
            "{}\nIf that is right, `cargo xtask budgets --update` writes the file anew.",
            problems.join("\n")
        );
    }
    Ok(())
}

fn update_packages() -> Result<()> {
    let mut budgets = read()?;
    packages(section(&mut budgets, "packages")?, &mut Vec::new())?;
    let text = workspace::read(&file())?;
    let head: String =
        text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    fs::write(file(), format!("{head}\n{budgets}"))?;
    println!("{} is written", workspace::short(&file()));
    Ok(())
}

fn read() -> Result<Table> {
    Ok(workspace::read(&file())?.parse()?)
}

fn section<'t>(budgets: &'t mut Table, name: &str) -> Result<&'t mut Table> {
    let section = budgets.entry(name).or_insert_with(|| Value::Table(Table::new()));
    section.as_table_mut().with_context(|| format!("`{name}` of tests/budgets.toml is not a table"))
}

/// Compares, and leaves what was found in the table.
fn packages(budgets: &mut Table, problems: &mut Vec<String>) -> Result<()> {
    for (program, options) in PROGRAMS {
        let count = count(options)?;
        let budget = budgets.insert((*program).to_owned(), Value::Integer(count));
        match budget.and_then(|budget| budget.as_integer()) {
            Some(budget) if count <= budget + budget * MARGIN_PERCENT / 100 => {
                println!("{program}: {count} of {budget} packages")
            }
            budget => {
                problems.push(format!("{program} builds {count} packages, and its budget is {budget:?}"))
            }
        }
    }
    Ok(())
}

fn file() -> PathBuf {
    workspace::root().join("tests/budgets.toml")
}

/// How many packages a user builds, the one named among them.
fn count(options: &[&str]) -> Result<i64> {
    let mut tree = cargo();
    tree.args(["tree", "--quiet", "--edges=normal,build", "--prefix=none", "--no-dedupe", "--locked"]);
    // What a platform needs of its own must not change the number.
    tree.arg("--target=x86_64-unknown-linux-gnu").args(options);
    let listed = workspace::output(&mut tree)?;
    let packages: BTreeSet<&str> = listed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Ok(i64::try_from(packages.len())?)
}
