//! What signed tokens must hold that have no rules of their own: authorization responses (JARM), introspection responses (RFC 9701),
//! access tokens (RFC 9068) and whatever comes next.

use std::borrow::Cow;

use oauth_core::{JwtCheck, JwtUse, Operation};

use crate::{
    algorithm::Algorithm,
    claims::{Claims, ClaimsExt},
    expectations::{Expiry, check_times, check_unexpired},
    jws::{Jws, JwtRefusal, quoted, shown},
    metadata::ProviderMetadata,
    policy::VerificationPolicy,
};

/// The method [`RelyingParty::verify_jwt`](crate::RelyingParty::verify_jwt), in errors.
pub const VERIFY_JWT: Operation = Operation::new("verify_jwt");

/// What a signed token of the provider's must be: for the kinds that have no method of their own.
///
/// Unless something else is said: its `typ`, if it has one, says no more than that it is a JWT, its `iss` is the client's issuer, its
/// one audience is the client id, `exp` and `iat` are there and right, and it is signed by an algorithm with a public key.
///
/// ```
/// use oauth_openid::{Algorithm, JwtExpectations, oauth_core::JwtUse};
///
/// // The answer of an introspection endpoint (RFC 9701 section 5).
/// let expected = JwtExpectations::new(JwtUse::IntrospectionResponse)
///     .type_required("token-introspection+jwt")
///     .without_expiry()
///     .algorithms([Algorithm::PS256, Algorithm::ES256]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct JwtExpectations {
    pub(crate) token: JwtUse,
    pub(crate) operation: Operation,
    types: Vec<String>,
    type_required: bool,
    pub(crate) issuer: Option<String>,
    audiences: Vec<String>,
    other_audiences_allowed: bool,
    /// `None` for those of the client's policy.
    algorithms: Option<Vec<Algorithm>>,
    pub(crate) must_be_encrypted: bool,
    expiry: Expiry,
    times: Times,
}

/// Which of `iat` and `nbf` count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    Checked,
    Ignored,
}

impl JwtExpectations {
    /// A token of this kind from the client's issuer, for the client.
    pub fn new(token: JwtUse) -> Self {
        Self {
            token,
            operation: VERIFY_JWT,
            types: Vec::new(),
            type_required: false,
            issuer: None,
            audiences: Vec::new(),
            other_audiences_allowed: false,
            algorithms: None,
            must_be_encrypted: false,
            expiry: Expiry::Required,
            times: Times::Checked,
        }
    }

    /// Names the operation in errors, in place of [`VERIFY_JWT`].
    pub fn during(mut self, operation: Operation) -> Self {
        self.operation = operation;
        self
    }

    /// Accepts this `typ` beside `JWT` and none at all, such as `at+jwt`.
    pub fn type_allowed(mut self, kind: impl Into<String>) -> Self {
        self.types.push(kind.into());
        self
    }

    /// Demands this `typ`; called several times, one of them. A token without a type, or that calls itself a mere `JWT`, is refused.
    pub fn type_required(mut self, kind: impl Into<String>) -> Self {
        self.types.push(kind.into());
        self.type_required = true;
        self
    }

    /// The issuer that the token must name, byte for byte, in place of the client's.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// The audience that the token must name, in place of the client id; called several times, one of them.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Takes a token that is for others too, as an access token for several resource servers is.
    pub fn other_audiences_allowed(mut self) -> Self {
        self.other_audiences_allowed = true;
        self
    }

    /// Accepts these algorithms only, in place of those of the client's policy: what was registered for this kind of token, such as
    /// `authorization_signed_response_alg`. What the provider's metadata lists can narrow this, and never widen it.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Refuses a token that is not encrypted, because the client registered that it should be.
    pub fn encrypted(mut self) -> Self {
        self.must_be_encrypted = true;
        self
    }

    /// Takes a token without `exp`. One that is there counts all the same.
    pub fn without_expiry(mut self) -> Self {
        self.expiry = Expiry::MayBeMissing;
        self
    }

    /// Checks `exp` alone, and looks at neither `iat` nor `nbf`, for tokens that need not have them (JARM section 2.1).
    pub fn issue_times_ignored(mut self) -> Self {
        self.times = Times::Ignored;
        self
    }

    pub(crate) fn check_type(&self, jws: &Jws) -> Result<(), JwtRefusal> {
        let own = || self.types.iter().map(String::as_str);
        match self.type_required {
            true => jws.require_type(own()),
            false => jws.check_type(own()),
        }
    }

