//! What a user pastes in place of the browser's coming back.

use oauth_core::Callback;

/// Reads a pasted line: the whole address, its query, or `code#state`.
///
/// # Errors
///
/// What is wrong with it, in a sentence for the user.
pub(crate) fn read(line: &str) -> Result<Callback, &'static str> {
    let line = line.trim().trim_matches(['"', '\'', '<', '>']).trim();
    let is_query =
        |text: &str| ["code=", "state=", "error=", "response="].iter().any(|name| text.contains(name));
    if line.is_empty() {
        return Err("Nothing was pasted.");
    }
    if line.contains("://") || (line.contains(":/") && is_query(line)) {
        return Ok(Callback::from_url(line));
    }
    if is_query(line) {
        return Ok(match line.split_once('?') {
            Some(_) => Callback::from_url(line),
            None => Callback::from_query(line),
        });
    }
    match line.split_once('#') {
        Some((code, state)) if !code.is_empty() && !state.is_empty() => {
            Ok(Callback::from_iter([("code", code), ("state", state)]))
        }
        // A code alone could be somebody else's.
        _ => Err("That has no state, so nobody can tell whose it is."),
    }
}
