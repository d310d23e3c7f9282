//! Token exchange (RFC 8693): one token given for another one.

use std::{borrow::Cow, fmt};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{Error, ErrorKind, OAuth2, OAuth2Token, Operation, Provider, Result, Secret};

/// The method [`TokenExchange::send`], in errors.
pub const EXCHANGE_TOKEN: Operation = Operation::new("exchange_token");

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// By what a request names where the new token is to be used.
const TARGETS: [&str; 2] = ["resource", "audience"];

/// What kind of token a security token is (RFC 8693 section 3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenType {
    /// An OAuth 2.0 access token, issued by the server that is asked.
    AccessToken,
    /// An OAuth 2.0 refresh token, issued by the server that is asked.
    RefreshToken,
    /// An ID token (OpenID Connect Core section 2).
    IdToken,
    /// A JWT, whatever it is for.
    Jwt,
    /// A SAML 1.1 assertion, as base64url.
    Saml1,
    /// A SAML 2.0 assertion, as base64url.
    Saml2,
    /// An identity assertion authorization grant (draft-ietf-oauth-identity-assertion-authz-grant): a JWT for the authorization server
    /// of another domain.
    IdJag,
    /// A type that only this server knows, as a URI.
    Other(String),
}

impl TokenType {
    const KNOWN: &[Self] = &[
        Self::AccessToken,
        Self::RefreshToken,
        Self::IdToken,
        Self::Jwt,
        Self::Saml1,
        Self::Saml2,
        Self::IdJag,
    ];

    /// The URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::RefreshToken => "urn:ietf:params:oauth:token-type:refresh_token",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
            Self::Saml1 => "urn:ietf:params:oauth:token-type:saml1",
            Self::Saml2 => "urn:ietf:params:oauth:token-type:saml2",
            Self::IdJag => "urn:ietf:params:oauth:token-type:id-jag",
            Self::Other(uri) => uri,
        }
    }

    /// Whether an API may accept it. A JWT can be an access token too, and of a server's own type nobody knows.
    fn may_be_presented(&self) -> bool {
        matches!(self, Self::AccessToken | Self::Jwt | Self::Other(_))
    }
}

impl From<&str> for TokenType {
    fn from(uri: &str) -> Self {
        let known = Self::KNOWN.iter().find(|known| known.as_str() == uri);
        known.cloned().unwrap_or_else(|| Self::Other(uri.to_owned()))
    }
}

impl fmt::Display for TokenType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request to exchange one token for another (RFC 8693 section 2.1).
///
/// The client authenticates as it does elsewhere, or not at all: see [`NoClientAuthentication`](crate::NoClientAuthentication).
///
/// ```
/// use oauth_fapi::{TokenExchange, TokenType, oauth_core::{OAuth2, Result}};
///
/// # async fn f(client: OAuth2, access_token_of_the_user: &str) -> Result<()> {
/// // A service calls another one on behalf of the user who called it.
/// let exchanged = TokenExchange::new(access_token_of_the_user, TokenType::AccessToken)
///     .with_audience("https://orders.example")
///     .with_scopes(["orders.read"])
///     .send(&client)
///     .await?;
/// let token = exchanged.into_access_token()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct TokenExchange {
    subject: (Secret, TokenType),
    actor: Option<(Secret, TokenType)>,
    requested: Option<TokenType>,
    resources: Vec<String>,
    audiences: Vec<String>,
    scopes: Vec<String>,
    parameters: Vec<(String, String)>,
}

impl TokenExchange {
    /// Exchanges this token, which says on whose behalf the request is made.
    pub fn new(subject_token: impl Into<Secret>, subject_token_type: TokenType) -> Self {
        Self {
            subject: (subject_token.into(), subject_token_type),
            actor: None,
            requested: None,
            resources: Vec::new(),
            audiences: Vec::new(),
            scopes: Vec::new(),
            parameters: Vec::new(),
        }
    }

