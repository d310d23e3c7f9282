//! Verification of signed tokens: form, algorithm, issuer, key and signature of all of them, and the claims of ID tokens.

use std::{borrow::Cow, time::Duration};

use oauth_core::{
    Error, ErrorKind, HttpError, HttpErrorKind, Identity, JwtCheck, JwtError, JwtUse, OAuth2, Operation,
    Result, provider_kit::ConfirmedBy, serde_json::Value,
};

use crate::{
    algorithm::Algorithm,
    claims::{Claims, ClaimsExt},
    encryption::DecryptError,
    expectations::Expectations,
    id_token::IdToken,
    issuer::{self, Issuers},
    jws::{self, Jws, JwtRefusal},
    jwt_expectations::JwtExpectations,
    keys::{JwkSet, WantedKey, verify_hmac},
    metadata::ProviderMetadata,
    openid_connect::OpenIDConnect,
    task::within,
};

/// For how long a decrypter may work on one token.
const DECRYPTED_WITHIN: Duration = Duration::from_secs(10);

/// The method [`RelyingParty::verify_id_token`](crate::RelyingParty::verify_id_token), in errors.
pub const VERIFY_ID_TOKEN: Operation = Operation::new("verify_id_token");

/// In whose name a token is verified.
pub(crate) struct Context<'c> {
    /// Ready, so that it knows issuer and keys.
    pub(crate) client: &'c OAuth2,
    pub(crate) operation: Operation,
    pub(crate) token: JwtUse,
    /// The issuer that the token must name; `None` for those of the client and its policy.
    pub(crate) issuer: Option<&'c str>,
    /// What a kind of token without rules of its own must be; `None` for those that have them.
    pub(crate) expected: Option<&'c JwtExpectations>,
}

impl<'c> Context<'c> {
    /// That of a token of the client's issuer, by the rules of its kind.
    pub(crate) fn new(client: &'c OAuth2, operation: Operation, token: JwtUse) -> Self {
        Self { client, operation, token, issuer: None, expected: None }
    }

    /// That of an ID token of the client's issuer.
    pub(crate) fn of_id_tokens(client: &'c OAuth2, operation: Operation) -> Self {
        Self::new(client, operation, JwtUse::IdToken)
    }

    pub(crate) fn refuse(&self, (check, reason): JwtRefusal) -> Error {
        let error = JwtError { token: self.token, check, reason };
        self.client.error(self.operation, ErrorKind::Jwt(error))
    }
}

/// A token that the provider signed.
pub(crate) struct Verified<'t> {
    pub(crate) claims: Claims,
    pub(crate) algorithm: Algorithm,
    /// What was signed: the token, or what was in it if it was encrypted.
    pub(crate) signed: Cow<'t, str>,
}

