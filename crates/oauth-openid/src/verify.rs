//! What all signed tokens have in common: form, algorithm, issuer, key, signature.

use std::borrow::Cow;

use oauth_core::{Error, ErrorKind, JwtCheck, JwtError, JwtUse, OAuth2, Operation, Result};

use crate::{
    algorithm::Algorithm,
    encryption::DecryptError,
    jws::{self, Jws, Refusal},
    keys::{JwkSet, verify_hmac},
    members::Members,
    metadata::ProviderMetadata,
    protocol::OpenIDConnect,
};

/// In whose name a token is verified.
pub(crate) struct Context<'c> {
    /// Ready, so that it knows issuer and keys.
    pub(crate) client: &'c OAuth2,
    pub(crate) operation: Operation,
    pub(crate) token: JwtUse,
}

impl Context<'_> {
    pub(crate) fn refuse(&self, (check, reason): Refusal) -> Error {
        let error = JwtError { token: self.token, check, reason };
        self.client.error(self.operation, ErrorKind::Jwt(error))
    }
}

/// A token that the provider signed.
pub(crate) struct Verified<'t> {
    pub(crate) claims: Members,
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
        let refuse = |refusal: Refusal| context.refuse(refusal);
        let signed: Cow<'t, str> = match (jws::parts(token), must_be_encrypted) {
            (5, _) => self.decrypted(token).map_err(refuse)?.into(),
            (_, false) => token.into(),
            (_, true) => {
                let reason = "it is not encrypted, though the client registered that it should be".to_owned();
                return Err(refuse((JwtCheck::Encryption, reason)));
            }
        };
        let token = &*signed;
        let jws = Jws::parse(token).map_err(refuse)?;
        jws.check_critical().map_err(refuse)?;
        jws.check_type(self.types(context.token)).map_err(refuse)?;
        let metadata = self.metadata(context.client).await?;
        let accepted = self.accepted(context.token, metadata.as_deref());
        let algorithm = jws.algorithm(&accepted).map_err(refuse)?;
        // Before any key is asked for: a token of somebody else's makes no request.
        // UserInfo need not name the issuer (Core section 5.3.2); it comes from the issuer's own endpoint.
        if context.token != JwtUse::UserInfo || jws.claims.has("iss") {
            self.check_issuer(context.client, &jws.claims)
                .map_err(|reason| refuse((JwtCheck::Issuer, reason)))?;
        }
        match algorithm.is_symmetric() {
            true => {
                let secret = context.client.reveal_client_secret(context.operation).await?;
                let Some(secret) = secret else {
                    let reason = format!("{algorithm} takes the client secret as its key, and there is none");
                    return Err(refuse((JwtCheck::Key, reason)));
                };
                verify_hmac(&jws, token, algorithm, secret.expose()).map_err(refuse)?;
            }
            false => {
                let keys = match &self.policy.fixed_keys {
                    Some(JwkSet(keys)) => keys.clone(),
                    None => self.keys.of(context.client, &self.policy, &jws, algorithm).await?,
                };
                keys.verify(&jws, token, algorithm).map_err(refuse)?;
            }
        }
        Ok(Verified { claims: jws.claims, algorithm, signed })
    }

    /// What a token of this kind may call itself in its header, beside the plain `JWT`.
    fn types(&self, token: JwtUse) -> impl Iterator<Item = &str> {
        let (usual, more): (&'static [&'static str], &[String]) = match token {
            JwtUse::IdToken => (&["id_token", "id+jwt"], &self.policy.id_token_types),
            JwtUse::LogoutToken => (&["logout+jwt", "logout_token"], &[]),
            _ => (&[], &[]),
        };
        usual.iter().copied().chain(more.iter().map(String::as_str))
    }

    /// The client's algorithms, without those that the provider's metadata rules out. A list that has none of them says nothing:
    /// some servers do not keep it.
    fn accepted(&self, token: JwtUse, metadata: Option<&ProviderMetadata>) -> Cow<'_, [Algorithm]> {
        let (list, own) = match (token, &self.policy.userinfo_algorithms) {
            (JwtUse::UserInfo, Some(own)) => ("userinfo_signing_alg_values_supported", own),
            (JwtUse::UserInfo, None) => ("userinfo_signing_alg_values_supported", &self.policy.algorithms),
            _ => ("id_token_signing_alg_values_supported", &self.policy.algorithms),
        };
        let listed: Vec<_> = metadata
            .and_then(|metadata| metadata.members().get(list)?.as_array())
            .into_iter()
            .flatten()
            .filter_map(|name| Algorithm::of(name.as_str()?))
            .filter(|algorithm| own.contains(algorithm))
            .collect();
        if listed.is_empty() { Cow::Borrowed(own) } else { Cow::Owned(listed) }
    }

    pub(crate) fn decrypted(&self, token: &str) -> Result<String, Refusal> {
        let Some(decrypter) = &self.policy.decrypter else {
            let reason =
                "it is encrypted, and the client has no keys to decrypt it; see VerificationPolicy::decrypter".to_owned();
            return Err((JwtCheck::Encryption, reason));
        };
        decrypter.decrypt(token).map_err(|error: DecryptError| (JwtCheck::Encryption, error.to_string()))
    }
}
