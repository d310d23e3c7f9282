//! Who a user is: reading the profile, and making an identity of what it says.

use http::Method;
use serde_json::Value;

use super::OAuth2;
use crate::{
    error::{Error, ErrorKind, FailedReply, Operation, Result},
    identity::{Email, EmailVerification, Identity, check_subject},
    json::text_at,
    spec::ProfileSpec,
};

impl OAuth2 {
    /// Reads the user's profile with an access token.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where no profile endpoint is known; else any [`Error`](crate::Error).
    pub async fn get_profile(&self, access_token: &str) -> Result<Value> {
        let client = self.ready().await?;
        for participant in client.participants() {
            if let Some(profile) = participant.get_profile(&client, access_token).await? {
                return Ok(profile);
            }
        }
        client.read_profile(access_token).await
    }

    /// Reads the JSON at the profile endpoint, whatever a participant would make of it.
    ///
    /// # Errors
    ///
    /// As [`get_profile`](Self::get_profile).
    pub async fn read_profile(&self, access_token: &str) -> Result<Value> {
        let call = self.request(Operation::GET_PROFILE, Method::GET, self.profile_endpoint()?);
        call.bearer(access_token).send().await?.object()
    }

    /// Finds in a profile who the user is, at the places that the [`Spec`](crate::Spec) names.
    ///
    /// # Errors
    ///
    /// A malformed-reply error when the profile has no identifier.
    pub fn identity(&self, profile: Value) -> Result<Identity> {
        self.identity_under(None, profile)
    }

    /// The identity that a profile gives, under the issuer that the user's ID token names, where there is one.
    ///
    /// # Errors
    ///
    /// A malformed-reply error when the profile has no identifier.
    pub fn identity_under(&self, issuer: Option<String>, profile: Value) -> Result<Identity> {
        self.check_profile_of_identity(&profile)?;
        let issuer = issuer.unwrap_or_else(|| self.identity_issuer());
        let identity = self.find_identity(&self.spec().profile, issuer, profile)?;
        let former = self.former_identity_issuers();
        Ok(former.into_iter().fold(identity, Identity::with_former_issuer))
    }

    /// The identity that the claims of a verified ID token give, under the issuer that it names: for a
    /// [`Participant`](crate::Participant). The provider's [`complete_identity`](crate::Provider::complete_identity) is the caller's to
    /// apply.
    ///
    /// # Errors
    ///
    /// A malformed-reply error when the claims have no `sub`.
    pub fn identity_of_claims(&self, issuer: impl Into<String>, claims: Value) -> Result<Identity> {
        self.find_identity(&places_in_claims(&self.spec().profile), issuer.into(), claims)
    }

    /// Makes the identity of what a provider said of a user. Every identity is made here, whatever way it came by.
    fn find_identity(&self, places: &ProfileSpec, issuer: String, profile: Value) -> Result<Identity> {
        let text = |pointer: Option<&str>| text_at(&profile, pointer?);
        let Some(subject) = text(Some(places.id_at)) else {
            return Err(Error::in_profile(
                self,
                &profile,
                format!("the profile has no identifier at {}", places.id_at),
            ));
        };
        check_subject(&subject).map_err(|problem| {
            Error::in_profile(self, &profile, format!("the identifier at {} {problem}", places.id_at))
        })?;
        let email = text(places.email_at).map(|address| {
            let flag = places.email_verified_at.and_then(|pointer| profile.pointer(pointer));
            Email { address, verification: EmailVerification::of(flag) }
        });
        Ok(Identity {
            issuer,
            subject,
            email,
            name: text(places.name_at),
            picture: text(places.picture_at),
            profile,
            former_issuers: Vec::new(),
        }
        .without_unusable())
    }
}

/// Where the members of an identity are in the claims of an ID token: as in UserInfo, or where OpenID Connect has them if the profile
/// is an API of the provider's own. Which member vouches for an address is the provider's to say in both.
fn places_in_claims(profile: &ProfileSpec) -> ProfileSpec {
    if profile.id_at == ProfileSpec::OPENID.id_at {
        return *profile;
    }
    ProfileSpec { email_verified_at: profile.email_verified_at, ..ProfileSpec::OPENID }
}

impl Error {
    /// A profile that came as it should but lacks what the identity needs. It keeps the profile as its body.
    #[must_use]
    pub fn in_profile(client: &OAuth2, profile: &Value, reason: impl Into<String>) -> Self {
        let reply = FailedReply::of_json(profile);
        client.error(Operation::GET_IDENTITY, ErrorKind::MalformedReply { reason: reason.into(), reply })
    }
}

impl FailedReply {
    fn of_json(value: &Value) -> Self {
        Self {
            status: http::StatusCode::OK,
            body: value.to_string().into(),
            retry_after: None,
            is_invalid_grant: false,
            is_transient: false,
            used_token: true,
        }
    }
}
