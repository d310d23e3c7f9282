//! What the unit tests share: a clock that has stopped, the claims of a good token, a way to authenticate.

use std::time::Duration;

use oauth_core::{
    AuthenticationError, ClientAuthentication, Clock, OffsetDateTime, RequestContext, RequestDraft,
    async_trait,
    serde_json::{Value, json},
};

use crate::{claims::Claims, policy::VerificationPolicy};

/// What the clock shows.
pub(crate) const NOW: i64 = 1_790_000_000;
/// The leeway of [`policy`], in seconds.
pub(crate) const LEEWAY: i64 = 60;

/// A clock that shows [`NOW`].
#[derive(Debug)]
pub(crate) struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> OffsetDateTime {
        at(NOW)
    }
}

pub(crate) fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

pub(crate) fn policy() -> VerificationPolicy {
    VerificationPolicy::new().clock(Stopped).leeway(Duration::from_secs(60))
}

/// The claims of a good token for the client `app`, with these in place of its own; `null` takes one out.
pub(crate) fn claims(others: Value) -> Claims {
    let Value::Object(others) = others else { return Claims::new() };
    let own =
        json!({"iss": "https://op.example", "aud": "app", "sub": "alice", "exp": NOW + 300, "iat": NOW});
    let mut all = own.as_object().unwrap().clone();
    all.extend(others);
    all.retain(|_, value| !value.is_null());
    all
}

/// Authenticates by this method, with this algorithm, as far as anybody can tell.
#[derive(Debug)]
pub(crate) struct Signs(pub(crate) &'static str, pub(crate) Option<&'static str>);

#[async_trait]
impl ClientAuthentication for Signs {
    fn method(&self) -> &str {
        self.0
    }

    fn signing_algorithm(&self) -> Option<String> {
        self.1.map(str::to_owned)
    }

    async fn authenticate(
        &self,
        _: &RequestContext<'_>,
        _: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        Ok(())
    }
}
