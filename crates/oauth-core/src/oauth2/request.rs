//! One request to a provider: made, completed by those who take part in it, sent, and its answer read.

use std::{any::Any, sync::Arc};

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{HeaderMap, Method, header::AUTHORIZATION};
use serde_json::{Map, Value};
use time::OffsetDateTime;

#[cfg(feature = "tracing")]
use crate::telemetry;
use crate::{
    client_auth::{AfterReply, ClientAuthentication, EndpointAlias, RequestContext},
    endpoints::Endpoint,
    error::{
        BindingError, Error, ErrorKind, Operation, Result, SigningError,
        transport::{HttpError, HttpErrorKind, MAX_REPLY_BYTES},
    },
    http_client::HttpClient,
    message::{
        draft::{Body, Hidden, RequestDraft},
        response::{Response, ResponseSource, host_of},
    },
    oauth2::{OAuth2, Participant},
    spec::{ClientAuth, RequestFormat, TokenPlace},
    text::form::{check_authorization_details, check_resource, is_same_parameter},
    token::OAuth2Token,
};
#[cfg(any(feature = "metrics", feature = "tracing"))]
use crate::{clock::Instant, oauth2::calls};

/// One request to a provider, in the making: what an override is written with where a provider departs from the
/// standard procedures. Start one with [`OAuth2::request`].
///
/// Every request of this library is made here, so that what must hold for all holds for all: https, no credential in a
/// URL unless the provider demands it, one kind of error.
#[must_use = "a request does nothing until it is sent"]
pub struct Request<'c> {
    client: &'c OAuth2,
    operation: Operation,
    endpoint: Option<Endpoint>,
    draft: RequestDraft,
    auth: Option<ClientAuth>,
    problem: Option<String>,
}

/// A request as those that take part in it know it.
fn context<'u>(
    client: &'u OAuth2,
    operation: Operation,
    endpoint: Option<Endpoint>,
    url: &'u str,
    is_repetition: bool,
) -> RequestContext<'u> {
    RequestContext {
        operation,
        endpoint,
        url,
        issuer: client.issuer(),
        token_endpoint: client.endpoints().token(),
        client_id: client.client_id(),
        now: client.now(),
        is_repetition,
        errors: &client.spec().errors,
    }
}

/// How a request was sent the last time.
struct Sent {
    is_repetition: bool,
    /// The time that was signed, if anything was.
    at: OffsetDateTime,
}

/// Sends one HTTP request, in a span of its own. Paths may contain identifiers of users, and queries secrets: neither is told.
async fn send_by(
    http: &dyn HttpClient,
    request: http::Request<Bytes>,
) -> Result<http::Response<Bytes>, HttpError> {
    #[cfg(feature = "tracing")]
    {
        let span = tracing::debug_span!(
            telemetry::span::HTTP,
            { "http.request.method" } = request.method().as_str(),
            { "server.address" } = request.uri().host(),
            { "http.response.status_code" } = tracing::field::Empty,
            { "error.type" } = tracing::field::Empty,
        );
        let sent = tracing::Instrument::instrument(http.send(request), span.clone()).await;
        match &sent {
            Ok(reply) => span.record("http.response.status_code", reply.status().as_u16()),
            Err(error) => span.record("error.type", error.kind().name()),
        };
        sent
    }
    #[cfg(not(feature = "tracing"))]
    http.send(request).await
}

