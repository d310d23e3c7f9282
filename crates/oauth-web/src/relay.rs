//! A relay: one registered redirect URI for many deployments whose addresses are not registered.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use oauth_core::{
    LoginAttempt, OffsetDateTime, SealError, Sealer,
    serde_json::{self, Value, json},
};

use crate::{
    answer::AnswerHeaders,
    error::{ResolveError, SetupError, SignInError, SignInErrorKind},
    events,
    origin::Origin,
    parameters::{form_text, query_text},
    redirect_uri::RedirectUri,
    request::SignInRequest,
};

/// A relay for the redirect URIs of preview deployments: providers know one redirect URI, on a stable host, and the relay sends each callback
/// on to the deployment where its sign-in began.
///
/// Both sides need the same settings. A deployment gives them to [`SignIn::relayed_by`](crate::SignIn::relayed_by); the stable host
/// answers its redirect URI with [`answer`](Self::answer). Which deployment a callback belongs to is in its `state`, sealed by a key that
/// both have, together with the time at which it ends. The relay sends callbacks to addresses that [`allow`](Self::allow) lists, and to no
/// other path than that of the deployment's own callback. It has no client secret, keeps nothing, and cannot redeem a code: the verifier
/// never leaves the deployment.
///
/// ```
/// use http::Request;
/// use oauth_core::{Sealer, SealingKey};
/// use oauth_web::{RedirectRelay, SignIn};
///
/// # fn f(relay_key: SealingKey, own_key: SealingKey) -> Result<(), Box<dyn std::error::Error>> {
/// // Registered at GitHub: https://auth.example.dev/relay/github/callback
/// let relay = RedirectRelay::new(Sealer::new(relay_key), "https://auth.example.dev/relay/{provider}/callback")?
///     .allow("https://*.preview.example.dev")?;
///
/// // In each deployment:
/// let sign_in = SignIn::new(Sealer::new(own_key)).at("https://pr-42.preview.example.dev")?.relayed_by(relay.clone());
///
/// // On the stable host, at GET and POST /relay/{provider}/callback:
/// async fn answer(relay: &RedirectRelay, request: Request<String>) -> http::Response<String> {
///     relay.answer(request).await
/// }
/// # Ok(())
/// # }
/// ```
///
/// Whoever has the relay's key can have callbacks sent to any address in the list. So give previews a client of their own at the provider, not
/// that of production, and list addresses that only your own deployments can have.
#[derive(Clone)]
#[must_use]
pub struct RedirectRelay(Arc<RelaySettings>);

#[derive(Clone)]
struct RelaySettings {
    sealer: Sealer,
    redirect_uri: RedirectUri,
    allowed: Vec<OriginPattern>,
}

impl RedirectRelay {
    /// Creates a relay whose redirect URI this is, with `{provider}` for the provider's name. It sends callbacks nowhere until
    /// [`allow`](Self::allow) lists an address.
    ///
    /// # Errors
    ///
    /// [`SetupError::RedirectUri`] if it is not a URI that could be registered, or is plain http to another machine.
    pub fn new(sealer: Sealer, redirect_uri: &str) -> Result<Self, SetupError> {
        if crate::origin::is_exposed(redirect_uri) {
            return Err(SetupError::RedirectUri("it is plain http to another machine"));
        }
        let redirect_uri = RedirectUri::new(redirect_uri).map_err(SetupError::RedirectUri)?;
        Ok(Self(Arc::new(RelaySettings { sealer, redirect_uri, allowed: Vec::new() })))
    }

    /// Sends callbacks to this origin too. A `*` in its first label is any text without a dot: `https://*.preview.example.dev` has
    /// `https://pr-42.preview.example.dev` in it, but neither `https://a.b.preview.example.dev` nor `https://preview.example.dev`. Scheme and
    /// port must be the same.
    ///
    /// # Errors
    ///
    /// [`SetupError::Pattern`] if it is not an origin, if `*` is elsewhere or is all that it says, and for plain http to another machine.
    pub fn allow(mut self, origin: &str) -> Result<Self, SetupError> {
        let pattern = OriginPattern::new(origin).map_err(SetupError::Pattern)?;
        Arc::make_mut(&mut self.0).allowed.push(pattern);
        Ok(self)
    }

