//! A verified ID token (OpenID Connect Core section 2).

use std::fmt;

use oauth_core::{Identity, Login, OffsetDateTime, Secret, serde_json::Value};
use serde::de::DeserializeOwned;

use crate::{
    claims::{Claims, ClaimsExt, moment},
    standard_claims::StandardClaims,
    typed_claims::{self, ClaimsError},
};

/// An ID token that passed all checks (OpenID Connect Core section 3.1.3.7).
///
/// It comes from a login and from [`RelyingParty::verify_id_token`](crate::RelyingParty::verify_id_token), and from nowhere
/// else: nothing turns a text or an `OAuth2Token` into one without the checks.
///
/// ```no_run
/// use oauth_openid::{IdToken, OpenID, oauth_core::{Callback, LoginAttempt, Provider}};
///
/// # async fn f(client: OpenID, attempt: LoginAttempt, callback: Callback) -> Result<(), oauth_core::Error> {
/// let login = client.finish_login(attempt, callback).await?;
/// if let Some(id_token) = IdToken::of(&login) {
///     println!("{} of {}", id_token.subject(), id_token.issuer());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct IdToken {
    raw: Secret,
    pub(crate) claims: Claims,
    /// Who signed in, by these claims. They are its profile, and are not kept twice.
    identity: Identity,
}

impl IdToken {
    /// The ID token of a login, where there was one.
    #[must_use]
    pub fn of(login: &Login) -> Option<&Self> {
        login.get()
    }

    /// The token whose claims are the profile of this identity. Whoever calls this has done all checks.
    pub(crate) fn verified(raw: impl Into<Secret>, mut identity: Identity) -> Self {
        let claims = match identity.profile.take() {
            Value::Object(claims) => claims,
            _ => Claims::new(),
        };
        Self { raw: raw.into(), claims, identity }
    }

    /// The token with an identity that the provider has completed, as it completes those of profiles.
    pub(crate) fn completed(self, complete: impl FnOnce(&mut Identity)) -> Self {
        let Self { raw, claims, mut identity } = self;
        identity.profile = Value::Object(claims);
        complete(&mut identity);
        Self::verified(raw, identity.without_unusable())
    }

    /// The token itself, for `id_token_hint`. Of one that came encrypted it is what was in it, because a hint is for the provider to
    /// read (OpenID Connect Core section 3.1.2.1).
    #[must_use]
    pub fn raw(&self) -> &str {
        self.raw.expose()
    }

    /// `iss`: the issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.text("iss").unwrap_or_default()
    }

    /// `sub`: the user, at this issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.text("sub").unwrap_or_default()
    }

    /// `aud`: the clients that the token is for.
    #[must_use]
    pub fn audiences(&self) -> Vec<&str> {
        self.claims.audiences().unwrap_or_default()
    }

    /// `exp`: when the token expires.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.moment("exp")
    }

    /// `iat`: when the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<OffsetDateTime> {
        self.moment("iat")
    }

    /// `auth_time`: when the user was authenticated.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<OffsetDateTime> {
        self.moment("auth_time")
    }

    /// `acr`: the authentication context class.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.text("acr")
    }

    /// `amr`: the authentication methods.
    #[must_use]
    pub fn amr(&self) -> Vec<&str> {
        self.claims
            .get("amr")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// `sid`: the session at the provider, by which a logout names it.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.text("sid")
    }

    /// A claim as it came.
    #[must_use]
    pub fn get(&self, claim: &str) -> Option<&Value> {
        self.claims.get(claim)
    }

    /// The claims as a type of the application's own. A text is taken for a boolean or a number where the type wants one,
    /// because providers send `"true"` and `"1"`; the claims that decide something were checked strictly before.
    ///
    /// ```no_run
    /// # fn f(id_token: oauth_openid::IdToken) -> Result<(), oauth_openid::ClaimsError> {
    /// #[derive(serde::Deserialize)]
    /// struct MyClaims {
    ///     groups: Vec<String>,
    ///     email_verified: Option<bool>,
    /// }
    ///
    /// let claims: MyClaims = id_token.claims()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What does not fit the type.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, ClaimsError> {
        typed_claims::read(self.claims.clone())
    }

    /// The claims of OpenID Connect Core section 5.1, as far as they are there and of the right type.
    #[must_use]
    pub fn standard_claims(&self) -> StandardClaims {
        StandardClaims::of(&self.claims)
    }

    /// Who signed in, by this token alone. Its key is the token's `iss` and `sub`, but for an issuer that goes by several names
    /// ([`Issuers::Aliases`](crate::Issuers::Aliases)), and it is that of `get_identity`. An address is verified here if
    /// `get_identity` would call it so. Where the profile is an API that knows users by another identifier, as Microsoft Graph
    /// is, the keys differ: an application that uses both keeps to one of them.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let mut identity = self.identity.clone();
        identity.profile = Value::Object(self.claims.clone());
        identity
    }

    fn text(&self, claim: &str) -> Option<&str> {
        self.claims.text(claim)
    }

    fn moment(&self, claim: &str) -> Option<OffsetDateTime> {
        moment(self.claims.get(claim)?)
    }
}

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The other claims are personal data.
        f.debug_struct("IdToken")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json::json;

    use super::*;
    use crate::testing::{NOW, claims};

    fn id_token(others: Value) -> IdToken {
        let claims = Value::Object(claims(others));
        IdToken::verified("a.b.c", Identity::new("https://op.example", "alice", claims))
    }

    #[test]
    fn the_claims_of_an_id_token_are_there_by_their_names() {
        let full = id_token(json!({
            "auth_time": NOW - 5, "acr": "gold", "amr": ["pwd", 7, "otp"], "sid": "s", "groups": ["staff"],
        }));
        assert_eq!(full.raw(), "a.b.c");
        assert_eq!((full.issuer(), full.subject()), ("https://op.example", "alice"));
        assert_eq!(full.audiences(), ["app"]);
        let seconds = |moment: Option<OffsetDateTime>| moment.unwrap().unix_timestamp();
        assert_eq!(seconds(full.expires_at()), NOW + 300);
        assert_eq!(seconds(full.issued_at()), NOW);
        assert_eq!(seconds(full.authenticated_at()), NOW - 5);
        assert_eq!((full.acr(), full.session_id()), (Some("gold"), Some("s")));
        assert_eq!(full.amr(), ["pwd", "otp"]);
        assert_eq!(full.get("groups"), Some(&json!(["staff"])));
        assert_eq!(full.identity().key(), ("https://op.example", "alice"));
        assert_eq!(full.identity().profile["sid"], "s");
        let bare = id_token(json!({}));
        assert_eq!((bare.acr(), bare.session_id(), bare.get("groups")), (None, None, None));
        assert!(bare.amr().is_empty() && bare.authenticated_at().is_none());
    }

    #[test]
    fn an_id_token_shows_whose_it_is_and_nothing_else() {
        let shown = format!("{:?}", id_token(json!({"email": "secret@mail.example"})));
        assert!(shown.contains("alice") && !shown.contains("secret") && !shown.contains("a.b.c"), "{shown}");
    }
}
