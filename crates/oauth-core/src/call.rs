use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use serde_json::Value;

use crate::{
    OAuth2,
    error::{Error, ErrorKind, Operation, Result},
    form::{Form, check_authorization_details, encoded, is_same_parameter},
    http_client::{HttpError, HttpErrorKind, MAX_REPLY_BYTES},
    reply::Reply,
    secret::Secret,
    spec::ClientAuth,
};

/// One request to a provider, in the making: what an override is written with where a provider departs from the
/// standard procedures. Start one with [`OAuth2::call`].
///
/// Every request of this library is made here, so that what must hold for all holds for all: https, no credential in a
/// URL unless the provider demands it, one kind of error.
#[must_use = "a call does nothing until it is sent"]
pub struct Call<'c> {
    client: &'c OAuth2,
    operation: Operation,
    method: Method,
    url: String,
    /// Beside those that every request of the client carries, or in place of them.
    headers: Vec<(HeaderName, HeaderValue)>,
    form: Option<Form>,
    /// The form as it was sent.
    sent_form: Bytes,
    json: Option<Value>,
    auth: Option<ClientAuth>,
    /// What must not appear in an error, should the server echo it, beside what stands in the form.
    secrets: Vec<Secret>,
    problem: Option<String>,
    /// Whether an access token authorizes the request, so that 401 means that it is dead.
    uses_token: bool,
}

/// Form fields that are no secrets; every other value is kept out of errors.
const PUBLIC_FIELDS: &[&str] = &[
    "grant_type",
    "redirect_uri",
    "scope",
    "token_type_hint",
    "service_provider",
    "client_id",
    "resource",
    "audience",
    "subject_token_type",
    "actor_token_type",
    "requested_token_type",
    "client_assertion_type",
];

const CLIENT_SECRET: &str = "client_secret";