    /// Answers a request to the redirect URI: sends the browser on, with all that the provider said, or says what is wrong.
    ///
    /// The path of the request must be that of the redirect URI, as the browser asked for it.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<String>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let (parts, body) = request.into_parts();
        let request = SignInRequest::from(parts);
        let result = self.forward(&request, body).await;
        let mut response = result.unwrap_or_else(|kind| {
            let provider = self.0.redirect_uri.provider_in(request.uri.path()).unwrap_or_default();
            let error = SignInError::new(kind, provider, None, None);
            events::refused("relay", &error);
            error.page()
        });
        AnswerHeaders::private().apply(response.headers_mut());
        response
    }

    async fn forward<B>(&self, request: &SignInRequest, body: B) -> Result<Response<String>, SignInErrorKind>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let provider = self.0.redirect_uri.provider_in(request.uri.path());
        let provider = provider.ok_or(SignInErrorKind::UnknownProvider)?;
        let is_form = match request.method {
            Method::GET => false,
            Method::POST => true,
            _ => return Err(SignInErrorKind::WrongMethod),
        };
        let text = match is_form {
            true => form_text(request, body).await?,
            false => query_text(request)?.to_owned(),
        };
        let state = only_state(&text).ok_or(SignInErrorKind::NoAttempt)?;
        // The segment is in the form in which the deployment wrote it, or the state does not open.
        let redirect_uri = self.redirect_uri_as_written(provider);
        let opened = self.open(&state, &redirect_uri)?;
        let origin = opened.callback_url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let ending = match self.0.redirect_uri.names_provider() {
            true => format!("/{provider}/callback"),
            false => "/callback".to_owned(),
        };
        let is_plain = Origin::fixed(&opened.callback_url).is_ok();
        let is_allowed = self.0.allowed.iter().any(|pattern| pattern.matches(&origin));
        if !is_plain || !is_allowed || !opened.callback_url.ends_with(&ending) {
            return Err(SignInErrorKind::NotRelayed);
        }
        // A form has to be posted once more, and 307 alone keeps method and body (RFC 9110 section 15.4.8).
        let (status, location) = match is_form {
            true => (StatusCode::TEMPORARY_REDIRECT, opened.callback_url),
            false => (StatusCode::SEE_OTHER, format!("{}?{text}", opened.callback_url)),
        };
        let mut response = Response::new(String::new());
        *response.status_mut() = status;
        let location = HeaderValue::try_from(location).map_err(|_| SignInErrorKind::NotRelayed)?;
        response.headers_mut().insert(header::LOCATION, location);
        Ok(response)
    }

    /// The redirect URI of a provider.
    pub(crate) fn redirect_uri(&self, provider: &str) -> String {
        self.0.redirect_uri.of(provider)
    }

    fn redirect_uri_as_written(&self, segment: &str) -> String {
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
        self.redirect_uri(&decoded)
    }

    /// The authorization URL with a state that says where the callback belongs.
    pub(crate) fn relayed(
        &self,
        url: &str,
        attempt: &LoginAttempt,
        callback_url: &str,
    ) -> Result<String, String> {
        let lifetime = i64::try_from(attempt.lifetime().as_secs()).unwrap_or(i64::MAX);
        let until = attempt.started_at().unix_timestamp().saturating_add(lifetime);
        let plain = json!({ "to": callback_url, "state": attempt.state(), "until": until }).to_string();
        let sealed = self.0.sealer.seal_bytes(plain.as_bytes(), &context(attempt.redirect_uri()));
        let sealed = URL_SAFE_NO_PAD.encode(sealed.map_err(|error| error.to_string())?);
        let own = format!("state={}", attempt.state());
        let (before, rest) = url.split_once('?').unwrap_or((url, ""));
        let (query, fragment) =
            rest.split_once('#').map_or((rest, None), |(query, rest)| (query, Some(rest)));
        let replaced = query
            .split('&')
            .map(|pair| if pair == own { format!("state={sealed}") } else { pair.to_owned() });
        let replaced: Vec<_> = replaced.collect();
        if replaced.iter().zip(query.split('&')).filter(|(new, old)| new != old).count() != 1
            || query.split('&').any(|pair| pair.starts_with("request=") || pair.starts_with("request_uri="))
            || attempt.response_mode().is_jwt()
        {
            return Err("its authorization requests or its answers are pushed or signed, so that a relay cannot read their \
                 state; sign in with a registered redirect URI of this deployment, without relayed_by"
                .to_owned());
        }
        let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
        Ok(format!("{before}?{}{fragment}", replaced.join("&")))
    }

    /// What the provider said, with the state of the attempt in place of the sealed one. What was not relayed to this callback stays as it is,
    /// and finds no attempt.
    pub(crate) fn unrelayed(
        &self,
        text: &str,
        redirect_uri: &str,
        callback_url: &str,
    ) -> Result<String, SignInErrorKind> {
        let Some(state) = only_state(text) else { return Ok(text.to_owned()) };
        let opened = self.open(&state, redirect_uri)?;
        if opened.callback_url != callback_url {
            return Err(SignInErrorKind::NotRelayed);
        }
        let pairs = text.split('&').map(|pair| match is_state(pair) {
            true => format!(
                "state={}",
                form_urlencoded::byte_serialize(opened.state.as_bytes()).collect::<String>()
            ),
            false => pair.to_owned(),
        });
        Ok(pairs.collect::<Vec<_>>().join("&"))
    }

    fn open(&self, state: &str, redirect_uri: &str) -> Result<RelayedState, SignInErrorKind> {
        let damaged = || SignInErrorKind::Sealed(SealError::Damaged);
        let sealed = URL_SAFE_NO_PAD.decode(state).map_err(|_| SignInErrorKind::NoAttempt)?;
        let opened =
            self.0.sealer.open_bytes(&sealed, &context(redirect_uri)).map_err(SignInErrorKind::Sealed)?;
        let plain: Value = serde_json::from_slice(&opened.plain).map_err(|_| damaged())?;
        let text = |name: &str| plain[name].as_str().map(str::to_owned).ok_or_else(damaged);
        let until = plain["until"].as_i64().ok_or_else(damaged)?;
        if OffsetDateTime::now_utc().unix_timestamp() > until {
            return Err(SignInErrorKind::Sealed(SealError::Expired));
        }
        Ok(RelayedState { callback_url: text("to")?, state: text("state")? })
    }
}

