//! A request before it is sent, for those that take part in it.

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, header::AUTHORIZATION, header::CONTENT_TYPE,
};
use serde_json::Value;

use crate::{secret::Secret, text::form::is_same_parameter};

/// A request before it is sent: what client authentication and other participants may read and add to.
///
/// The URL is settled by then, because a signature may cover it.
#[derive(Clone)]
pub struct RequestDraft {
    method: Method,
    url: String,
    headers: HeaderMap,
    /// A form is sent in the query of a GET.
    body: Body,
    access_token: Option<Secret>,
    /// What must not appear in an error, should the server echo it, beside what is in the body.
    hidden: Vec<Secret>,
    client_id_param: &'static str,
    client_secret_param: &'static str,
    extensions: Extensions,
}

#[derive(Clone, Default)]
pub(crate) enum Body {
    #[default]
    Empty,
    Form(Vec<(String, Secret)>),
    Json(Value),
}

impl RequestDraft {
    pub(crate) fn new(
        method: Method,
        url: String,
        headers: HeaderMap,
        [client_id_param, client_secret_param]: [&'static str; 2],
    ) -> Self {
        Self {
            method,
            url,
            headers,
            body: Body::Empty,
            access_token: None,
            hidden: Vec::new(),
            client_id_param,
            client_secret_param,
            extensions: Extensions::new(),
        }
    }

    /// The HTTP method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Where the request goes, query included.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers so far.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The access token that authorizes the request, if one does.
    #[must_use]
    pub fn access_token(&self) -> Option<&str> {
        self.access_token.as_ref().map(Secret::expose)
    }

    /// The parameter by which the provider knows the client id: `client_id` for most.
    #[must_use]
    pub fn client_id_param(&self) -> &'static str {
        self.client_id_param
    }