    /// Names the party that acts for the subject (delegation, RFC 8693 section 1.1). Where the subject token has `may_act`, it must be
    /// that party; the server checks it.
    pub fn with_actor(mut self, actor_token: impl Into<Secret>, actor_token_type: TokenType) -> Self {
        self.actor = Some((actor_token.into(), actor_token_type));
        self
    }

    /// Asks for a token of this kind. Without it, the server chooses.
    pub fn with_requested_type(mut self, requested: TokenType) -> Self {
        self.requested = Some(requested);
        self
    }

    /// Names an API by its URI at which the new token is to be used (RFC 8707). It can be called for several.
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// Names a service by its logical name at which the new token is to be used. It can be called for several.
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Names no API and no service any more, so that others can take the place of those that were named.
    pub fn without_targets(mut self) -> Self {
        self.resources.clear();
        self.audiences.clear();
        self.parameters.retain(|(name, _)| !TARGETS.contains(&&**name));
        self
    }

    /// Asks for these scopes.
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sends another parameter as well, such as Keycloak's `requested_subject`. It takes the place of one of the same name, because only
    /// `resource` and `audience` can be sent twice (RFC 8693 section 2.1).
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        if !TARGETS.contains(&&*name) {
            self.parameters.retain(|(other, _)| *other != name);
        }
        self.parameters.push((name, value.into()));
        self
    }

    /// A name for what this exchange gives, for whoever keeps its result: equal for equal requests, and different for another subject,
    /// actor, audience, resource, scope or type. It is a hash, and shows none of the tokens.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut form = self.form();
        // Their order means nothing to the server.
        form.sort_unstable();
        for (name, value) in form {
            // With its length before it, no value can look like the next name.
            for part in [name, &*value] {
                hash.update(&part.len().to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
        URL_SAFE_NO_PAD.encode(hash.finish())
    }

    /// Sends the request to the provider's token endpoint.
    ///
    /// # Errors
    ///
    /// A configuration error when a token or a resource cannot be one, before anything is sent; what the server refuses with, such as
    /// `invalid_target` for an audience that it does not know (RFC 8693 section 2.2.2); a malformed-reply error, with the token in
    /// [`Error::tokens`], when the reply has no `issued_token_type`.
    pub async fn send(&self, provider: &dyn Provider) -> Result<ExchangedToken> {
        let client = provider.oauth2();
        self.check(client)?;
        let client = client.ready().await?;
        let form = self.form();
        let form = form.iter().map(|(name, value)| (*name, &**value));
        let outcome = client.request_token_with_reply(EXCHANGE_TOKEN, client.endpoints().token(), form).await;
        let (token, reply) = outcome.map_err(|error| provider.translate_error(error))?;
        let issued = token.get("issued_token_type");
        match issued.as_ref().and_then(|issued| issued.as_str()).filter(|issued| !issued.is_empty()) {
            Some(issued) => Ok(ExchangedToken {
                issued_type: issued.into(),
                requested: self.requested.clone(),
                name: client.name().to_owned(),
                token,
            }),
            None => {
                let problem = "it does not say what kind of token was issued (issued_token_type)";
                Err(reply.malformed(problem).with_tokens(token))
            }
        }
    }

    fn check(&self, client: &OAuth2) -> Result<()> {
        let wrong = |problem: String| Err(client.error(EXCHANGE_TOKEN, ErrorKind::Configuration(problem)));
        let tokens = [("subject", Some(&self.subject)), ("actor", self.actor.as_ref())];
        for (name, token) in tokens {
            let Some((token, kind)) = token else { continue };
            if token.expose().is_empty() {
                return wrong(format!("the {name} token is empty"));
            }
            if kind.as_str().is_empty() {
                return wrong(format!("the {name} token has no type; name it by its URI"));
            }
        }
        if let Some(bad) = self.resources.iter().find(|resource| !is_resource(resource)) {
            return wrong(format!(
                "the resource {bad:?} is not an absolute URI without a fragment (RFC 8707 section 2)"
            ));
        }
        Ok(())
    }

    fn form(&self) -> Vec<(&str, Cow<'_, str>)> {
        let (subject, subject_type) = &self.subject;
        let mut form: Vec<(&str, Cow<'_, str>)> = vec![
            ("grant_type", GRANT_TYPE.into()),
            ("subject_token", subject.expose().into()),
            ("subject_token_type", subject_type.as_str().into()),
        ];
        if let Some((actor, actor_type)) = &self.actor {
            form.push(("actor_token", actor.expose().into()));
            form.push(("actor_token_type", actor_type.as_str().into()));
        }
        if let Some(requested) = &self.requested {
            form.push(("requested_token_type", requested.as_str().into()));
        }
        form.extend(self.resources.iter().map(|resource| ("resource", Cow::from(resource))));
        form.extend(self.audiences.iter().map(|audience| ("audience", Cow::from(audience))));
        if !self.scopes.is_empty() {
            form.push(("scope", self.scopes.join(" ").into()));
        }
        form.extend(self.parameters.iter().map(|(name, value)| (&**name, Cow::from(value))));
        form
    }
}

/// What a token exchange gave (RFC 8693 section 2.2.1). It need not be an access token.
#[derive(Clone)]
pub struct ExchangedToken {
    token: OAuth2Token,
    issued_type: TokenType,
    requested: Option<TokenType>,
    name: String,
}

impl ExchangedToken {
    /// What kind of token was issued. It may be another one than was asked for.
    #[must_use]
    pub fn issued_type(&self) -> &TokenType {
        &self.issued_type
    }

    /// Whether the server issued the kind of token that was asked for. Where none was, any will do.
    #[must_use]
    pub fn is_as_requested(&self) -> bool {
        self.requested.as_ref().is_none_or(|requested| *requested == self.issued_type)
    }

    /// The token itself, whatever its kind, for whoever it is meant for: an ID-JAG is the assertion of a
    /// [`JwtBearerGrant`](crate::JwtBearerGrant) at the other server, and no API's business.
    #[must_use]
    pub fn value(&self) -> Secret {
        self.token.access_token().into()
    }

    /// The whole reply. Its [`access_token`](OAuth2Token::access_token) need not be one: see
    /// [`into_access_token`](Self::into_access_token).
    #[must_use]
    pub fn reply(&self) -> &OAuth2Token {
        &self.token
    }

    /// The access token, to call an API with.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error when it is not one: its `token_type` is `N_A`, or its kind is that of an assertion, an ID token or
    /// a refresh token.
    pub fn into_access_token(self) -> Result<OAuth2Token> {
        let is_not_applicable = self.token.token_type().is_some_and(|kind| kind.eq_ignore_ascii_case("N_A"));
        if is_not_applicable || !self.issued_type.may_be_presented() {
            let problem = format!(
                "the token that was issued is not an access token, but {:?}",
                self.issued_type.as_str()
            );
            return Err(Error::new(EXCHANGE_TOKEN, self.name, ErrorKind::Unsupported(problem)));
        }
        Ok(self.token)
    }
}

/// Whether a text can name a resource (RFC 8707 section 2).
fn is_resource(resource: &str) -> bool {
    let Some((scheme, rest)) = resource.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme
        && !rest.is_empty()
        && !resource.contains('#')
        && resource.bytes().all(|byte| byte.is_ascii_graphic())
}

impl fmt::Debug for TokenExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        f.debug_struct("TokenExchange")
            .field("subject_token_type", &self.subject.1)
            .field("actor_token_type", &self.actor.as_ref().map(|(_, kind)| kind))
            .field("requested_token_type", &self.requested)
            .field("resources", &self.resources)
            .field("audiences", &self.audiences)
            .field("scopes", &self.scopes)
            .field("parameters", &names)
            .finish()
    }
}

impl fmt::Debug for ExchangedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangedToken")
            .field("issued_type", &self.issued_type)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