impl fmt::Debug for RedirectRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedirectRelay")
            .field("redirect_uri", &self.0.redirect_uri)
            .field("allowed", &self.0.allowed)
            .finish_non_exhaustive()
    }
}

/// What is sealed in a state.
struct RelayedState {
    callback_url: String,
    state: String,
}

/// What a state is bound to, so that it opens at no other redirect URI, and nothing else that the key sealed opens as a state.
fn context(redirect_uri: &str) -> Vec<u8> {
    ["oauth-web relay\0".as_bytes(), redirect_uri.as_bytes()].concat()
}

/// The state of a callback; `None` if there is none, or more than one.
fn only_state(text: &str) -> Option<String> {
    let mut states = form_urlencoded::parse(text.as_bytes()).filter(|(name, _)| name == "state");
    states.next().filter(|_| states.next().is_none()).map(|(_, state)| state.into_owned())
}

fn is_state(pair: &str) -> bool {
    form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| name == "state")
}

/// An origin that callbacks are sent to, with at most one `*` in its first label.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OriginPattern {
    before: String,
    /// `None` if there is no `*`.
    after: Option<String>,
}

impl OriginPattern {
    fn new(origin: &str) -> Result<Self, &'static str> {
        let Some((before, after)) = origin.split_once('*') else {
            return Ok(Self { before: plain_origin(origin)?, after: None });
        };
        if before.split_once("://").is_none_or(|(_, label)| label.contains(['.', ':', '[', '/'])) {
            return Err("it has * elsewhere than in the first label of its host");
        }
        let (label, domain) = after.split_once('.').ok_or("it allows any host")?;
        if label.contains('*') || domain.contains('*') {
            return Err("it has more than one *");
        }
        if !domain.split(':').next().unwrap_or_default().trim_end_matches('.').contains('.') {
            return Err("it allows a whole top-level domain");
        }
        // Spelt as browsers spell it, with what no label begins or ends with in place of the star.
        let plain = plain_origin(&format!("{before}0star0{after}"))?;
        let (before, after) = plain.split_once("0star0").ok_or("its host is not one")?;
        Ok(Self { before: before.to_owned(), after: Some(after.to_owned()) })
    }

    fn matches(&self, origin: &str) -> bool {
        let Some(after) = &self.after else { return origin == self.before };
        let label = origin.strip_prefix(&*self.before).and_then(|rest| rest.strip_suffix(&**after));
        label.is_some_and(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
    }
}