/// Whether a token has nothing in it but what RFC 6749 appendix A.12 allows: neither control characters nor other scripts.
#[must_use]
pub fn is_sendable(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Form fields that may be there more than once (RFC 8707 section 2, RFC 8693 section 2.1).
const REPEATABLE: &[&str] = &["resource", "audience"];

const AUTHORIZATION_DETAILS: &str = "authorization_details";

/// Form fields that a request is nothing without.
const INDISPENSABLE: &[&str] = &["code", "refresh_token", "token", "access_token"];

impl<'c> Call<'c> {
    pub(crate) fn new(
        client: &'c OAuth2,
        operation: Operation,
        method: Method,
        url: impl Into<String>,
    ) -> Self {
        Self {
            client,
            operation,
            method,
            url: url.into(),
            headers: Vec::new(),
            form: None,
            sent_form: Bytes::new(),
            json: None,
            auth: None,
            secrets: Vec::new(),
            problem: None,
            uses_token: false,
        }
    }

    /// Adds parameters to the URL's query.
    pub fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
        if !query.is_empty() {
            self.url = format!("{}{separator}{query}", self.url);
        }
        self
    }

    /// Sends a form. Pairs with an empty value are left out (RFC 6749 section 3.2), unless nothing works without them.
    pub fn form<'p>(mut self, pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Self {
        self.form.get_or_insert_with(Form::new);
        for (name, value) in pairs {
            self.field(name, value);
        }
        self
    }

    fn field(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            if INDISPENSABLE.contains(&name) {
                self.problem = Some(format!("the parameter {name} is empty"));
            }
            return;
        }
        let form = self.form.get_or_insert_with(Form::new);
        if form.has(name) && !REPEATABLE.contains(&name) {
            self.problem =
                Some(format!("the parameter {name} would be sent twice; leave it out of the extra ones"));
        }
        form.push(name, value);
        if is_same_parameter(name, AUTHORIZATION_DETAILS)
            && let Err(problem) = check_authorization_details(value)
        {
            self.problem = Some(problem);
        }
    }

    /// Sends JSON.
    pub fn json(mut self, body: Value) -> Self {
        self.hide_texts(&body);
        self.json = Some(body);
        self
    }

    /// Keeps all texts of a body out of errors, but for those that are no secrets by their name.
    fn hide_texts(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.secrets.push(text.as_str().into()),
            Value::Array(items) => items.iter().for_each(|item| self.hide_texts(item)),
            Value::Object(members) => {
                let client_id_param = self.client.client_id_param();
                for (name, member) in members {
                    if !is_public(name, client_id_param) {
                        self.hide_texts(member);
                    }
                }
            }
            _ => {}
        }
    }

    /// Sends a JSON object of texts.
    pub fn json_texts(self, pairs: &[(&str, &str)]) -> Self {
        let mut object = serde_json::Map::new();
        let mut call = self;
        for &(name, value) in pairs {
            if object.keys().any(|other| is_same_parameter(other, name)) {
                call.problem = Some(format!("the member {name} would be sent twice"));
            }
            object.insert(name.to_owned(), value.into());
        }
        call.json(object.into())
    }

    /// Sends the access token in the `Authorization` header (RFC 6750 section 2.1).
    pub fn bearer(self, access_token: &str) -> Self {
        self.token_header("authorization", "Bearer ", access_token)
    }

    /// Sends an access token in a header of the provider's own, behind a prefix.
    pub fn token_header(mut self, name: &str, prefix: &str, secret: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(format!("{prefix}{secret}"))) {
            (Ok(name), Ok(mut value)) if is_sendable(secret) => {
                value.set_sensitive(true);
                self.headers.push((name, value));
            }
            _ => {
                self.problem =
                    Some(format!("the token is empty or has characters that the header {name} cannot carry"))
            }
        }
        self.secrets.push(secret.into());
        self.uses_token = true;
        self
    }

    /// Sets a header, in place of the client's own.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => {
                self.headers.push((name, value));
            }
            _ => self.problem = Some(format!("the header {name} or its value is not valid")),
        }
        self
    }

    /// Authenticates the client.
    pub fn client_auth(mut self, auth: ClientAuth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// Keeps a text out of errors, should the server echo it: one that [`query`](Self::query) sends.
    pub fn hide(mut self, secret: &str) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// Sends the request and gives back the reply, if its status is a success.
    ///
    /// # Errors
    ///
    /// A configuration error before anything is sent, a transport error, or what the provider refused with.
    pub async fn send(mut self) -> Result<Reply> {
        if let Some(problem) = self.problem.take() {
            return Err(self.error(ErrorKind::Configuration(problem)));
        }
        // Before a source of secrets is asked for what could not be sent.
        let url = self
            .client
            .checked_url(&self.url)
            .map_err(|problem| self.error(ErrorKind::Configuration(problem)))?;
        self.authenticate().await?;
        let request = self.request(url);
        let http = self.client.http().map_err(|problem| self.error(ErrorKind::Configuration(problem)))?;
        let reply = http.send(request).await.map_err(|error| self.error(ErrorKind::Transport(error)))?;
        self.understand(reply)
    }

    /// The request as it is sent.
    fn request(&mut self, url: http::Uri) -> http::Request<Bytes> {
        let (body, headers) = match (self.form.take(), &self.json) {
            (Some(form), _) => {
                self.headers.retain(|(name, _)| name != CONTENT_TYPE);
                self.sent_form = form.finish().into();
                (self.sent_form.clone(), self.client.form_headers())
            }
            (None, Some(json)) => {
                self.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
                (json.to_string().into(), self.client.headers())
            }
            (None, None) => (Bytes::new(), self.client.headers()),
        };
        let mut request = http::Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = url;
        *request.headers_mut() = headers.clone();
        for (name, value) in self.headers.drain(..) {
            set_header(request.headers_mut(), name, value);
        }
        request
    }

    /// What came back, if it is a success.
    fn understand(&mut self, reply: http::Response<Bytes>) -> Result<Reply> {
        if reply.body().len() > MAX_REPLY_BYTES {
            let error = HttpError::new(HttpErrorKind::TooLarge).with_status(reply.status());
            return Err(self.error(ErrorKind::Transport(error)));
        }
        let hidden = Hidden {
            secrets: std::mem::take(&mut self.secrets),
            form: std::mem::take(&mut self.sent_form),
            client_id_param: self.client.client_id_param(),
        };
        Reply::new(self.client, self.operation, reply, hidden, self.uses_token).check_status()
    }

    async fn authenticate(&mut self) -> Result<()> {
        let Some(auth) = self.auth else { return Ok(()) };
        let client = self.client;
        let client_id = client.client_id();
        let secret = client.client_secret_now(self.operation).await?;
        match (auth, secret.as_deref()) {
            // A public client names itself in the body, whatever a confidential one would do (RFC 6749 section 3.2.1).
            (ClientAuth::None, _) | (_, None) => self.in_body(client.client_id_param(), client_id),
            (ClientAuth::Post, Some(secret)) => {
                self.in_body(client.client_id_param(), client_id)?;
                if secret.expose().is_empty() { Ok(()) } else { self.in_body(CLIENT_SECRET, secret.expose()) }
            }
            // One method for each request (RFC 6749 section 2.3).
            (ClientAuth::Basic | ClientAuth::BasicUnencoded, Some(_))
                if self.form.as_ref().is_some_and(|form| form.has(CLIENT_SECRET)) =>
            {
                Err(self.sent_already(CLIENT_SECRET))
            }
            (ClientAuth::Basic | ClientAuth::BasicUnencoded, Some(secret)) => {
                let credentials = match auth {
                    ClientAuth::Basic => format!("{}:{}", encoded(client_id), encoded(secret.expose())),
                    _ => format!("{client_id}:{}", secret.expose()),
                };
                let credentials = STANDARD.encode(credentials);
                let mut value = HeaderValue::try_from(format!("Basic {credentials}")).map_err(|_| {
                    self.error(ErrorKind::Configuration("the client id is not valid".to_owned()))
                })?;
                value.set_sensitive(true);
                self.headers.push((AUTHORIZATION, value));
                self.secrets.extend([Secret::new(credentials), secret.clone()]);
                Ok(())
            }
        }
    }

    /// Adds to the form or the JSON that is sent what the client says of itself.
    fn in_body(&mut self, name: &str, value: &str) -> Result<()> {
        if let Some(Value::Object(json)) = &mut self.json {
            json.insert(name.to_owned(), value.into());
            if name == CLIENT_SECRET {
                self.secrets.push(value.into());
            }
            return Ok(());
        }
        let form = self.form.get_or_insert_with(Form::new);
        if form.has(name) {
            return Err(self.sent_already(name));
        }
        form.push(name, value);
        Ok(())
    }

    fn sent_already(&self, name: &str) -> Error {
        let problem =
            format!("the extra parameters hold {name}, which the client sends itself; leave it out");
        self.error(ErrorKind::Configuration(problem))
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(self.operation, self.client.kept_name(), kind)
    }
}

