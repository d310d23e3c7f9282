//! Tokens that were encrypted by another library, and every change of one character in them: the property that `cargo xtask fuzz decrypter`
//! looks further for.

#![cfg(feature = "encryption")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../tests/properties/src/decrypter.rs"]
mod decrypter;

#[test]
fn jk_18_one_token_has_one_form_and_no_other_is_decrypted() {
    for token in decrypter::TOKENS.lines() {
        decrypter::check(token.as_bytes());
        // Those of RSA are long, and each try costs as much as a signature does.
        let step = if token.len() > 400 { 7 } else { 1 };
        for place in (0..token.len()).step_by(step) {
            let (before, after) = (&token[..place], &token[place + 1..]);
            let other = if token[place..].starts_with('A') { 'B' } else { 'A' };
            for changed in [
                format!("{before}{other}{after}"),
                format!("{before}{after}"),
                format!("{before}.{after}"),
                format!("{token}{}", &token[place..]),
                before.to_owned(),
            ] {
                decrypter::check(changed.as_bytes());
            }
        }
    }
    // They were made, so that the above is no empty promise.
    assert_eq!(decrypter::TOKENS.lines().count(), 9);
}