    /// The parameter by which the provider takes the client secret outside of headers: `client_secret` for most.
    #[must_use]
    pub fn client_secret_param(&self) -> &'static str {
        self.client_secret_param
    }

    /// Whether the form, the query that is sent in its place, or the JSON object has a field that some server could take for one of this name.
    #[must_use]
    pub fn has_field(&self, name: &str) -> bool {
        match &self.body {
            Body::Empty => false,
            Body::Form(fields) => fields.iter().any(|(other, _)| is_same_parameter(other, name)),
            Body::Json(value) => value
                .as_object()
                .is_some_and(|members| members.keys().any(|other| is_same_parameter(other, name))),
        }
    }

    /// The text in a field of this very name, of the form, the query that is sent in its place, or the JSON object: such as the code
    /// or the refresh token that is redeemed.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        match &self.body {
            Body::Empty => None,
            Body::Form(fields) => {
                fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.expose())
            }
            Body::Json(value) => value.get(name)?.as_str(),
        }
    }

    /// What those that take part in the request have noted about it for themselves, by type, and what whoever began it left for them
    /// ([`Request::extension`](crate::Request::extension)). None of it is sent. A request that is sent once more begins with what was
    /// noted about it before.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// What those that take part in the request note about it for themselves, to find it when the reply has come.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// Whether the form has this very client id, as a pushed authorization request has it before anybody authenticates.
    fn names_the_client(&self, name: &str, value: &str) -> bool {
        let is_same = |(other, there): &(String, Secret)| other == name && there.expose() == value;
        name == self.client_id_param && matches!(&self.body, Body::Form(fields) if fields.iter().any(is_same))
    }

    /// Adds a field to the form or the JSON object that is sent; a request without a body gets a form. The form of a GET is sent in its
    /// query. A client id that the form has already is not added again.
    ///
    /// # Errors
    ///
    /// When the field is there already, because servers disagree on which of two they read.
    pub fn add_field(&mut self, name: &str, value: &str) -> Result<(), String> {
        if self.names_the_client(name, value) {
            return Ok(());
        }
        if self.has_field(name) {
            return Err(format!(
                "the request has the field {name} already, from its extra parameters or from another part of the client; send it once"
            ));
        }
        self.push_field(name, value);
        Ok(())
    }

    /// Sets a header in place of another of its name.
    ///
    /// # Errors
    ///
    /// When the name or the value is not valid in a header.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (name, value) = header(name, value)?;
        self.headers.insert(name, value);
        Ok(())
    }

    /// Sets a header whose value, but for the prefix, must appear in no error.
    ///
    /// # Errors
    ///
    /// When the name or the value is not valid in a header.
    pub fn set_secret_header(
        &mut self,
        name: &str,
        prefix: &str,
        secret: impl Into<Secret>,
    ) -> Result<(), String> {
        let secret = secret.into();
        let (name, mut value) = header(name, &format!("{prefix}{}", secret.expose()))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self.hidden.push(secret);
        Ok(())
    }

    /// Presents the access token by this scheme of the `Authorization` header in place of `Bearer`, such as `DPoP` (RFC 9449
    /// section 7.1). A request without an access token stays as it is.
    ///
    /// # Errors
    ///
    /// When the scheme is not valid in a header.
    pub fn set_token_scheme(&mut self, scheme: &str) -> Result<(), String> {
        match &self.access_token {
            Some(token) if self.headers.contains_key(AUTHORIZATION) => {
                let token = token.clone();
                self.set_secret_header(AUTHORIZATION.as_str(), &format!("{scheme} "), token)
            }
            _ => Ok(()),
        }
    }

    /// Keeps a text out of errors, should the server echo it.
    pub fn hide(&mut self, secret: impl Into<Secret>) {
        self.hidden.push(secret.into());
    }

    pub(crate) fn set_access_token(&mut self, token: Secret) {
        self.hidden.push(token.clone());
        self.access_token = Some(token);
    }

    pub(crate) fn push_field(&mut self, name: &str, value: &str) {
        match &mut self.body {
            Body::Json(Value::Object(members)) => {
                members.insert(name.to_owned(), value.into());
            }
            Body::Form(fields) => fields.push((name.to_owned(), value.into())),
            body => *body = Body::Form(vec![(name.to_owned(), value.into())]),
        }
    }

    pub(crate) fn set_method(&mut self, method: Method) {
        self.method = method;
    }

    pub(crate) fn set_body(&mut self, body: Body) {
        self.body = body;
    }

    pub(crate) fn body(&self) -> &Body {
        &self.body
    }

    pub(crate) fn url_mut(&mut self) -> &mut String {
        &mut self.url
    }

    pub(crate) fn hidden(&self) -> &[Secret] {
        &self.hidden
    }

    /// The request as it is sent.
    ///
    /// # Errors
    ///
    /// When the fields make the URL one that cannot be sent: it is too long.
    pub(crate) fn to_request(&self, url: http::Uri) -> Result<http::Request<Bytes>, String> {
        let mut url = url;
        let (body, content_type) = match &self.body {
            Body::Empty => (Bytes::new(), None),
            Body::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, value) in fields {
                    form.append_pair(name, value.expose());
                }
                let form = form.finish();
                if self.method == Method::GET {
                    let separator = if url.query().is_some() { '&' } else { '?' };
                    url = format!("{url}{separator}{form}")
                        .parse()
                        .map_err(|_| "the parameters make the URL too long".to_owned())?;
                    (Bytes::new(), None)
                } else {
                    (form.into(), Some("application/x-www-form-urlencoded"))
                }
            }
            Body::Json(value) => (value.to_string().into(), Some("application/json")),
        };
        let mut request = http::Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = url;
        *request.headers_mut() = self.headers.clone();
        if let Some(content_type) = content_type {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        Ok(request)
    }
}

impl std::fmt::Debug for RequestDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        f.debug_struct("RequestDraft")
            .field("method", &self.method)
            .field("url", &url)
            .finish_non_exhaustive()
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err(format!("the header {name} or its value is not valid")),
    }
}

/// What must not appear in an error, should the server echo it: the request as it was sent.
pub(crate) struct Hidden(pub(crate) RequestDraft);

impl Hidden {
    /// All of it.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let Self(draft) = self;
        let is_public = |name: &str| PUBLIC_FIELDS.contains(&name) || name == draft.client_id_param();
        let mut texts = Vec::new();
        match draft.body() {
            Body::Empty => {}
            Body::Form(fields) => {
                let secret = fields.iter().filter(|(name, _)| !is_public(name));
                texts.extend(secret.map(|(_, value)| value.expose()));
            }
            Body::Json(value) => collect_texts(value, &is_public, &mut texts),
        }
        texts.into_iter().chain(draft.hidden().iter().map(Secret::expose))
    }
}

/// All texts of a JSON body, but for those that are not secret by their name.
fn collect_texts<'v>(value: &'v Value, is_public: &dyn Fn(&str) -> bool, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, is_public, texts)),
        Value::Object(members) => {
            for (_, member) in members.iter().filter(|(name, _)| !is_public(name)) {
                collect_texts(member, is_public, texts);
            }
        }
        _ => {}
    }
}

/// Form fields that are not secret; every other value is kept out of errors.
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
    // Words of a pushed authorization request (RFC 9126), which are in error codes and descriptions too: `login_required`.
    "response_type",
    "response_mode",
    "code_challenge_method",
    "prompt",
    "display",
    "max_age",
    "acr_values",
    "ui_locales",
];