/// What must not appear in an error, should the server echo it.
pub(crate) struct Hidden {
    secrets: Vec<Secret>,
    /// As it was sent. It is only taken apart should it be needed.
    form: Bytes,
    client_id_param: &'static str,
}

impl Hidden {
    /// All of it.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let of_form = form_urlencoded::parse(&self.form)
            .filter_map(|(name, value)| (!is_public(&name, self.client_id_param)).then_some(value));
        self.secrets.iter().map(|secret| Cow::Borrowed(secret.expose())).chain(of_form)
    }
}

/// Whether what a field holds is no secret, by the field's name.
fn is_public(name: &str, client_id_param: &str) -> bool {
    PUBLIC_FIELDS.contains(&name) || name == client_id_param
}

/// The headers that every request of a client carries.
pub(crate) fn default_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    set_header(&mut headers, ACCEPT, HeaderValue::from_static("application/json"));
    let user_agent = HeaderValue::from_static(concat!("oauth-clients/", env!("CARGO_PKG_VERSION")));
    set_header(&mut headers, USER_AGENT, user_agent);
    headers
}

/// Sets a header in place of another of its name; compiled once, because it is large.
#[inline(never)]
pub(crate) fn set_header(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.insert(name, value);
}

/// Pairs as `application/x-www-form-urlencoded`, for a provider's own signatures.
#[must_use]
pub fn form_encoded(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}