/// An origin without a path, by https or on this machine.
fn plain_origin(origin: &str) -> Result<String, &'static str> {
    let Origin::Fixed(plain) = Origin::fixed(origin)? else { return Err("it is not an origin") };
    if plain.matches('/').count() != 2 {
        return Err("it has a path");
    }
    if crate::origin::is_exposed(&plain) {
        return Err("it is plain http to another machine");
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{STATE, attempt, ready, sealer};

    const REDIRECT_URI: &str = "https://auth.example/r/acme/callback";
    const CALLBACK_URL: &str = "https://pr-1.preview.example.dev/auth/acme/callback";

    fn relay(redirect_uri: &str) -> RedirectRelay {
        let relay = RedirectRelay::new(sealer(), redirect_uri).unwrap();
        relay.allow("https://*.preview.example.dev").unwrap()
    }

    /// The state that the provider gets for a sign-in that began so many seconds ago.
    fn sealed(relay: &RedirectRelay, redirect_uri: &str, callback_url: &str, age: i64) -> String {
        let url = format!("https://as.example/authorize?client_id=id&scope=a&state={STATE}#top");
        let relayed = relay.relayed(&url, &attempt(STATE, redirect_uri, age, 0), callback_url).unwrap();
        let rest = relayed.strip_prefix("https://as.example/authorize?client_id=id&scope=a&state=").unwrap();
        rest.strip_suffix("#top").unwrap().to_owned()
    }

    fn answered(relay: &RedirectRelay, method: &str, uri: &str, form: &str) -> Response<String> {
        let request = Request::builder().method(method).uri(uri);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        ready(relay.answer(request.body(form.to_owned()).unwrap()))
    }

    #[test]
    fn a_callback_is_sent_on_to_where_its_sign_in_began_and_opens_nowhere_else() {
        let relay = relay("https://auth.example/r/{provider}/callback");
        let text = format!("code=c&state={}", sealed(&relay, REDIRECT_URI, CALLBACK_URL, 0));
        let uri = format!("/r/acme/callback?{text}");
        for (method, uri, form, status, location) in [
            ("GET", &*uri, "", 303, Some(format!("{CALLBACK_URL}?{text}"))),
            ("POST", "/r/acme/callback", &*text, 307, Some(CALLBACK_URL.to_owned())),
            ("PUT", "/r/acme/callback", &*text, 400, None),
            ("GET", "/r/acme/callback?code=c", "", 400, None),
            ("GET", &*format!("{uri}&state=x"), "", 400, None),
            ("GET", &*uri.replace("acme", "other"), "", 400, None),
            ("GET", &*uri.replace("/r/", "/s/"), "", 404, None),
        ] {
            let response = answered(&relay, method, uri, form);
            assert_eq!(response.status().as_u16(), status, "{method} {uri}");
            let found = response.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
            assert_eq!(found, location, "{method} {uri}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        }

        let own = relay.unrelayed(&text, REDIRECT_URI, CALLBACK_URL).unwrap();
        assert_eq!(own, format!("code=c&state={STATE}"));
        let elsewhere = CALLBACK_URL.replace("pr-1", "pr-2");
        let other = relay.unrelayed(&text, REDIRECT_URI, &elsewhere);
        assert!(matches!(other, Err(SignInErrorKind::NotRelayed)));
        let other = relay.unrelayed(&text, "https://auth.example/r/other/callback", CALLBACK_URL);
        assert!(matches!(other, Err(SignInErrorKind::Sealed(SealError::Damaged))));
        for untouched in ["code=c", "code=c&state=x&state=y"] {
            assert_eq!(relay.unrelayed(untouched, REDIRECT_URI, CALLBACK_URL).unwrap(), untouched);
        }
    }

    #[test]
    fn whoever_has_the_key_sends_callbacks_to_the_listed_addresses_alone() {
        let named = "https://auth.example/r/{provider}/callback";
        let unnamed = "https://auth.example/callback";
        for (redirect_uri, callback_url, status) in [
            (named, CALLBACK_URL, 303),
            (named, "https://pr-1.preview.example.dev/auth/other/callback", 400),
            (named, "https://pr-1.preview.example.dev/auth/acme/link", 400),
            (named, "https://evil.example/auth/acme/callback", 400),
            (named, "https://pr-1.preview.example.dev/x/../auth/acme/callback", 400),
            (named, "http://pr-1.preview.example.dev/auth/acme/callback", 400),
            (unnamed, CALLBACK_URL, 303),
            (unnamed, "https://pr-1.preview.example.dev/auth/acme/link", 400),
        ] {
            let relay = relay(redirect_uri);
            let own = relay.redirect_uri("acme");
            let path = own.strip_prefix("https://auth.example").unwrap();
            let state = sealed(&relay, &own, callback_url, 0);
            let response = answered(&relay, "GET", &format!("{path}?code=c&state={state}"), "");
            assert_eq!(response.status().as_u16(), status, "{redirect_uri} {callback_url}");
        }
    }

    #[test]
    fn a_state_is_relayed_for_as_long_as_its_attempt_lives() {
        let relay = relay("https://auth.example/r/{provider}/callback");
        let opened = |age| {
            let text = format!("state={}", sealed(&relay, REDIRECT_URI, CALLBACK_URL, age));
            relay.unrelayed(&text, REDIRECT_URI, CALLBACK_URL)
        };
        // To its last second, in which the clock must not go on meanwhile.
        let last = loop {
            let (before, last) = (OffsetDateTime::now_utc(), opened(600));
            if OffsetDateTime::now_utc().unix_timestamp() == before.unix_timestamp() {
                break last;
            }
        };
        assert!(last.is_ok());
        assert!(matches!(opened(601), Err(SignInErrorKind::Sealed(SealError::Expired))));
    }

    #[test]
    fn a_request_whose_state_a_relay_cannot_read_is_not_relayed() {
        let relay = relay("https://auth.example/r/{provider}/callback");
        let plain = attempt(STATE, REDIRECT_URI, 0, 0);
        for query in [
            "client_id=id&scope=a".to_owned(),
            format!("client_id=id&state={STATE}&state={STATE}"),
            format!("client_id=id&state={STATE}&request=jwt"),
            format!("client_id=id&state={STATE}&request_uri=urn:x"),
        ] {
            let url = format!("https://as.example/authorize?{query}");
            assert!(relay.relayed(&url, &plain, CALLBACK_URL).is_err(), "{query}");
        }
        let url = format!("https://as.example/authorize?state={STATE}");
        let signed = plain.clone().with_response_mode(oauth_core::ResponseMode::Jwt);
        assert!(relay.relayed(&url, &signed, CALLBACK_URL).is_err());
        assert!(relay.relayed(&url, &plain, CALLBACK_URL).is_ok());
    }

    #[test]
    fn a_star_is_one_label_or_part_of_one() {
        for (pattern, origin, expected) in [
            ("https://*.preview.example.dev", "https://pr-42.preview.example.dev", true),
            ("https://*.preview.example.dev:443/", "https://pr-42.preview.example.dev", true),
            ("https://*.preview.example.dev", "https://a.b.preview.example.dev", false),
            ("https://*.preview.example.dev", "https://preview.example.dev", false),
            ("https://*.preview.example.dev", "https://.preview.example.dev", false),
            ("https://*.preview.example.dev", "http://pr-42.preview.example.dev", false),
            ("https://*.preview.example.dev", "https://pr-42.preview.example.dev:8443", false),
            ("https://*.preview.example.dev", "https://pr-42.preview.example.dev.evil.example", false),
            ("https://*.preview.example.dev", "https://evil.example#.preview.example.dev", false),
            ("https://*.preview.example.dev", "https://evil.example\\.preview.example.dev", false),
            ("https://*.preview.example.dev", "https://u@x.preview.example.dev", false),
            ("https://shop-*-acme.host.example", "https://shop-git-main-acme.host.example", true),
            ("https://shop-*-acme.host.example", "https://shop-evil.example-acme.host.example", false),
            ("https://*.preview.example.dev:8443", "https://pr-42.preview.example.dev:8443", true),
            ("https://app.example", "https://app.example", true),
            ("https://app.example", "https://app.example.evil.example", false),
            ("http://localhost:3000", "http://localhost:3000", true),
        ] {
            assert_eq!(OriginPattern::new(pattern).unwrap().matches(origin), expected, "{pattern} {origin}");
        }
    }

    #[test]
    fn a_pattern_that_allows_too_much_is_refused() {
        for bad in [
            "*",
            "https://*",
            "https://*.dev",
            "https://*.dev.",
            "https://*:443",
            "https://a.*.example.dev",
            "https://*.*.example.dev",
            "https://**.example.dev",
            "https://*.example.dev/path",
            "https://*.example.dev?x",
            "http://*.preview.example.dev",
            "ftp://*.preview.example.dev",
            "*.preview.example.dev",
            "https://u@*.preview.example.dev",
            "",
        ] {
            assert!(OriginPattern::new(bad).is_err(), "{bad}");
        }
        for stars in ["https://*.*.example.dev", "https://**.example.dev"] {
            assert_eq!(OriginPattern::new(stars), Err("it has more than one *"), "{stars}");
        }
    }
}
