//! The decrypter of the feature `encryption`, with keys that no one else has. The tests of oauth-openid use it too.

use std::{future::Future, pin::pin, sync::LazyLock, task};

use oauth_openid::{Decrypter, JoseDecrypter, oauth_core::serde_json};

/// Tokens that were made for the keys, by another library. What is in each is `text`.
pub(crate) const TOKENS: &str = include_str!("../corpus/decrypter.txt");

static DECRYPTER: LazyLock<JoseDecrypter> = LazyLock::new(|| {
    let keys = serde_json::from_str(include_str!("../keys/decrypter.json")).unwrap();
    JoseDecrypter::new(&keys).unwrap()
});

/// Nothing is decrypted but what was encrypted, in the one form that it has; whatever else comes in is an error that shows none of it.
pub(crate) fn check(input: &[u8]) {
    let token = &*String::from_utf8_lossy(input);
    match decrypted(token) {
        Ok(text) => {
            assert_eq!(text, "text");
            assert!(TOKENS.lines().any(|made| made == token), "nobody made {token}");
        }
        Err(shown) => {
            let parts = token.split('.').filter(|part| part.len() >= 8);
            parts.for_each(|part| assert!(!shown.contains(part), "{part} is in {shown}"));
        }
    }
}

/// What comes out of it, which never has to wait, or the error that anybody may see.
fn decrypted(token: &str) -> Result<String, String> {
    let mut context = task::Context::from_waker(task::Waker::noop());
    match pin!(DECRYPTER.decrypt(token)).poll(&mut context) {
        task::Poll::Ready(outcome) => outcome.map_err(|error| format!("{error} {error:?}")),
        task::Poll::Pending => panic!("it waits"),
    }
}