impl OpenIDConnect {
    /// Verifies that the provider signed a token, and gives its claims and its algorithm. What the claims say, but for the
    /// issuer, is the caller's to check.
    pub(crate) async fn verify<'t>(
        &self,
        context: &Context<'_>,
        token: &'t str,
        must_be_encrypted: bool,
    ) -> Result<Verified<'t>> {
        let refuse = |refusal: JwtRefusal| context.refuse(refusal);
        let signed: Cow<'t, str> = match (jws::parts(token), must_be_encrypted) {
            (5, _) => self.decrypted(context, token).await?.into(),
            (_, false) => token.into(),
            (_, true) => {
                let reason = "it is not encrypted, though the client registered that it should be".to_owned();
                return Err(refuse((JwtCheck::Encryption, reason)));
            }
        };
        let token = &*signed;
        let jws = Jws::parse_as(context.token, token).map_err(refuse)?;
        jws.check_critical().map_err(refuse)?;
        match context.expected {
            Some(expected) => expected.check_type(&jws).map_err(refuse)?,
            None => jws.check_type(self.types(context.token)).map_err(refuse)?,
        }
        let metadata = self.metadata(context.client).await?;
        let accepted = match context.expected {
            Some(expected) => expected.accepted(&self.policy, metadata.as_deref()),
            None => self.accepted(context.token, metadata.as_deref()),
        };
        let algorithm = jws.algorithm(&accepted).map_err(refuse)?;
        // Before any key is asked for: a token of somebody else's makes no request.
        // UserInfo need not name the issuer (Core section 5.3.2); it comes from the issuer's own endpoint.
        if context.token != JwtUse::UserInfo || jws.claims.contains_key("iss") {
            let checked = match context.issuer {
                Some(issuer) => issuer::check_one_of(std::iter::once(issuer), &jws.claims),
                None => self.check_issuer(context.client, &jws.claims),
            };
            checked.map_err(|reason| refuse((JwtCheck::Issuer, reason)))?;
        }
        let claims = self.verify_signature(context, jws, token, algorithm).await?;
        Ok(Verified { claims, algorithm, signed })
    }

    /// Verifies the signature of a token, and gives its claims.
    async fn verify_signature(
        &self,
        context: &Context<'_>,
        jws: Jws,
        token: &str,
        algorithm: Algorithm,
    ) -> Result<Claims> {
        let refuse = |refusal: JwtRefusal| context.refuse(refusal);
        if algorithm.is_symmetric() {
            let Some(secret) = context.client.reveal_client_secret(context.operation).await? else {
                let reason = format!("{algorithm} takes the client secret as its key, and there is none");
                return Err(refuse((JwtCheck::Key, reason)));
            };
            verify_hmac(&jws, token, algorithm, secret.expose()).map_err(refuse)?;
            return Ok(jws.claims);
        }
        if let Some(JwkSet(keys)) = &self.policy.fixed_keys {
            keys.verify(&jws, token, algorithm).map_err(refuse)?;
            return Ok(jws.claims);
        }
        let wanted = WantedKey::by(&jws, algorithm);
        if let Some(keys) = self.keys.fresh(context.client, &self.policy, &wanted)? {
            keys.verify(&jws, token, algorithm).map_err(refuse)?;
            return Ok(jws.claims);
        }
        // Many may wait, and the claims of each are many times as large as its text.
        drop(jws);
        let keys = self.keys.of(context.client, &self.policy, &wanted).await?;
        let jws = Jws::parse_as(context.token, token).map_err(refuse)?;
        keys.verify(&jws, token, algorithm).map_err(refuse)?;
        Ok(jws.claims)
    }

    /// Verifies an ID token.
    pub(crate) async fn verify_id_token(
        &self,
        client: &OAuth2,
        operation: Operation,
        token: &str,
        expected: &Expectations,
    ) -> Result<IdToken> {
        let context = Context::of_id_tokens(client, operation);
        let verified = self.verify(&context, token, self.policy.encryption.id_token).await?;
        expected
            .check(&verified.claims, verified.algorithm, client.client_id(), &self.policy)
            .map_err(|refusal| context.refuse(refusal))?;
        self.check_user(client, operation, &verified.claims)?;
        let identity = self.identity(client, verified.claims)?;
        Ok(IdToken::verified(&*verified.signed, identity))
    }

    /// The identity that verified claims give.
    fn identity(&self, client: &OAuth2, claims: Claims) -> Result<Identity> {
        let issuer = self.identity_issuer(client, &claims).to_owned();
        let identity = client.identity_of_claims(&issuer, Value::Object(claims))?;
        Ok(match client.issuer() {
            // Until there were several, users of all of them were known under the client's.
            Some(former) if !self.has_tenants() => identity.with_former_issuer(former),
            _ => identity,
        })
    }

    /// The issuer under which the user of verified claims is known: the token's own `iss` (Core sections 2 and 5.7), but for an issuer that
    /// goes by several names.
    pub(crate) fn identity_issuer<'c>(&'c self, client: &'c OAuth2, claims: &'c Claims) -> &'c str {
        let named = claims.text("iss").unwrap_or_default();
        let issuers = self.policy.issuers.as_ref();
        let known = issuers.map_or(named, |issuers| issuers.known_as(named));
        match issuers.is_some_and(Issuers::are_several) {
            true => known,
            false => client.chosen_identity_issuer().unwrap_or(known),
        }
    }

    /// That the user of verified claims is one who may sign in with this client, as far as the claims must tell.
    fn check_user(&self, client: &OAuth2, operation: Operation, claims: &Claims) -> Result<()> {
        let own = client.restricted_to();
        if own.is_empty() && self.policy.tenant_claim.is_none() && self.policy.required_claims.is_empty() {
            return Ok(());
        }
        let context = Context::of_id_tokens(client, operation);
        let refuse = |reason: String| Err(context.refuse((JwtCheck::Restriction, reason)));
        let claims = Value::Object(claims.clone());
        if let Err(reason) = self.policy.check_user(&claims) {
            return refuse(reason);
        }
        for one in own {
            let named =
                client.spec().login.restrictions.iter().find(|restriction| restriction.name == one.name);
            let Some(restriction) = named else { continue };
            let asked = format!("{}={}", one.name, one.value);
            match ((restriction.is_met)(&one.value, &claims), restriction.confirmed_by) {
                (Some(true), _) => {}
                (Some(false), ConfirmedBy::IdToken | ConfirmedBy::IdTokenOrProfile) => {
                    return refuse(format!("it is of another user than {asked} allows"));
                }
                // The one of a refresh may say less; an identity is not made of it before another has said it.
                (None, ConfirmedBy::IdToken) if operation != Operation::REFRESH_TOKEN => {
                    return refuse(format!("nothing in it confirms {asked}"));
                }
                // The profile will tell, where one is read.
                _ if operation == VERIFY_ID_TOKEN => {
                    let problem =
                        format!("an ID token alone does not tell whether its user may sign in ({asked})");
                    return Err(client.error(operation, ErrorKind::Configuration(problem)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// That a token names an issuer that it may name, or what is wrong.
    pub(crate) fn check_issuer(&self, client: &OAuth2, claims: &Claims) -> Result<(), String> {
        match &self.policy.issuers {
            Some(issuers) => issuers.check(claims),
            None => issuer::check_one_of(client.issuer().into_iter(), claims),
        }
    }

    /// Whether the provider's tenants have issuers of their own.
    fn has_tenants(&self) -> bool {
        matches!(self.policy.issuers, Some(Issuers::Tenants { .. }))
    }

    /// The claims of a token that was verified before, decrypted if need be.
    pub(crate) async fn payload(&self, context: &Context<'_>, token: &str) -> Result<Claims> {
        let signed = match jws::parts(token) {
            5 => Cow::Owned(self.decrypted(context, token).await?),
            _ => Cow::Borrowed(token),
        };
        Ok(Jws::parse_as(context.token, &signed).map_err(|refusal| context.refuse(refusal))?.claims)
    }

    /// What a token of this kind may call itself in its header, beside the plain `JWT`.
    fn types(&self, token: JwtUse) -> impl Iterator<Item = &str> {
        let (usual, more): (&'static [&'static str], &[String]) = match token {
            JwtUse::IdToken => (&["id_token", "id+jwt"], &self.policy.id_token_types),
            JwtUse::LogoutToken => (&["logout+jwt", "logout_token"], &[]),
            JwtUse::SecurityEvent => (&["secevent+jwt"], &[]),
            _ => (&[], &[]),
        };
        usual.iter().copied().chain(more.iter().map(String::as_str))
    }

    /// The client's algorithms, without those that the provider's metadata rules out. A list that has none of them says nothing:
    /// some servers do not keep it.
    fn accepted(&self, token: JwtUse, metadata: Option<&ProviderMetadata>) -> Cow<'_, [Algorithm]> {
        if token == JwtUse::SecurityEvent {
            // A transmitter need not know the secret of a client, nor list its algorithms in metadata about ID tokens.
            return Cow::Owned(
                self.policy
                    .algorithms
                    .iter()
                    .copied()
                    .filter(|algorithm| !algorithm.is_symmetric())
                    .collect(),
            );
        }
        let (list, own) = match (token, &self.policy.userinfo_algorithms) {
            (JwtUse::UserInfo, Some(own)) => ("userinfo_signing_alg_values_supported", own),
            (JwtUse::UserInfo, None) => ("userinfo_signing_alg_values_supported", &self.policy.algorithms),
            _ => ("id_token_signing_alg_values_supported", &self.policy.algorithms),
        };
        let listed: Vec<_> = metadata
            .and_then(|metadata| metadata.list(list))
            .into_iter()
            .flatten()
            .filter_map(Algorithm::of)
            .filter(|algorithm| own.contains(algorithm))
            .collect();
        if listed.is_empty() { Cow::Borrowed(own) } else { Cow::Owned(listed) }
    }

    /// The text of an encrypted token. A decrypter whose keys cannot be reached, or that takes too long, is trouble that may pass.
    pub(crate) async fn decrypted(&self, context: &Context<'_>, token: &str) -> Result<String> {
        let Some(decrypter) = &self.policy.decrypter else {
            let reason =
                "it is encrypted, and the client has no keys to decrypt it; see VerificationPolicy::decrypter".to_owned();
            return Err(context.refuse((JwtCheck::Encryption, reason)));
        };
        let decrypted = within(DECRYPTED_WITHIN, decrypter.decrypt(token)).await;
        match decrypted.unwrap_or(Err(DecryptError::Unavailable)) {
            Ok(text) => Ok(text),
            Err(error @ DecryptError::Unavailable) => {
                let error = HttpError::new(HttpErrorKind::Timeout).caused_by(error);
                Err(context.client.error(context.operation, ErrorKind::Transport(error)))
            }
            Err(error) => Err(context.refuse((JwtCheck::Encryption, error.to_string()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::{
        Endpoint, Provider, Spec,
        provider_kit::{LoginSpec, Restriction},
        serde_json::json,
    };

    use super::*;
    use crate::{
        issuer::Tenants,
        openid_connect::MetadataSource,
        testing::{claims, policy},
    };

    const SPEC: Spec = Spec {
        issuer: Some("https://op.example"),
        endpoints: &[
            (Endpoint::Authorization, "https://op.example/auth"),
            (Endpoint::Token, "https://op.example/token"),
        ],
        login: LoginSpec {
            restrictions: &[Restriction::parameter("domain", ConfirmedBy::IdToken, |asked, claims| {
                Restriction::same_at("/domain", asked, claims)
            })],
            ..LoginSpec::RFC6749
        },
        ..Spec::OPENID
    };

    #[test]
    fn users_of_tenants_were_never_known_under_the_clients_own_issuer() {
        let tenants =
            Issuers::Tenants { template: "https://op.example/{tenantid}".to_owned(), tenants: Tenants::Any };
        let several = Issuers::OneOf(vec!["https://op.example".to_owned(), "https://b.example".to_owned()]);
        for (issuers, iss, former) in [
            (tenants, "https://op.example/1", vec![]),
            (several, "https://b.example", vec![("https://op.example", "alice")]),
        ] {
            let protocol = OpenIDConnect::new(MetadataSource::Spec, policy().issuers(issuers));
            let client = OAuth2::from_spec(&SPEC, "app", "secret");
            let identity = protocol.identity(&client, claims(json!({ "iss": iss }))).unwrap();
            assert_eq!((&*identity.issuer, identity.former_keys()), (iss, former));
        }
    }

    #[test]
    fn a_token_that_does_not_say_who_its_user_is_refreshes_and_does_not_sign_in() {
        let client =
            OAuth2::from_spec(&SPEC, "app", "secret").with_authorize_params(&json!({"domain": "a.example"}));
        let protocol = OpenIDConnect::new(MetadataSource::Spec, policy());
        let check = |operation, others: Value| {
            protocol.check_user(&client, operation, &claims(others)).err().and_then(|error| error.jwt_check())
        };
        for operation in [Operation::FINISH_LOGIN, Operation::REFRESH_TOKEN] {
            assert_eq!(check(operation, json!({"domain": "a.example"})), None);
            assert_eq!(check(operation, json!({"domain": "b.example"})), Some(JwtCheck::Restriction));
        }
        assert_eq!(check(Operation::FINISH_LOGIN, json!({})), Some(JwtCheck::Restriction));
        assert_eq!(check(Operation::REFRESH_TOKEN, json!({})), None);
    }
}