/// Whether a token has nothing in it but what RFC 6749 appendix A.12 allows: neither control characters nor other scripts.
#[must_use]
pub fn is_sendable(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Form fields that may be there more than once (RFC 8707 section 2, RFC 8693 section 2.1).
const REPEATABLE: &[&str] = &["resource", "audience"];

const RESOURCE: &str = "resource";
const AUTHORIZATION_DETAILS: &str = "authorization_details";

/// Form fields that a request is nothing without.
const INDISPENSABLE: &[&str] = &["code", "refresh_token", "token", "access_token"];

impl<'c> Request<'c> {
    fn new(client: &'c OAuth2, operation: Operation, method: Method, url: String) -> Self {
        let draft = RequestDraft::new(method, url, client.headers().clone(), client.credential_params());
        Self { client, operation, endpoint: None, draft, auth: None, problem: None }
    }

    /// Says which endpoint of the provider's the URL is, so that client authentication can choose its alias.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Leaves something in the request for those that complete it before it is sent ([`RequestDraft::extensions`]). It is there again
    /// when the request is repeated.
    pub fn extension<T: Any + Clone + Send + Sync>(mut self, left: T) -> Self {
        self.draft.extensions_mut().insert(left);
        self
    }

    /// Adds parameters to the URL's query.
    pub fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
        if !query.is_empty() {
            let url = self.draft.url_mut();
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&query);
        }
        self
    }

    /// Sends a form. Pairs with an empty value are left out (RFC 6749 section 3.2), unless nothing works without them.
    pub fn form<'p>(self, pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Self {
        self.fields(RequestFormat::Form, pairs)
    }

    /// Sends parameters in one of the formats that a [`Spec`](crate::Spec) can name, with what [`form`](Self::form) leaves out left out.
    /// In the query, it is sent by GET.
    pub fn fields<'p>(
        mut self,
        format: RequestFormat,
        pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Self {
        match (format, self.draft.body()) {
            (RequestFormat::Json, Body::Json(_))
            | (RequestFormat::Form | RequestFormat::Query, Body::Form(_)) => {}
            (RequestFormat::Json, _) => self.draft.set_body(Body::Json(Map::new().into())),
            (RequestFormat::Form | RequestFormat::Query, _) => self.draft.set_body(Body::Form(Vec::new())),
        }
        if format == RequestFormat::Query {
            self.draft.set_method(Method::GET);
        }
        for (name, value) in pairs {
            if value.is_empty() {
                if INDISPENSABLE.contains(&name) {
                    self.problem = Some(format!("the parameter {name} is empty"));
                }
                continue;
            }
            let is_repeatable = format != RequestFormat::Json && REPEATABLE.contains(&name);
            if self.draft.has_field(name) && !is_repeatable {
                self.problem =
                    Some(format!("the parameter {name} would be sent twice; leave it out of the extra ones"));
            }
            if is_same_parameter(name, AUTHORIZATION_DETAILS)
                && let Err(problem) = check_authorization_details(value)
            {
                self.problem = Some(problem);
            }
            if name == RESOURCE
                && let Err(problem) = check_resource(value)
            {
                self.problem = Some(problem);
            }
            self.draft.push_field(name, value);
        }
        self
    }

    /// Sends JSON.
    pub fn json(mut self, body: Value) -> Self {
        self.draft.set_body(Body::Json(body));
        self
    }

    /// Sends a JSON object of texts.
    pub fn json_texts(mut self, pairs: &[(&str, &str)]) -> Self {
        let mut object = Map::new();
        for &(name, value) in pairs {
            if object.keys().any(|other| is_same_parameter(other, name)) {
                self.problem = Some(format!("the member {name} would be sent twice"));
            }
            object.insert(name.to_owned(), value.into());
        }
        self.json(object.into())
    }

    /// Sends the access token in the `Authorization` header (RFC 6750 section 2.1).
    pub fn bearer(self, access_token: &str) -> Self {
        self.token_header("authorization", "Bearer ", access_token)
    }

    /// Sends an access token in a header of the provider's own, behind a prefix.
    pub fn token_header(mut self, name: &str, prefix: &str, access_token: &str) -> Self {
        if !is_sendable(access_token) || self.draft.set_secret_header(name, prefix, access_token).is_err() {
            self.problem =
                Some(format!("the token is empty or has characters that the header {name} cannot carry"));
        }
        self.draft.set_access_token(access_token.into());
        self
    }

    /// Presents an access token at this place; in a field, of the body that is there.
    pub fn token(mut self, place: TokenPlace, access_token: &str) -> Self {
        match place {
            TokenPlace::Bearer => return self.bearer(access_token),
            TokenPlace::Scheme(scheme) => {
                return self.token_header("authorization", &format!("{scheme} "), access_token);
            }
            TokenPlace::Header(name) => return self.token_header(name, "", access_token),
            TokenPlace::Query(name) => self = self.query(&[(name, access_token)]),
            TokenPlace::Field(_) | TokenPlace::FieldByKind => {
                let name = if let TokenPlace::Field(name) = place { name } else { "access_token" };
                if let Err(problem) = self.draft.add_field(name, access_token) {
                    self.problem = Some(problem);
                }
            }
        }
        if access_token.is_empty() {
            self.problem = Some("the access token is empty".to_owned());
        }
        self.draft.set_access_token(access_token.into());
        self
    }

    /// Sets a header, in place of the client's own.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Err(problem) = self.draft.set_header(name, value) {
            self.problem = Some(problem);
        }
        self
    }

    /// Authenticates the client: by its own [`ClientAuthentication`] if it was given one, else with its secret in this way.
    pub fn client_auth(mut self, auth: ClientAuth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// Keeps a text out of errors, should the server echo it: one that [`query`](Self::query) sends.
    pub fn hide(mut self, secret: &str) -> Self {
        self.draft.hide(secret);
        self
    }

    /// Sends the request and returns the reply, if its status is a success.
    ///
    /// # Errors
    ///
    /// A configuration error before anything is sent, a transport error, or what the provider refused with.
    pub async fn send(self) -> Result<Response> {
        #[cfg(any(feature = "metrics", feature = "tracing"))]
        {
            let (client, operation, watch) = (self.client, self.operation, Instant::now());
            let sent = self.send_to_the_end();
            #[cfg(feature = "tracing")]
            let sent = tracing::Instrument::instrument(
                sent,
                tracing::debug_span!(
                    telemetry::span::REQUEST,
                    provider = client.name(),
                    operation = operation.as_str()
                ),
            );
            let result = sent.await;
            calls::ended(client.name(), operation, &result, watch.elapsed());
            result
        }
        #[cfg(not(any(feature = "metrics", feature = "tracing")))]
        self.send_to_the_end().await
    }

    async fn send_to_the_end(mut self) -> Result<Response> {
        if let Some(problem) = self.problem.take() {
            return Err(self.configuration(problem));
        }
        if self.auth.is_some() {
            self.client.check_credentials().map_err(|error| error.during(self.operation))?;
        }
        let authentication = self.auth.map(|method| self.client.credentials().authentication_by(method));
        self.endpoint = self.endpoint.or_else(|| self.endpoint_by_url());
        let (alias, http) = self.connection(authentication.as_deref());
        self.choose_alias(alias);
        // Before a source of secrets is asked for what could not be sent.
        let url = self.client.checked_url(self.draft.url()).map_err(|problem| self.configuration(problem))?;
        let http = match http {
            Some(own) => own,
            None => self.client.http().map_err(|problem| self.configuration(problem))?,
        };
        let (reply, sent) = self.exchange(&*http, &url, authentication.as_deref()).await?;
        if reply.body().len() > MAX_REPLY_BYTES {
            let error = HttpError::new(HttpErrorKind::TooLarge).with_status(reply.status());
            return Err(self.error(ErrorKind::Transport(error)).with_host(host_of(&url)));
        }
        let Self { client, operation, endpoint, draft, .. } = self;
        let source = ResponseSource {
            provider: client.kept_name(),
            url: url.clone(),
            operation,
            invalid_grant_codes: client.spec().token.invalid_grant_codes,
            never_expires_in: client.spec().token.never_expires_in,
            errors: client.spec().errors,
            used_token: draft.access_token().is_some(),
            presents_dpop: client.presents("DPoP"),
            hidden: Hidden(draft),
        };
        let response = Response::new(source, reply);
        let Err(error) = response.check_status() else { return Ok(response) };
        let draft = response.request();
        let context = context(client, operation, endpoint, draft.url(), sent.is_repetition);
        // What was signed says that it was made then, however long the answer took.
        let context = RequestContext { now: sent.at, ..context };
        let reply = response.reply();
        let advice = authentication.and_then(|authentication| authentication.advice(&context, &reply));
        let error = match advice {
            Some(advice) => error.with_advice(advice),
            None => error,
        };
        let participants = client.participants().iter();
        Err(participants.fold(error, |error, one| one.explain(&context, draft, &reply, error)))
    }

    /// Sends the request, once more for each of those who take part in it and say so. The draft is then what was sent last.
    async fn exchange(
        &mut self,
        http: &dyn HttpClient,
        url: &http::Uri,
        authentication: Option<&dyn ClientAuthentication>,
    ) -> Result<(http::Response<Bytes>, Sent)> {
        let participants = self.client.participants();
        let target = self.draft.url().to_owned();
        // Nobody has a fixed secret sent once more, and most requests need no copy.
        let may_repeat = !participants.is_empty() || self.client.credentials().may_send_again();
        let unsent = may_repeat.then(|| self.draft.clone());
        let mut is_repetition = false;
        // Each has one repetition, so that a new secret and a nonce can be asked for one after the other.
        let (mut authentication_asked, mut participants_asked) = (false, Vec::new());
        loop {
            let context = self.context(&target, is_repetition);
            if let Some(authentication) = authentication {
                let done = authentication.authenticate(&context, &mut self.draft).await;
                done.map_err(|cause| self.not_authenticated(authentication.method(), &*cause))?;
            }
            for participant in participants {
                let done = participant.before_send(&context, &mut self.draft).await;
                done.map_err(|cause| self.not_completed(&*cause))?;
            }
            let request =
                self.draft.to_request(url.clone()).map_err(|problem| self.configuration(problem))?;
            let sent = send_by(http, request).await;
            let reply =
                sent.map_err(|error| self.error(ErrorKind::Transport(error)).with_host(host_of(url)))?;
            let mut is_asked = false;
            if let Some(authentication) = authentication {
                authentication.answered(&context, &reply).await;
                if authentication.after_reply(&context, &reply) == AfterReply::SendAgain {
                    is_asked |= !std::mem::replace(&mut authentication_asked, true);
                }
            }
            for (place, participant) in participants.iter().enumerate() {
                let again = participant.after_reply(&context, &self.draft, &reply).await;
                if again == AfterReply::SendAgain && !participants_asked.contains(&place) {
                    participants_asked.push(place);
                    is_asked = true;
                }
            }
            match &unsent {
                Some(unsent) if is_asked => {
                    let noted = std::mem::take(self.draft.extensions_mut());
                    self.draft = unsent.clone();
                    *self.draft.extensions_mut() = noted;
                }
                _ => return Ok((reply, Sent { is_repetition, at: context.now })),
            }
            #[cfg(feature = "tracing")]
            tracing::debug!(
                { telemetry::EVENT_NAME } = telemetry::event::REQUEST_REPEATED,
                provider = self.client.name(),
                operation = self.operation.as_str(),
                "the request is sent once more"
            );
            is_repetition = true;
        }
    }

    async fn after_reply(
        &self,
        participants: &[Arc<dyn Participant>],
        context: &RequestContext<'_>,
        draft: &RequestDraft,
        reply: &http::Response<Bytes>,
    ) -> AfterReply {
        let mut again = AfterReply::Done;
        for participant in participants {
            if participant.after_reply(context, draft, reply).await == AfterReply::SendAgain {
                again = AfterReply::SendAgain;
            }
        }
        again
    }

    /// Which endpoint of the provider's the URL is, where the caller did not say: a grant of another specification goes to the token
    /// endpoint too.
    fn endpoint_by_url(&self) -> Option<Endpoint> {
        let url = self.draft.url();
        self.client.endpoints().iter().find(|(_, other)| *other == url).map(|(endpoint, _)| endpoint)
    }

    /// Which address is asked, and by which HTTP client if not by the client's own: what authenticates decides, and then those who take
    /// part.
    fn connection(
        &self,
        authentication: Option<&dyn ClientAuthentication>,
    ) -> (EndpointAlias, Option<Arc<dyn HttpClient>>) {
        let alias = authentication.map(ClientAuthentication::endpoint_alias).unwrap_or_default();
        let transport = authentication.and_then(ClientAuthentication::transport);
        if alias != EndpointAlias::Usual || transport.is_some() {
            return (alias, transport);
        }
        let context = self.context(self.draft.url(), false);
        let participants = self.client.participants().iter();
        let chosen = participants.filter_map(|one| one.connection(&context, &self.draft)).next();
        chosen.map_or((alias, None), |chosen| (chosen.alias, Some(chosen.http)))
    }

    fn choose_alias(&mut self, alias: EndpointAlias) {
        if let (EndpointAlias::MutualTls, Some(endpoint)) = (alias, self.endpoint)
            && let Some(url) = self.client.mtls_endpoints().get(endpoint)
        {
            let moved = with_query_of(url, self.draft.url(), self.client.endpoints().get(endpoint));
            *self.draft.url_mut() = moved;
        }
    }

    fn context<'u>(&self, url: &'u str, is_repetition: bool) -> RequestContext<'u>
    where
        'c: 'u,
    {
        context(self.client, self.operation, self.endpoint, url, is_repetition)
    }

    fn not_authenticated(
        &self,
        method: &str,
        cause: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> Error {
        match self.kept_class(cause) {
            Some(error) => error,
            None => self.configuration(format!("client authentication ({method}): {cause}")),
        }
    }

    fn not_completed(&self, cause: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
        self.kept_class(cause).unwrap_or_else(|| self.configuration(cause.to_string()))
    }

    /// What went wrong when a vault or another service was asked is as lasting as it says itself.
    fn kept_class(&self, cause: &(dyn std::error::Error + Send + Sync + 'static)) -> Option<Error> {
        if let Some(error) = cause.downcast_ref::<Error>() {
            return Some(error.clone().during(self.operation));
        }
        if let Some(error) = cause.downcast_ref::<SigningError>() {
            return Some(self.error(ErrorKind::Signing(error.clone())));
        }
        if let Some(error) = cause.downcast_ref::<BindingError>() {
            return Some(self.error(ErrorKind::Binding(error.clone())));
        }
        cause.downcast_ref::<HttpError>().map(|error| self.error(ErrorKind::Transport(error.clone())))
    }

    fn configuration(&self, problem: String) -> Error {
        self.error(ErrorKind::Configuration(problem))
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(self.operation, self.client.kept_name(), kind)
    }
}

impl OAuth2 {
    /// Begins a request of any kind.
    pub fn request(&self, operation: Operation, method: Method, url: impl Into<String>) -> Request<'_> {
        Request::new(self, operation, method, url.into())
    }

    /// Authorizes an application's own request to an API, which another HTTP library sends: by a bearer token (RFC 6750 section
    /// 2.1), or as a participant presents the token, such as with a proof of possession (RFC 9449 section 7.1).
    ///
    /// The result has the headers to send, the request's own among them; give it to [`after_api_reply`](Self::after_api_reply)
    /// with the reply. Whether the token may go to this URL is the caller's to judge.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error for a token of another type, why a participant cannot use it, or a configuration error when
    /// the request could not be completed.
    pub async fn authorize_api_request(
        &self,
        token: &OAuth2Token,
        method: Method,
        url: &str,
        headers: HeaderMap,
        is_repetition: bool,
    ) -> Result<RequestDraft> {
        if headers.contains_key(AUTHORIZATION) {
            let problem = "the request has an Authorization header of its own; leave it to the client";
            return Err(self.error(Operation::API_REQUEST, ErrorKind::Configuration(problem.to_owned())));
        }
        let access_token = self.usable(token)?;
        let place = self.spec().profile.token;
        let place = if place.is_header() { place } else { TokenPlace::Bearer };
        let mut request = self.api_request(method, url, headers).token(place, access_token);
        if let Some(problem) = request.problem.take() {
            return Err(request.configuration(problem));
        }
        let context = request.context(url, is_repetition);
        for participant in self.participants() {
            let done = participant.before_send(&context, &mut request.draft).await;
            done.map_err(|cause| request.not_completed(&*cause))?;
        }
        Ok(request.draft)
    }

    /// Shows an API's reply to the participants, and says whether the request is to be authorized anew and sent once more: because
    /// the API refused it before it did anything, as with a nonce for DPoP (RFC 9449 section 9).
    ///
    /// The body need not be there. The answer to a repetition counts, whatever the participants say.
    pub async fn after_api_reply(
        &self,
        sent: &RequestDraft,
        is_repetition: bool,
        reply: &http::Response<Bytes>,
    ) -> AfterReply {
        let request = self.api_request(sent.method().clone(), sent.url(), HeaderMap::new());
        let context = request.context(sent.url(), is_repetition);
        let again = request.after_reply(self.participants(), &context, sent, reply).await;
        if is_repetition { AfterReply::Done } else { again }
    }

    fn api_request(&self, method: Method, url: &str, headers: HeaderMap) -> Request<'_> {
        let draft = RequestDraft::new(method, url.to_owned(), headers, self.credential_params());
        Request { draft, ..Request::new(self, Operation::API_REQUEST, Method::GET, String::new()) }
    }
}

/// Pairs as `application/x-www-form-urlencoded`, for a provider's own signatures.
#[must_use]
pub fn form_encoded(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// An alias with the parameters that a request has added to the URL of its endpoint. The query of the endpoint itself is not among them: the
/// alias has its own.
fn with_query_of(alias: &str, url: &str, endpoint: Option<&str>) -> String {
    let added = match endpoint.and_then(|endpoint| url.strip_prefix(endpoint)) {
        Some(added) => added.trim_start_matches(['?', '&']),
        None => url.split_once('?').map_or("", |(_, query)| query),
    };
    match added {
        "" => alias.to_owned(),
        added => format!("{alias}{}{added}", if alias.contains('?') { '&' } else { '?' }),
    }
}
