//! The emulator's facts about providers: one file each in `crates/oauth-emulator/providers`.

use std::path::PathBuf;

use anyhow::Result;

use crate::workspace;

/// The folder of the facts.
pub(crate) fn folder() -> PathBuf {
    workspace::root().join("crates/oauth-emulator/providers")
}

/// The names of all providers that the emulator plays, in order.
pub(crate) fn names() -> Result<Vec<String>> {
    let files = workspace::entries(&folder())?;
    let tables = files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let mut names: Vec<_> =
        tables.filter_map(|path| path.file_stem()).map(|name| name.to_string_lossy().into_owned()).collect();
    // `a-b.toml` comes before `a.toml`, but `a` before `a-b`.
    names.sort();
    Ok(names)
}
