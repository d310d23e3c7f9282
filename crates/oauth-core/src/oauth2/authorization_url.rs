//! How a client's authorization request becomes a URL (RFC 6749 section 4.1.1).

use serde_json::Value;

use crate::{
    authorization::{
        AuthorizationParams, AuthorizationRequest, AuthorizationStage, Params, RequestDemand, ResponseMode,
        ResponseType,
    },
    crypto::random_token,
    endpoints::check_url,
    error::{ErrorKind, Operation, Result},
    oauth2::OAuth2,
    text::{
        form::{check_authorization_details, check_resource, is_same_parameter},
        json,
    },
};

/// What only the library sets, so that nothing else can replace it.
const PROTECTED: &[&str] = &[
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "scope",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "request",
    "request_uri",
    // These have no business in a URL at all.
    "client_secret",
    "code_verifier",
    "client_assertion",
];

/// What the library reads among the extra parameters, which therefore must have this very name.
const READ: &[&str] =
    &["acr_values", "authorization_details", "claims", "max_age", "prompt", "resource", "response_mode"];

impl OAuth2 {
    /// Builds the URL to send the user's browser to (RFC 6749 section 4.1.1).
    ///
    /// A query that the endpoint already has is kept, and no parameter is sent twice.
    ///
    /// # Errors
    ///
    /// A configuration error when the endpoint is not https, the redirect URI is not absolute or has a fragment, a scope
    /// has characters that RFC 6749 section 3.3 forbids, extra parameters name what the library sets itself, or an ID token
    /// would come in a query (OAuth 2.0 Multiple Response Types section 5).
    pub async fn get_authorization_url(&self, request: AuthorizationRequest<'_>) -> Result<String> {
        self.check_credentials().map_err(|error| error.during(Operation::GET_AUTHORIZATION_URL))?;
        let client = self.ready().await?;
        let params = client.params_of(request)?;
        client.url_of(params).await
    }

    /// The parameters of an authorization request, checked, for whoever wants to read or change them before they become a URL.
    ///
    /// # Errors
    ///
    /// As [`get_authorization_url`](Self::get_authorization_url).
    pub async fn authorization_params(
        &self,
        request: AuthorizationRequest<'_>,
    ) -> Result<AuthorizationParams> {
        self.ready().await?.params_of(request)
    }

    /// The URL of an authorization request, once every participant has had its part in it.
    ///
    /// # Errors
    ///
    /// Whatever keeps a participant from taking part.
    pub async fn authorization_url(&self, params: AuthorizationParams) -> Result<String> {
        self.ready().await?.url_of(params).await
    }

    fn params_of(&self, request: AuthorizationRequest<'_>) -> Result<AuthorizationParams> {
        self.checked_params(request).map_err(|problem| {
            self.error(Operation::GET_AUTHORIZATION_URL, ErrorKind::Configuration(problem))
        })
    }

    async fn url_of(&self, mut params: AuthorizationParams) -> Result<String> {
        for stage in AuthorizationStage::ALL {
            for participant in self.participants().iter().filter(|participant| participant.stage() == stage) {
                participant.authorize(self, &mut params).await?;
            }
        }
        if params.has_private_details && params.get("authorization_details").is_some() {
            let problem = "authorization_details in a plain URL could be read and changed by the user's browser and \
                           everything in it (RFC 9396 section 11.4); push or sign the request, as oauth-fapi does, or say \
                           authorization_details_in_plain_urls";
            let kind = ErrorKind::Configuration(problem.to_owned());
            return Err(self.error(Operation::GET_AUTHORIZATION_URL, kind));
        }
        Ok(params.to_url())
    }

    /// What the server demands of authorization requests and no participant does, if there is such a thing.
    fn unfulfilled_demand(&self) -> Option<RequestDemand> {
        let is_fulfilled =
            |demand| self.participants().iter().any(|participant| participant.fulfils(self, demand));
        RequestDemand::ALL.into_iter().find(|demand| self.demands(*demand) && !is_fulfilled(*demand))
    }

