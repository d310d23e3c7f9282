//! `cargo xtask new`: a provider crate from the template.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use toml::Table;

use crate::{facts, generate, provider, workspace};

const MANIFEST: &str = include_str!("../templates/Cargo.toml.in");
const LIBRARY: &str = include_str!("../templates/lib.rs.in");
const FACTS: &str = include_str!("../templates/facts.toml.in");

/// Words that mean something else where the name of a provider is used: modules, packages and files of this repository. The features of the
/// facade are others.
const TAKEN: &[&str] = &[
    "all",
    "http",
    "oauth-core",
    "oauth-fetch",
    "oauth-hyper",
    "oauth-reqwest",
    "parameter",
    "prelude",
    "serde-json",
];

pub(crate) fn run(name: &str, display_name: Option<&str>) -> Result<()> {
    check(name)?;
    let display_name = display_name.map_or_else(|| title(name), str::to_owned);
    ensure!(
        !display_name.contains(['"', '\\']) && !display_name.chars().any(char::is_control),
        "the display name {display_name:?} has characters that have no place in it"
    );
    let client = client(&display_name, name);

    let folder = workspace::root().join("crates/providers").join(name);
    let package = format!("oauth-{name}");
    ensure!(!folder.exists(), "{} exists already", workspace::short(&folder));
    let taken = workspace::root().join("crates").join(&package).exists() || is_taken(name)?;
    ensure!(!taken, "{name:?} means something else in this repository; choose another name");

    let filled = |template: &str| {
        template
            .replace("{name}", name)
            .replace("{library}", &package.replace('-', "_"))
            .replace("{display_name}", &display_name)
            .replace("{client}", &client)
    };
    for (path, template) in [
        (folder.join("Cargo.toml"), MANIFEST),
        (folder.join("src/lib.rs"), LIBRARY),
        (facts::folder().join(format!("{name}.toml")), FACTS),
    ] {
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        fs::write(&path, filled(template)).with_context(|| workspace::short(&path))?;
        println!("wrote {}", workspace::short(&path));
    }
    generate::write()?;
    let module = provider::module_of(name);

    println!(
        "
Next, as docs/adding-a-provider.md says:

1. Fill in SPEC in crates/providers/{name}/src/lib.rs from the provider's documentation.
2. Write down what the provider's endpoints expect and answer, in crates/oauth-emulator/providers/{name}.toml.
3. cargo fmt --all && cargo xtask generate && cargo test -p oauth-tests contract::{module}::"
    );
    Ok(())
}

fn check(name: &str) -> Result<()> {
    let word = |word: &str| {
        !word.is_empty() && word.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit())
    };
    if name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('-').all(word) {
        return Ok(());
    }
    bail!(
        "{name:?} cannot be a provider's name: it must begin with a letter and have lower-case letters and digits only, \
         with single hyphens between words"
    )
}

/// Whether the name is one of the facade's features or means something else.
fn is_taken(name: &str) -> Result<bool> {
    let facade: Table =
        workspace::read(&workspace::root().join("crates/oauth-clients/Cargo.toml"))?.parse()?;
    let is_feature = facade["features"].as_table().is_some_and(|features| features.contains_key(name));
    Ok(is_feature || TAKEN.contains(&name))
}

/// `battle-net` is Battle Net.
fn title(name: &str) -> String {
    name.split('-').map(capitalized).collect::<Vec<_>>().join(" ")
}

/// `GitHub` gives `GitHubOAuth2`, `mail.ru` gives `MailRuOAuth2`. A display name that makes no identifier gives way to the name.
fn client(display_name: &str, name: &str) -> String {
    let joined = |text: &str| -> String {
        text.split(|char: char| !char.is_ascii_alphanumeric()).map(capitalized).collect()
    };
    let stem = joined(display_name);
    let usable = display_name.is_ascii() && stem.starts_with(char::is_alphabetic);
    format!("{}OAuth2", if usable { stem } else { joined(name) })
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["github", "battle-net", "auth0", "x"] {
            check(good).unwrap();
        }
        for bad in ["", "GitHub", "42", "-a", "a-", "a--b", "a_b", "a/b", "../a", "é"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_feature_of_the_facade_is_not_free_for_a_provider() {
        for name in ["redis", "axum", "tower", "fetch", "reqwest-middleware", "serde-json", "all", "default"]
        {
            assert!(is_taken(name).unwrap(), "{name}");
        }
        assert!(!is_taken("nimbus").unwrap());
    }

    #[test]
    fn types() {
        for (display_name, name, expected) in [
            ("GitHub", "github", "GitHubOAuth2"),
            ("Battle Net", "battle-net", "BattleNetOAuth2"),
            ("mail.ru", "mailru", "MailRuOAuth2"),
            ("42 School", "school42", "School42OAuth2"),
            ("Яндекс", "yandex", "YandexOAuth2"),
        ] {
            assert_eq!(client(display_name, name), expected);
        }
        assert_eq!(title("battle-net"), "Battle Net");
    }
}
