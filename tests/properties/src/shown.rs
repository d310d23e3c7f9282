//! What may be seen by anybody.

/// Checks that a text which may be seen by anybody has none of these secrets in it. Short texts are found in everything, and count for none.
#[track_caller]
pub(crate) fn shows_none<'s>(shown: &str, secrets: impl IntoIterator<Item = &'s str>) {
    for secret in secrets {
        assert!(secret.len() < 8 || !shown.contains(secret), "{secret:?} is in {shown:?}");
    }
}