    fn checked_params(&self, request: AuthorizationRequest<'_>) -> Result<AuthorizationParams, String> {
        if let Some(problem) = self.authorization_problem() {
            return Err(problem.to_owned());
        }
        if let Some(demand) = self.unfulfilled_demand() {
            return Err(demand.advice().to_owned());
        }
        let endpoint = self.endpoints().authorization();
        check_url(endpoint, self.allows_http())?;
        check_redirect_uri(&request.redirect_uri)?;
        let scope = match &request.scopes {
            Some(scopes) => self.joined(scopes)?,
            None => self.joined(self.scopes())?,
        };
        self.check_two_words(&request.extras)?;
        let extras = self.authorize_params().merged(&request.extras);
        self.check_extras(&extras)?;
        let mode = self.response_mode(request.response_type, &extras);
        // In an encrypted answer it is well hidden, which only a participant knows (JARM section 2.3.1).
        let is_exposed =
            mode == ResponseMode::Query || (mode == ResponseMode::QueryJwt && !self.opens_callbacks());
        if request.response_type != ResponseType::Code && is_exposed {
            return Err(
                "a response_mode that brings an ID token in a query would show it to logs and other sites; \
                 use form_post or fragment"
                    .to_owned(),
            );
        }

        let mut params = AuthorizationParams::new(endpoint).with_notes(request.notes);
        params.has_private_details = extras.has_private_details;
        params.expiry = request.expiry;
        if let Some((name, _)) = params.iter().find(|(name, _)| self.is_protected(name)) {
            return Err(format!(
                "the query of the authorization endpoint holds {name}, which the library sets"
            ));
        }
        let kept: Vec<String> = params.iter().map(|(name, _)| name.to_owned()).collect();
        check_kept_names(&kept, &self.read_params())?;
        let is_kept = |name: &str| kept.iter().any(|other| is_same_parameter(other, name));
        params.push("response_type", request.response_type.as_str());
        params.push(self.client_id_param(), self.client_id());
        params.push("redirect_uri", request.redirect_uri);
        if let Some(state) = request.state {
            params.push("state", state);
        }
        if !scope.is_empty() {
            params.push("scope", scope);
        }
        if let Some((challenge, method)) = request.challenge {
            params.push("code_challenge", challenge);
            params.push("code_challenge_method", method.as_str());
        }
        match request.nonce {
            Some(nonce) => params.push("nonce", nonce),
            // Low-level callers who want to check it set their own.
            None if self.spec().authorization.requires_nonce => {
                params.push("nonce", random_token().map_err(|error| error.to_string())?);
            }
            None => {}
        }
        if request.response_type != ResponseType::Code
            && extras.get("response_mode").is_none()
            && !is_kept("response_mode")
        {
            // Its default is the fragment, which no server sees.
            params.push("response_mode", ResponseMode::FormPost.as_str());
        }
        for (name, values) in extras.pairs.iter().filter(|(name, _)| !is_kept(name)) {
            for value in values {
                params.push(&**name, &**value);
            }
        }
        Ok(params)
    }

    fn check_extras(&self, extras: &Params) -> Result<(), String> {
        if let Some(problem) = &extras.problem {
            return Err(problem.clone());
        }
        if let Some((name, _)) = extras.pairs.iter().find(|(name, _)| self.is_protected(name)) {
            return Err(format!(
                "the extra parameters hold {name}, which the library sets; use the method of AuthorizationRequest for it"
            ));
        }
        check_names(extras, &self.read_params())?;
        check_openid_parameters(extras)
    }

    /// Refuses a request by `resource` of a client that asks by `audience`, or the other way round: some providers have a word of their
    /// own for the same thing, and nobody knows which of two counts. Whoever wants both says so in the request.
    fn check_two_words(&self, extras: &Params) -> Result<(), String> {
        for (own, other) in [("resource", "audience"), ("audience", "resource")] {
            if extras.get(own).is_some()
                && extras.get(other).is_none()
                && self.authorize_params().get(other).is_some()
            {
                return Err(format!(
                    "the request asks for a {own}, and the client for a {other} by itself; name one of the two, or both in the \
                     request's own parameters"
                ));
            }
        }
        Ok(())
    }

