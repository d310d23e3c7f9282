//! Login attempts in a cookie or a store.

use oauth_core::{
    LoginAttempt, LoginOptions, Provider, SealError, Sealer, SealingKey,
    serde_json::{self, Value},
};

use crate::{
    server::{Server, block_on, client},
    shown::shows_none,
};

fn sealer() -> Sealer {
    Sealer::new(SealingKey::from_bytes([1; 32]))
}

/// Nothing opens but what was sealed. `$SEALED` in the input is a sealed attempt.
pub(crate) fn sealed(input: &[u8]) {
    assert!(sealer().open_bytes(input, b"here").is_err());
    let _ = Sealer::key_id_of(input);
    let client = client(&Server::new(500, ""));
    let attempt =
        block_on(client.start_login("https://app.example/callback", LoginOptions::new())).unwrap().attempt;
    let sealed = sealer().seal(&attempt).unwrap();
    let text = String::from_utf8_lossy(input).replace("$SEALED", &sealed);
    match sealer().open_any(&text) {
        Ok(opened) => {
            assert_eq!(text, sealed);
            assert_eq!(opened.state(), attempt.state());
        }
        Err(error) => shows_none(&format!("{error} {error:?}"), [attempt.state(), &*sealed]),
    }
}

/// A stored attempt is read or refused; what is read is stored as it was, and its `Debug` shows no secret of it.
pub(crate) fn stored(input: &[u8]) {
    let attempt = match serde_json::from_slice::<LoginAttempt>(input) {
        Ok(attempt) => attempt,
        Err(error) => {
            let Ok(members) = serde_json::from_slice::<Value>(input) else { return };
            // A secret has no spaces, and what has some could be words of the message.
            let of = |name: &str| members.get(name)?.as_str().filter(|secret| !secret.contains(' '));
            return shows_none(
                &error.to_string(),
                ["state", "nonce", "code_verifier"].into_iter().filter_map(of),
            );
        }
    };
    let stored = serde_json::to_value(&attempt).unwrap();
    let again: LoginAttempt = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), stored);
    match sealer().open_any(&sealer().seal(&attempt).unwrap()) {
        Ok(opened) => assert_eq!(serde_json::to_value(&opened).unwrap(), stored),
        Err(error) => assert!(error == SealError::Expired && attempt.is_expired(), "{error}"),
    }
    let shown = format!("{attempt:?}");
    let open = [attempt.provider(), attempt.redirect_uri()];
    let secrets = [
        Some(attempt.state()),
        attempt.nonce(),
        attempt.code_verifier().map(oauth_core::CodeVerifier::expose),
    ];
    shows_none(
        &shown,
        secrets.into_iter().flatten().filter(|secret| !open.iter().any(|text| text.contains(secret))),
    );
}