    /// The algorithms, without those that the provider's metadata rules out for this kind of token.
    pub(crate) fn accepted(
        &self,
        policy: &VerificationPolicy,
        metadata: Option<&ProviderMetadata>,
    ) -> Cow<'static, [Algorithm]> {
        let own: Vec<Algorithm> = match &self.algorithms {
            Some(own) => own.clone(),
            // Whose key is the client secret is a matter of ID tokens, unless it is said here too.
            None => policy.algorithms.iter().copied().filter(|algorithm| !algorithm.is_symmetric()).collect(),
        };
        let list = match self.token {
            JwtUse::AuthorizationResponse => Some("authorization_signing_alg_values_supported"),
            JwtUse::IntrospectionResponse => Some("introspection_signing_alg_values_supported"),
            _ => None,
        };
        let listed: Vec<Algorithm> = list
            .and_then(|list| metadata?.list(list))
            .into_iter()
            .flatten()
            .filter_map(Algorithm::of)
            .filter(|algorithm| own.contains(algorithm))
            .collect();
        // A list that has none of them says nothing: some servers do not keep it.
        if listed.is_empty() { own.into() } else { listed.into() }
    }

    pub(crate) fn check(
        &self,
        claims: &Claims,
        client_id: &str,
        policy: &VerificationPolicy,
    ) -> Result<(), JwtRefusal> {
        let found = claims.audiences().unwrap_or_default();
        let is_ours = |audience: &str| match &*self.audiences {
            [] => audience == client_id,
            several => several.iter().any(|one| one == audience),
        };
        if !found.iter().any(|audience| is_ours(audience)) {
            let reason = format!("its aud is {}, which is none that is expected", shown(claims.get("aud")));
            return Err((JwtCheck::Audience, reason));
        }
        if let Some(stranger) =
            found.iter().find(|audience| !self.other_audiences_allowed && !is_ours(audience))
        {
            return Err((JwtCheck::Audience, format!("it is also for {}", quoted(stranger))));
        }
        match self.times {
            Times::Checked => check_times(claims, policy, self.expiry),
            Times::Ignored => check_unexpired(claims, policy, self.expiry),
        }
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json::{Value, json};

    use super::*;
    use crate::testing::{LEEWAY, NOW, claims, policy};

    #[test]
    fn a_jwt_is_for_those_that_are_expected() {
        let check = |expected: JwtExpectations, audience: Value| {
            expected.check(&claims(json!({ "aud": audience })), "app", &policy()).is_ok()
        };
        let any = || JwtExpectations::new(JwtUse::AuthorizationResponse);
        assert!(check(any(), json!("app")) && !check(any(), json!("other")) && !check(any(), json!(null)));
        assert!(!check(any(), json!(["app", "other"])));
        assert!(check(any().other_audiences_allowed(), json!(["app", "other"])));
        assert!(!check(any().other_audiences_allowed(), json!("other")));
        let named = || any().audience("a").audience("b");
        assert!(check(named(), json!(["b", "a"])) && !check(named(), json!("app")));
    }

    #[test]
    fn a_jwt_is_for_now_unless_its_times_are_not_looked_at() {
        let check = |expected: JwtExpectations, others: Value| {
            expected.check(&claims(others), "app", &policy()).err().map(|(check, _)| check)
        };
        let any = || JwtExpectations::new(JwtUse::AuthorizationResponse);
        assert_eq!(check(any(), json!({"iat": null})), Some(JwtCheck::IssuedAt));
        assert_eq!(check(any().issue_times_ignored(), json!({"iat": null})), None);
        let expired = json!({"exp": NOW - LEEWAY});
        assert_eq!(check(any().issue_times_ignored(), expired.clone()), Some(JwtCheck::Expiry));
        assert_eq!(check(any().without_expiry(), expired), Some(JwtCheck::Expiry));
        assert_eq!(check(any(), json!({"exp": null})), Some(JwtCheck::Expiry));
        assert_eq!(check(any().without_expiry(), json!({"exp": null})), None);
    }

    #[test]
    fn the_metadata_narrows_the_algorithms_and_never_widens_them() {
        let metadata = |names: Value| {
            let all =
                json!({"issuer": "https://op.example", "authorization_signing_alg_values_supported": names});
            ProviderMetadata::new(all).unwrap()
        };
        let expected = JwtExpectations::new(JwtUse::AuthorizationResponse)
            .algorithms([Algorithm::PS256, Algorithm::ES256]);
        let accepted = |names: Value| expected.accepted(&policy(), Some(&metadata(names))).into_owned();
        assert_eq!(accepted(json!(["ES256", "RS256"])), [Algorithm::ES256]);
        assert_eq!(accepted(json!(["RS256"])), [Algorithm::PS256, Algorithm::ES256]);
        assert_eq!(accepted(json!(null)), [Algorithm::PS256, Algorithm::ES256]);
        let of_policy = policy().algorithms([Algorithm::HS256, Algorithm::RS256]);
        // Each kind of token has a list of its own.
        let lists = ProviderMetadata::new(json!({
            "issuer": "https://op.example",
            "authorization_signing_alg_values_supported": ["PS256"],
            "introspection_signing_alg_values_supported": ["ES256"],
        }))
        .unwrap();
        for (kind, expected) in [
            (JwtUse::AuthorizationResponse, &[Algorithm::PS256][..]),
            (JwtUse::IntrospectionResponse, &[Algorithm::ES256]),
            (JwtUse::UserInfo, &[Algorithm::PS256, Algorithm::ES256]),
        ] {
            let any = JwtExpectations::new(kind).algorithms([Algorithm::PS256, Algorithm::ES256]);
            assert_eq!(&*any.accepted(&policy(), Some(&lists)), expected, "{kind:?}");
        }
        let any = JwtExpectations::new(JwtUse::UserInfo);
        assert_eq!(any.accepted(&of_policy, None).into_owned(), [Algorithm::RS256]);
    }
}