    /// What the library reads among the parameters of a request, and checks the answer against.
    fn read_params(&self) -> Vec<&'static str> {
        let restrictions = self.spec().login.restrictions.iter();
        READ.iter().copied().chain(restrictions.map(|restriction| restriction.name)).collect()
    }

    fn is_protected(&self, name: &str) -> bool {
        PROTECTED.iter().any(|own| is_same_parameter(name, own))
            || is_same_parameter(name, self.client_id_param())
    }

    /// The parameters that a request with further ones holds beside those of the library: what the endpoint's query holds is
    /// kept, and a request's own replace the client's.
    pub(crate) fn sent_params(&self, extras: &Params) -> Params {
        let mut sent = self.authorize_params().merged(extras);
        let query = self.endpoints().authorization().split_once('?').map_or("", |(_, query)| query);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            sent.set(name.into_owned().into(), value.into_owned().into());
        }
        sent
    }

    /// Whether callbacks arrive as a form that the provider's page posts from its own site (`response_mode=form_post`,
    /// OAuth 2.0 Form Post Response Mode), unless a login asks for something else.
    #[must_use]
    pub fn uses_form_post(&self) -> bool {
        self.response_mode(ResponseType::Code, &Params::default()).carrier() == ResponseMode::FormPost
    }

    /// The way by which the answer comes to a request with further parameters. The order is that of the URL: what the
    /// endpoint's query holds is kept, and a request's own parameters replace the client's.
    pub(crate) fn response_mode(&self, response_type: ResponseType, extras: &Params) -> ResponseMode {
        const MODE: &str = "response_mode";
        let query = self.endpoints().authorization().split_once('?').map_or("", |(_, query)| query);
        let kept = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == MODE);
        let kept = kept.as_ref().map(|(_, value)| &**value);
        match kept.or(extras.get(MODE)).or(self.authorize_params().get(MODE)) {
            Some(name) => ResponseMode::of(name).unwrap_or_default().settled(response_type),
            None if response_type != ResponseType::Code => ResponseMode::FormPost,
            None => ResponseMode::Query,
        }
    }

    /// Scopes in one string, as the provider wants them.
    pub(crate) fn joined<S: AsRef<str>>(&self, scopes: &[S]) -> Result<String, String> {
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        for scope in scopes.iter().map(AsRef::as_ref) {
            // A scope with spaces in it is a list that somebody has joined already.
            if !scope.bytes().all(|byte| allowed(byte) || byte == b' ') {
                return Err(format!("the scope {scope:?} has characters that RFC 6749 section 3.3 forbids"));
            }
        }
        Ok(scopes.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(self.scope_separator()))
    }
}

/// Refuses names that some server could take for another name that is there, or for one that the library reads.
fn check_names(extras: &Params, read: &[&str]) -> Result<(), String> {
    let names: Vec<&str> = extras.pairs.iter().map(|(name, _)| &**name).collect();
    for (place, &name) in names.iter().enumerate() {
        let others = names[..place].iter().chain(read);
        if let Some(other) =
            others.into_iter().find(|other| **other != name && is_same_parameter(other, name))
        {
            return Err(format!(
                "some servers take the extra parameter {name:?} for {other}; use one name only"
            ));
        }
    }
    Ok(())
}

/// Refuses names in the query of the authorization endpoint that some server could take for one that the library reads.
fn check_kept_names(kept: &[String], read: &[&str]) -> Result<(), String> {
    let is_odd = |name: &&String| read.iter().any(|other| *other != **name && is_same_parameter(other, name));
    match kept.iter().find(is_odd) {
        None => Ok(()),
        Some(name) => Err(format!(
            "some servers take {name:?} in the query of the authorization endpoint for a parameter that the library checks; \
             spell it as the provider does"
        )),
    }
}

/// What OpenID Connect Core section 3.1.2.1 says of parameters that contradict themselves.
fn check_openid_parameters(extras: &Params) -> Result<(), String> {
    let prompts = extras.get("prompt").unwrap_or_default().split(' ');
    if prompts.clone().any(|prompt| prompt == "none") && prompts.count() > 1 {
        return Err("prompt=none cannot be combined with other prompts".to_owned());
    }
    if extras.get("max_age").is_some_and(|age| age.parse::<u64>().is_err()) {
        return Err("max_age must be a whole number of seconds".to_owned());
    }
    if let Some(details) = extras.get("authorization_details") {
        check_authorization_details(details)?;
    }
    for (_, resources) in extras.pairs.iter().filter(|(name, _)| name == "resource") {
        resources.iter().try_for_each(|resource| check_resource(resource))?;
    }
    match extras.get("claims").map(|claims| json::parse(claims.as_bytes())) {
        None | Some(Ok(Value::Object(_))) => Ok(()),
        Some(_) => Err("the parameter claims must be a JSON object".to_owned()),
    }
}

/// Whether a redirect URI is absolute and has no fragment (RFC 6749 section 3.1.2).
fn check_redirect_uri(uri: &str) -> Result<(), String> {
    let absolute =
        url::Url::parse(uri).is_ok_and(|url| !["javascript", "data", "vbscript"].contains(&url.scheme()));
    if absolute && !uri.contains('#') {
        Ok(())
    } else {
        Err(format!(
            "the redirect URI {:?} must be absolute, such as https://app.example/callback, and have no fragment",
            uri.split(['?', '#']).next().unwrap_or_default()
        ))
    }
}
