//! Who a user is: reading the profile, and making an identity of what it says.

use http::Method;
use serde_json::Value;

use super::{OAuth2, placeholders::fill_all};
use crate::{
    endpoints::Endpoint,
    error::{Error, ErrorKind, FailedReply, Operation, Result, class::ErrorClass},
    identity::{Email, EmailVerification, Identity, check_subject},
    message::response::Response,
    oauth2::request::Request,
    spec::{EmailCall, ProfileRequest, ProfileSource, ProfileSpec, RequestFormat},
    text::json::{parse, text_at, value_at},
    token::OAuth2Token,
};

impl OAuth2 {
    /// Reads the user's profile with an access token.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where no profile endpoint is known; else any [`Error`](crate::Error).
    pub async fn get_profile(&self, access_token: &str) -> Result<Value> {
        self.ready().await?.read_profile(&OAuth2Token::new(access_token)).await
    }

    /// Reads the user's profile with a client that is [ready](Self::ready), as the [`Spec`](crate::Spec) or a participant says: what
    /// an override of [`Provider::read_profile`](crate::Provider::read_profile) can call.
    ///
    /// Whether the token can be presented is not asked again; see [`usable`](Self::usable).
    ///
    /// # Errors
    ///
    /// As [`get_profile`](Self::get_profile).
    pub async fn read_profile(&self, token: &OAuth2Token) -> Result<Value> {
        for participant in self.participants() {
            if let Some(profile) = participant.read_profile(self, token).await? {
                return Ok(profile);
            }
        }
        self.profile_in(&self.profile_request(token)?.send().await?)
    }

    /// Begins the request for a profile, as the [`Spec`](crate::Spec) says.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where no profile endpoint is known; a configuration error where the request takes what the token
    /// does not have, such as a member of the token reply that a bare access token has not.
    pub fn profile_request(&self, token: &OAuth2Token) -> Result<Request<'_>> {
        let profile = &self.spec().profile;
        let method = if profile.request == ProfileRequest::Get { Method::GET } else { Method::POST };
        let request = self.request(Operation::GET_PROFILE, method, self.profile_endpoint()?);
        let request = request.endpoint(Endpoint::Profile);
        let request = match profile.request {
            ProfileRequest::Get | ProfileRequest::Post => request,
            ProfileRequest::PostForm(form) => {
                let form = self.filled_in(form, Some(token))?;
                request.fields(RequestFormat::Form, form.iter().map(|(name, value)| (*name, value.as_str())))
            }
            ProfileRequest::PostJson(text) => {
                request.json(parse(text.as_bytes()).map_err(|problem| {
                    self.error(Operation::GET_PROFILE, ErrorKind::Configuration(problem))
                })?)
            }
            ProfileRequest::GraphQl(query) => request.json_texts(&[("query", query)]),
        };
        let query = self.filled_in(profile.params, Some(token))?;
        let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let request = self
            .filled_in(profile.headers, Some(token))?
            .iter()
            .fold(request.query(&query), |request, (name, value)| request.header(name, value));
        Ok(request.token(profile.token, token.access_token()))
    }

    /// The parameters of a profile request, with `{client_id}`, `{parameter}` and `{token:/place}` filled in.
    fn filled_in(
        &self,
        pairs: &[(&'static str, &'static str)],
        token: Option<&OAuth2Token>,
    ) -> Result<Vec<(&'static str, String)>> {
        let wrong = |problem| self.error(Operation::GET_PROFILE, ErrorKind::Configuration(problem));
        fill_all(pairs, |name| {
            let Some(place) = name.strip_prefix("token:") else {
                let value = self.parameter(name).map(str::to_owned);
                return value.ok_or_else(|| {
                    wrong(format!("there is no value for {{{name}}} of the profile request"))
                });
            };
            let value = token.and_then(|token| text_at(&Value::Object(token.others().clone()), place));
            value.ok_or_else(|| {
                wrong(format!(
                    "the profile request takes {{{name}}} of the token reply, which this token does not have: use get_identity or \
                     get_profile_of with the whole token of the login"
                ))
            })
        })
    }

    fn profile_in(&self, reply: &Response) -> Result<Value> {
        match self.spec().profile.request {
            ProfileRequest::GraphQl(_) => reply.graphql_data(),
            _ => reply.object(),
        }
    }

    /// What a token says of its user by itself, where the provider has that in its token reply.
    pub(crate) fn profile_in_token(&self, token: &OAuth2Token) -> Option<Value> {
        let is_there = self.spec().profile.source == ProfileSource::TokenReply;
        is_there.then(|| Value::Object(token.others().clone()))
    }

    /// Asks for the address that the profile does not have.
    pub(crate) async fn get_email(&self, call: &EmailCall, access_token: &str) -> Result<Option<Email>> {
        let operation = Operation::GET_IDENTITY;
        let url = self.endpoints().other(call.endpoint).map_err(|error| error.at(self.kept_name()))?;
        let mut request = self.request(operation, Method::GET, url);
        for (name, value) in self.filled_in(self.spec().profile.headers, None)? {
            request = request.header(name, &value);
        }
        match request.token(self.spec().profile.token, access_token).send().await {
            Ok(reply) => Ok(email_in(&reply.json()?, call.email_at, call.email_verified_at)),
            Err(error) if may_not_see(&error) => Ok(None),
            Err(error) => Err(error),
        }
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
        let email = places.email_at.and_then(|at| email_in(&profile, at, places.email_verified_at));
        let name = text(places.name_at).or_else(|| {
            let parts: Vec<_> = places.name_parts_at.iter().filter_map(|&part| text(Some(part))).collect();
            Some(parts.join(" ")).filter(|name| !name.is_empty())
        });
        Ok(Identity {
            issuer,
            subject,
            email,
            name,
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

/// The address at a place, with what the provider says of it.
fn email_in(profile: &Value, email_at: &str, verified_at: Option<&str>) -> Option<Email> {
    let flag = verified_at.and_then(|place| value_at(profile, place));
    text_at(profile, email_at).map(|address| Email { address, verification: EmailVerification::of(flag) })
}

/// Whether a request was refused because the token is not good for it, and neither because it is dead nor because of a limit.
fn may_not_see(error: &Error) -> bool {
    matches!(error.status(), Some(http::StatusCode::FORBIDDEN | http::StatusCode::NOT_FOUND))
        && !matches!(error.class(), ErrorClass::Transient { .. })
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
