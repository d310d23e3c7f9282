//! The configuration file of the command-line tool, which is private to it: its file is compiled here once more.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::shown::shows_none;

#[path = "../../../crates/cli/src/config.rs"]
#[allow(
    dead_code,
    reason = "only what reads a text is called here, and nothing that runs a command or opens a file"
)]
mod config;

/// Stands for a secret where the text is not TOML, so that nobody knows which of it is a value.
const SECRET: &str = "s3cret-8f2b61c0";

/// Tables are read as they are written, or refused by an error that quotes none of their values.
pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let text = &text.replace("$SECRET", SECRET);
    let table = text.parse::<Table>().ok();
    let profiles = match config::parse(text) {
        Ok(profiles) => profiles,
        Err(problem) => {
            assert!(!problem.contains(['\r', '\u{202e}', '\u{1b}']), "{problem:?}");
            return match table {
                Some(table) => shows_none(&problem, values(&table).iter().map(String::as_str)),
                // Names are shown, and what is before an equals sign may be one.
                None if text.lines().all(is_a_value) => shows_none(&problem, [SECRET]),
                None => {}
            };
        }
    };
    let table = table.unwrap();
    assert!(table.keys().eq(profiles.keys()), "{table}");
    for (name, profile) in &profiles {
        let written = table[name].as_table().unwrap();
        assert!(!written.contains_key("client_secret"));
        assert_eq!(profile.redirect_uri.as_deref(), written.get("redirect_uri").and_then(Value::as_str));
        assert!(profile.settings.keys().all(|setting| written.contains_key(setting)));
        let members = profile.settings.len() + usize::from(profile.redirect_uri.is_some());
        assert_eq!(members, written.len());
        assert!(profile.scopes().iter().all(|scope| !scope.is_empty() && !scope.contains([' ', '\t', '\n'])));
        assert_eq!(profile.text("client_id"), written.get("client_id").and_then(Value::as_str));
    }
}

/// Whether a line has the secret in a value, if it has it at all.
fn is_a_value(line: &str) -> bool {
    line.split_once('=').map_or(line, |(name, _)| name).find(SECRET).is_none()
}

/// The texts of a file that are not names of it.
fn values(table: &Table) -> BTreeSet<String> {
    let (mut names, mut texts) = (String::new(), BTreeSet::new());
    for (name, value) in table {
        collect(name, value, &mut names, &mut texts);
    }
    texts.into_iter().filter(|text| !names.contains(&**text)).collect()
}

fn collect(name: &str, value: &Value, names: &mut String, texts: &mut BTreeSet<String>) {
    // As an error shows them.
    *names += &format!("{name}\n{}\n", name.escape_debug());
    match value {
        Value::String(text) => _ = texts.insert(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| collect("", one, names, texts)),
        Value::Table(table) => table.iter().for_each(|(name, one)| collect(name, one, names, texts)),
        _ => {}
    }
}
