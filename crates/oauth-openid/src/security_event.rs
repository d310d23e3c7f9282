//! Security event tokens (RFC 8417), by which a provider's server reports what happened to a user.

use std::fmt;

use oauth_core::{JwtCheck, JwtUse, OffsetDateTime, Operation, Result, serde_json::Value};

use crate::{
    claims::{Claims, ClaimsExt, moment},
    expectations::{Expiry, check_times},
    jws::{JwtRefusal, shown},
    policy::VerificationPolicy,
    relying_party::RelyingParty,
    verify::Context,
};

/// The method [`RelyingParty::verify_security_event`], in errors.
pub const VERIFY_SECURITY_EVENT: Operation = Operation::new("verify_security_event");

/// What a security event token must hold.
#[derive(Clone, Debug)]
#[must_use]
pub struct SecurityEventExpectations {
    issuer: String,
    client_ids: Vec<String>,
    is_about_the_past: bool,
}

/// A security event token that passed all checks. Whether it came before is for its [`id`](Self::id) to tell.
#[derive(Clone)]
pub struct SecurityEventToken {
    claims: Claims,
}

impl SecurityEventExpectations {
    /// A token of this issuer for one of these clients.
    pub fn new<I: Into<String>>(issuer: impl Into<String>, client_ids: impl IntoIterator<Item = I>) -> Self {
        let client_ids = client_ids.into_iter().map(Into::into).collect();
        Self { issuer: issuer.into(), client_ids, is_about_the_past: false }
    }

    /// Leaves `exp` alone, because an event that happened does not expire (RFC 8417 section 2.2). By default, it is checked if it is
    /// there.
    pub fn expired_or_not(mut self) -> Self {
        self.is_about_the_past = true;
        self
    }

    fn check(
        &self,
        mut claims: Claims,
        policy: &VerificationPolicy,
    ) -> Result<SecurityEventToken, JwtRefusal> {
        let is_for_us =
            |audiences: Vec<&str>| audiences.iter().any(|one| self.client_ids.iter().any(|own| own == one));
        if !claims.audiences().is_some_and(is_for_us) {
            let reason = format!(
                "its aud is {}, which is none of this application's clients",
                shown(claims.get("aud"))
            );
            return Err((JwtCheck::Audience, reason));
        }
        if self.is_about_the_past {
            claims.remove("exp");
        }
        check_times(&claims, policy, Expiry::MayBeMissing)?;
        if claims.text("jti").is_none_or(str::is_empty) {
            let reason = "it has no jti, by which it could be told from its copy".to_owned();
            return Err((JwtCheck::Replay, reason));
        }
        if !claims.contains_key("events") {
            return Err((JwtCheck::Events, "it has no events, and so is another kind of token".to_owned()));
        }
        Ok(SecurityEventToken { claims })
    }
}

impl RelyingParty<'_> {
    /// Verifies a security event token that the provider sent (RFC 8417), with the provider's keys. It takes no client secret, and a
    /// token that is signed with one is refused.
    ///
    /// # Errors
    ///
    /// An error of [`ErrorKind::Jwt`](oauth_core::ErrorKind::Jwt) that says which check failed, or any error of reading metadata and keys.
    pub async fn verify_security_event(
        &self,
        token: &str,
        expected: &SecurityEventExpectations,
    ) -> Result<SecurityEventToken> {
        let client = self.ready().await?;
        let protocol = self.protocol_of(&client);
        let context = Context {
            issuer: Some(&expected.issuer),
            ..Context::new(&client, VERIFY_SECURITY_EVENT, JwtUse::SecurityEvent)
        };
        let verified = protocol.verify(&context, token, false).await?;
        expected.check(verified.claims, &protocol.policy).map_err(|refusal| context.refuse(refusal))
    }
}

impl SecurityEventToken {
    /// `iss`: who sent it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.claims.text("iss").unwrap_or_default()
    }

    /// `jti`: what tells it from others of its issuer. A token that is sent again has the same one.
    #[must_use]
    pub fn id(&self) -> &str {
        self.claims.text("jti").unwrap_or_default()
    }

    /// `iat`: when the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<OffsetDateTime> {
        self.claims.get("iat").and_then(moment)
    }

    /// `events`: what happened. RFC 8417 wants an object with an object for each event's URI, and Apple sends a JSON text.
    #[must_use]
    pub fn events(&self) -> &Value {
        self.claims.get("events").unwrap_or(&Value::Null)
    }

    /// Any claim.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }
}

impl fmt::Debug for SecurityEventToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityEventToken")
            .field("issuer", &self.issuer())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json::json;

    use super::*;
    use crate::testing::{NOW, claims};

    #[test]
    fn a_security_event_tells_who_sent_what_and_shows_no_more() {
        let claims = claims(json!({"jti": "1", "events": {"urn:a": {}}, "email": "secret@mail.example"}));
        let token = SecurityEventToken { claims };
        assert_eq!((token.issuer(), token.id()), ("https://op.example", "1"));
        assert_eq!(token.issued_at().unwrap().unix_timestamp(), NOW);
        assert_eq!(token.events(), &json!({"urn:a": {}}));
        assert_eq!((token.claim("sub"), token.claim("txn")), (Some(&json!("alice")), None));
        let shown = format!("{token:?}");
        assert!(shown.contains("https://op.example") && !shown.contains("secret"), "{shown}");
    }
}
