//! Signing out: at the provider too, and because the provider says so.

use std::{fmt, time::Duration};

use oauth_core::{
    Endpoint, Error, ErrorKind, JwtCheck, LoginError, OAuth2, OffsetDateTime, Operation, Result, Secret,
    SharedCache, SharedCacheError,
    bytes::Bytes,
    provider_kit::form_encoded,
    random_token, same_secret,
    serde_json::{Value, json},
};
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    claims::{Claims, ClaimsExt, LOGOUT_EVENT, moment, seconds},
    expectations::{Expiry, check_times, leeway, span},
    hash::sha256,
    jws::{self, JwtRefusal, shown},
    openid_connect::OpenIDConnect,
    policy::VerificationPolicy,
    verify::Context,
};

/// The method [`RelyingParty::start_logout`](crate::RelyingParty::start_logout), in errors.
pub const START_LOGOUT: Operation = Operation::new("start_logout");
/// The method [`RelyingParty::verify_logout_token`](crate::RelyingParty::verify_logout_token), in errors.
pub const VERIFY_LOGOUT_TOKEN: Operation = Operation::new("verify_logout_token");

/// A request to sign out at the provider too (OpenID Connect RP-Initiated Logout 1.0 section 2).
///
/// ```no_run
/// use oauth_openid::{IdToken, LogoutRequest, OpenID, OpenIDProvider};
///
/// # async fn f(client: OpenID, id_token: &IdToken) -> Result<(), oauth_core::Error> {
/// let request = LogoutRequest::new().id_token_hint(id_token.raw()).return_to("https://app.example/signed-out");
/// let started = client.start_logout(request).await?;
/// // Send the browser to `started.url`, and keep `started.attempt` for when it comes back.
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct LogoutRequest {
    id_token_hint: Option<Secret>,
    return_to: Option<String>,
    others: Vec<(&'static str, String)>,
}

/// A logout that has begun.
#[derive(Clone)]
pub struct StartedLogout {
    /// Where to send the browser.
    pub url: String,
    /// Keep this until the browser comes back, if it is to come back.
    pub attempt: LogoutAttempt,
    endpoint: String,
    fields: Vec<(&'static str, String)>,
}

/// What the browser's return from a logout is checked against.
#[derive(Clone, Serialize, Deserialize)]
pub struct LogoutAttempt {
    #[serde(serialize_with = "expose")]
    state: Secret,
}

impl LogoutRequest {
    /// A logout that ends at the provider's own page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells the provider by the ID token of the login who signs out. Without one, most providers ask the user. An encrypted one is
    /// decrypted first, because the provider must read it.
    pub fn id_token_hint(mut self, id_token: &str) -> Self {
        self.id_token_hint = Some(id_token.into());
        self
    }

    /// Asks for the browser to be sent back to this address, byte for byte one that was registered as `post_logout_redirect_uri`.
    pub fn return_to(mut self, post_logout_redirect_uri: impl Into<String>) -> Self {
        self.return_to = Some(post_logout_redirect_uri.into());
        self
    }

    /// Tells the provider in words of its own who signs out.
    pub fn logout_hint(mut self, hint: impl Into<String>) -> Self {
        self.others.push(("logout_hint", hint.into()));
        self
    }

    /// Names the languages of the provider's pages, the best first (BCP 47).
    pub fn ui_locales<'a>(mut self, locales: impl IntoIterator<Item = &'a str>) -> Self {
        self.others.push(("ui_locales", locales.into_iter().collect::<Vec<_>>().join(" ")));
        self
    }

    pub(crate) async fn started(self, client: &OAuth2) -> Result<StartedLogout> {
        let wrong =
            |problem: &str| Err(client.error(START_LOGOUT, ErrorKind::Configuration(problem.to_owned())));
        let Some(endpoint) = client.endpoints().get(Endpoint::EndSession).map(str::to_owned) else {
            return Err(client.unsupported(START_LOGOUT, "it has no end_session_endpoint"));
        };
        client.check_endpoint(Endpoint::EndSession)?;
        if let Some(return_to) = &self.return_to
            && (return_to.contains('#') || !url::Url::parse(return_to).is_ok_and(|url| url.has_host()))
        {
            return wrong("the address to return to must be an absolute URL without fragment");
        }
        let state = random_token().map_err(|error| error.at(client.name().to_owned()))?;
        let mut fields = Vec::new();
        if let Some(token) = &self.id_token_hint {
            fields.push(("id_token_hint", readable(client, token.expose()).await?));
        }
        // Beside a hint too: some servers take the address to return to only from a client that is named (RP-Initiated Logout
        // section 2).
        fields.push(("client_id", client.client_id().to_owned()));
        if let Some(return_to) = self.return_to {
            fields.push(("post_logout_redirect_uri", return_to));
            fields.push(("state", state.clone()));
        }
        fields.extend(self.others);
        let pairs: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        Ok(StartedLogout {
            url: format!("{endpoint}{joint}{}", form_encoded(&pairs)),
            attempt: LogoutAttempt { state: state.into() },
            endpoint,
            fields,
        })
    }
}

/// The token as the provider can read it (OpenID Connect RP-Initiated Logout 1.0 section 2).
async fn readable(client: &OAuth2, token: &str) -> Result<String> {
    let protocol = match client.participant::<OpenIDConnect>() {
        Some(protocol) if jws::parts(token) == 5 => protocol,
        _ => return Ok(token.to_owned()),
    };
    let context = Context::of_id_tokens(client, START_LOGOUT);
    let decrypted = protocol.decrypted(&context, token).await;
    decrypted.map_err(|error| match error.kind() {
        ErrorKind::Jwt(refused) => {
            let problem = format!("the ID token cannot be a hint: {}", refused.reason);
            client.error(START_LOGOUT, ErrorKind::Configuration(problem))
        }
        _ => error,
    })
}

impl StartedLogout {
    /// The logout as a form that the browser posts, so that the ID token is in no URL and no log: the address and the fields.
    #[must_use]
    pub fn form(&self) -> (&str, &[(&'static str, String)]) {
        (&self.endpoint, &self.fields)
    }
}

impl LogoutAttempt {
    /// Whether the browser came back from this logout, by the query of the address. The application has ended its own session
    /// before, so whoever comes back otherwise is merely shown no word of success.
    ///
    /// # Errors
    ///
    /// [`LoginError::MissingState`], [`LoginError::StateMismatch`] or [`LoginError::DuplicateParameter`].
    pub fn check_return(&self, query: &str) -> Result<(), LoginError> {
        let callback = oauth_core::Callback::from_query(query);
        if callback.pairs().filter(|(name, _)| *name == "state").count() > 1 {
            return Err(LoginError::DuplicateParameter("state".to_owned()));
        }
        match callback.get("state") {
            None | Some("") => Err(LoginError::MissingState),
            Some(state) if same_secret(state, self.state.expose()) => Ok(()),
            Some(_) => Err(LoginError::StateMismatch),
        }
    }

    /// The state by which a return finds its attempt.
    #[must_use]
    pub fn state(&self) -> &str {
        self.state.expose()
    }
}

/// A logout token that passed all checks (OpenID Connect Back-Channel Logout section 2.6): the provider says that a session has
/// ended.
///
/// Answer its request with HTTP 200 and `Cache-Control: no-store` once the session is gone, and with 400 whatever did not pass.
#[derive(Clone)]
pub struct LogoutToken {
    claims: Claims,
    client_id: String,
    provider: String,
    identity_issuer: String,
    /// For how long it would be accepted again.
    remaining: Duration,
}

impl LogoutToken {
    /// The token in a back-channel request's body, which must be a form (section 2.5).
    ///
    /// # Errors
    ///
    /// A protocol error when it is something else, or has no token or several.
    pub fn of_request(content_type: Option<&str>, body: &str) -> Result<Secret> {
        let wrong = |what: &str| {
            let error = oauth_core::JwtError {
                token: oauth_core::JwtUse::LogoutToken,
                check: JwtCheck::Presence,
                reason: what.to_owned(),
            };
            Err(Error::new(VERIFY_LOGOUT_TOKEN, "openid", ErrorKind::Jwt(error)))
        };
        let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return wrong("the request is not a form");
        }
        let callback = oauth_core::Callback::from_form(body);
        let mut tokens = callback.pairs().filter(|(name, _)| *name == "logout_token");
        match (tokens.next(), tokens.next()) {
            (Some((_, token)), None) if !token.is_empty() => Ok(token.into()),
            _ => wrong("the request has no logout_token, or several"),
        }
    }

    pub(crate) fn check(
        claims: Claims,
        client_id: &str,
        policy: &VerificationPolicy,
    ) -> Result<Self, JwtRefusal> {
        let wrong = |check, reason: &str| Err((check, reason.to_owned()));
        if !claims.audiences().is_some_and(|audiences| audiences.contains(&client_id)) {
            let reason = format!("its aud is {}, which is not this client", shown(claims.get("aud")));
            return Err((JwtCheck::Audience, reason));
        }
        let expiry = match policy.logout_expiry_may_be_missing {
            true => Expiry::MayBeMissing,
            false => Expiry::Required,
        };
        check_times(&claims, policy, expiry)?;
        let age = seconds(policy.clock.now()) - claims.date("iat").unwrap_or_default();
        let limit = policy.token_age.as_secs_f64() + leeway(policy);
        if age > limit {
            let reason =
                format!("it was issued {} ago (iat), which is too long for a logout token", span(age));
            return Err((JwtCheck::IssuedAt, reason));
        }
        // Members beside the event are for those who know them (RFC 8417 section 2), such as Keycloak's `revoke_offline_access`.
        let event = claims.get("events").and_then(|events| events.get(LOGOUT_EVENT));
        if !event.is_some_and(Value::is_object) {
            return wrong(
                JwtCheck::Events,
                "its events do not hold that of a back-channel logout, with an object",
            );
        }
        if claims.contains_key("nonce") {
            return wrong(JwtCheck::Nonce, "it has a nonce, which a logout token must not have");
        }
        let is_text = |name: &str| match claims.get(name) {
            None => Ok(false),
            Some(Value::String(text)) if !text.is_empty() => Ok(true),
            Some(other) => Err((JwtCheck::Session, format!("its {name} is {}", shown(Some(other))))),
        };
        if !(is_text("sub")? | is_text("sid")?) {
            return wrong(JwtCheck::Session, "it has neither sub nor sid, so it ends nothing");
        }
        if claims.text("jti").is_none_or(str::is_empty) {
            return wrong(JwtCheck::Replay, "it has no jti, by which it could be told from its copy");
        }
        let remaining = Duration::from_secs_f64((limit - age).clamp(0.0, limit) + leeway(policy));
        Ok(Self {
            client_id: client_id.to_owned(),
            provider: String::new(),
            identity_issuer: claims.text("iss").unwrap_or_default().to_owned(),
            claims,
            remaining,
        })
    }

    /// The token with the names by which the client that verified it knows provider and user.
    pub(crate) fn known_to(self, client: &OAuth2, protocol: &OpenIDConnect) -> Self {
        let identity_issuer = protocol.identity_issuer(client, &self.claims).to_owned();
        Self { provider: client.name().to_owned(), identity_issuer, ..self }
    }

    /// Whether this is the first time that this client uses the token. Of several requests with one token, one gets `true`; another
    /// client that the token names too, and who shares the store, uses it once itself.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering. Answer the request with 400 then: the provider tries again.
    pub async fn use_once(&self, used: &dyn SharedCache) -> Result<bool, SharedCacheError> {
        used.put_new(&self.name_of_use(), Bytes::new(), self.remaining).await
    }

    /// Takes [`use_once`](Self::use_once) back, when the session could not be ended: the provider may send the token again.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering.
    pub async fn forget_use(&self, used: &dyn SharedCache) -> Result<(), SharedCacheError> {
        used.take(&self.name_of_use()).await.map(drop)
    }

    fn name_of_use(&self) -> String {
        let jti = self.claims.text("jti").unwrap_or_default();
        // The hash keeps one part from being taken for another, and the name short.
        let [hash, _] = sha256(&json!([self.issuer(), self.client_id, jti]).to_string());
        format!("logout_token:{hash}")
    }

    /// The name of the provider whose client verified the token.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// `iss`: the issuer that the session was at, as an ID token names it. Users may be known under another name:
    /// [`identity_issuer`](Self::identity_issuer).
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.claims.text("iss").unwrap_or_default()
    }

    /// The issuer of the user's [`Identity`](oauth_core::Identity), which together with the [subject](Self::subject) is the key of the account.
    /// It is another than [`issuer`](Self::issuer) where the provider goes by several names ([`Issuers`](crate::Issuers)), or the client was
    /// given one by [`with_identity_issuer`](oauth_core::Provider::with_identity_issuer).
    #[must_use]
    pub fn identity_issuer(&self) -> &str {
        &self.identity_issuer
    }

    /// `sub`: whose sessions end. Without a session id, all of this user at this issuer.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.claims.text("sub").filter(|subject| !subject.is_empty())
    }

    /// `sid`: which session ends. It means something together with the issuer only.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.claims.text("sid").filter(|session| !session.is_empty())
    }

    /// `iat`: when the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<OffsetDateTime> {
        self.claims.get("iat").and_then(moment)
    }

    /// Whether it ends a session of this user that began with this ID token's `sid`, if it had one (section 2.7). The issuer is that of the ID
    /// token or that of the identity.
    #[must_use]
    pub fn ends(&self, issuer: &str, subject: &str, session_id: Option<&str>) -> bool {
        let same_subject = self.subject().is_none_or(|own| own == subject);
        let same_session = match self.session_id() {
            None => true,
            Some(own) => session_id == Some(own),
        };
        [self.issuer(), self.identity_issuer()].contains(&issuer) && same_subject && same_session
    }
}

/// What the provider's page says in a hidden frame: a session has ended (OpenID Connect Front-Channel Logout section 2).
///
/// It is not signed. End only the session of this browser, and only if it [`is_of`](Self::is_of) that session. Answer with
/// `Cache-Control: no-store`, and without `X-Frame-Options` for this path alone; the session's cookie must be `SameSite=None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrontChannelLogout {
    issuer: Option<String>,
    session_id: Option<String>,
}

impl FrontChannelLogout {
    /// Reads the query of the request.
    #[must_use]
    pub fn from_query(query: &str) -> Self {
        let callback = oauth_core::Callback::from_query(query);
        let once = |name: &str| {
            let mut values = callback.pairs().filter(|(other, _)| *other == name).map(|(_, value)| value);
            match (values.next(), values.next()) {
                (Some(value), None) if !value.is_empty() => Some(value.to_owned()),
                _ => None,
            }
        };
        Self { issuer: once("iss"), session_id: once("sid") }
    }

    /// Whether it means the session that began with an ID token of this issuer with this `sid`. Both must be there and match,
    /// unless the client did not register `frontchannel_logout_session_required` and neither is there.
    #[must_use]
    pub fn is_of(&self, issuer: &str, session_id: Option<&str>, session_required: bool) -> bool {
        match (&self.issuer, &self.session_id) {
            (None, None) => !session_required,
            (Some(own), Some(id)) => own == issuer && session_id == Some(id),
            _ => false,
        }
    }
}

fn expose<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    secret.expose().serialize(serializer)
}

impl fmt::Debug for LogoutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutRequest").field("return_to", &self.return_to).finish_non_exhaustive()
    }
}

impl fmt::Debug for StartedLogout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartedLogout").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl fmt::Debug for LogoutAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogoutAttempt(…)")
    }
}

impl fmt::Debug for LogoutToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutToken")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::{Provider, async_trait};

    use super::*;
    use crate::{
        encryption::{DecryptError, Decrypter},
        openid_connect::MetadataSource,
        testing::{LEEWAY, NOW, claims, policy},
    };

    /// A logout token with these claims beside those of a good one.
    fn check(mut others: Value) -> Result<LogoutToken, JwtCheck> {
        for (name, value) in [("events", json!({ LOGOUT_EVENT: {} })), ("jti", json!("1"))] {
            if others.get(name).is_none() {
                others[name] = value;
            }
        }
        let policy = policy().token_age(Duration::from_secs(100));
        LogoutToken::check(claims(others), "app", &policy).map_err(|(check, _)| check)
    }

    #[test]
    fn bc_a_logout_token_is_taken_for_a_while_and_remembered_as_long() {
        let remaining = |iat: i64| check(json!({ "iat": iat })).map(|token| token.remaining.as_secs());
        assert_eq!(remaining(NOW), Ok(220));
        assert_eq!(remaining(NOW + LEEWAY), Ok(220));
        assert_eq!(remaining(NOW - 100), Ok(120));
        assert_eq!(remaining(NOW - 100 - LEEWAY), Ok(60));
        assert_eq!(remaining(NOW - 100 - LEEWAY - 1), Err(JwtCheck::IssuedAt));
    }

    #[test]
    fn bc_a_logout_token_says_whose_session_ends_and_nothing_else() {
        let refused = |others: Value| check(others).err();
        assert_eq!(refused(json!({})), None);
        assert_eq!(refused(json!({"sub": null, "sid": "s"})), None);
        assert_eq!(refused(json!({"sub": null})), Some(JwtCheck::Session));
        assert_eq!(refused(json!({"sid": ""})), Some(JwtCheck::Session));
        assert_eq!(refused(json!({"sid": 1})), Some(JwtCheck::Session));
        assert_eq!(refused(json!({"aud": "other"})), Some(JwtCheck::Audience));
        assert_eq!(refused(json!({"nonce": "n"})), Some(JwtCheck::Nonce));
        assert_eq!(refused(json!({"jti": ""})), Some(JwtCheck::Replay));
        assert_eq!(refused(json!({"jti": null})), Some(JwtCheck::Replay));
        assert_eq!(refused(json!({"events": {LOGOUT_EVENT: true}})), Some(JwtCheck::Events));
        assert_eq!(refused(json!({"events": {}})), Some(JwtCheck::Events));
        assert_eq!(refused(json!({"exp": null})), Some(JwtCheck::Expiry));
    }

    #[test]
    fn bc_a_logout_ends_the_sessions_that_it_names() {
        let issuer = "https://op.example";
        let user = check(json!({})).unwrap();
        assert_eq!((user.issuer(), user.subject(), user.session_id()), (issuer, Some("alice"), None));
        assert_eq!(user.issued_at().unwrap().unix_timestamp(), NOW);
        assert!(user.ends(issuer, "alice", None) && user.ends(issuer, "alice", Some("s")));
        assert!(!user.ends(issuer, "bob", None) && !user.ends("https://other.example", "alice", None));
        let session = check(json!({"sub": null, "sid": "s"})).unwrap();
        assert_eq!((session.subject(), session.session_id()), (None, Some("s")));
        assert!(session.ends(issuer, "anyone", Some("s")));
        assert!(!session.ends(issuer, "anyone", Some("t")) && !session.ends(issuer, "anyone", None));
    }

    #[test]
    fn fc_a_front_channel_logout_means_one_session() {
        let means =
            |query: &str, id, required| FrontChannelLogout::from_query(query).is_of("i", id, required);
        assert!(means("iss=i&sid=s", Some("s"), true));
        assert!(!means("iss=i&sid=s", Some("t"), false));
        assert!(!means("iss=i&sid=s", None, false));
        assert!(!means("iss=j&sid=s", Some("s"), false));
        for neither in ["", "iss=&sid="] {
            assert!(means(neither, Some("s"), false) && !means(neither, Some("s"), true), "{neither}");
        }
        for half in ["iss=i", "sid=s", "iss=i&sid=", "iss=i&sid=s&sid=s"] {
            assert!(!means(half, Some("s"), false), "{half}");
        }
    }

    #[test]
    fn bc_a_request_is_a_form_with_one_token() {
        let form = Some("application/x-www-form-urlencoded; charset=utf-8");
        let token = LogoutToken::of_request(form, "logout_token=a.b.c&x=y").unwrap();
        assert_eq!(token.expose(), "a.b.c");
        for body in ["", "logout_token=", "logout_token=a&logout_token=a"] {
            assert!(LogoutToken::of_request(form, body).is_err(), "{body}");
        }
        assert!(LogoutToken::of_request(Some("application/json"), "logout_token=a").is_err());
        assert!(LogoutToken::of_request(None, "logout_token=a").is_err());
    }

    #[test]
    fn rp_a_return_from_a_logout_brings_its_state_once() {
        let attempt = LogoutAttempt { state: "s".into() };
        assert_eq!(attempt.state(), "s");
        assert!(attempt.check_return("state=s&x=y").is_ok());
        assert!(matches!(attempt.check_return("state=t"), Err(LoginError::StateMismatch)));
        for missing in ["", "state="] {
            assert!(matches!(attempt.check_return(missing), Err(LoginError::MissingState)), "{missing}");
        }
        let twice = attempt.check_return("state=s&state=s");
        assert!(matches!(twice, Err(LoginError::DuplicateParameter(_))));
    }

    /// Decrypts everything to one text, or nothing.
    #[derive(Debug)]
    struct Decrypts(Option<&'static str>);

    #[async_trait]
    impl Decrypter for Decrypts {
        async fn decrypt(&self, _: &str) -> Result<String, DecryptError> {
            self.0.map(str::to_owned).ok_or(DecryptError::Algorithm)
        }
    }

    #[tokio::test]
    async fn rp_an_encrypted_token_is_a_hint_only_where_it_can_be_decrypted() {
        let hint = async |policy: VerificationPolicy, token: &str| {
            let protocol = OpenIDConnect::new(MetadataSource::Spec, policy);
            let client = OAuth2::new("id", "secret", "https://op.example/auth", "https://op.example/token")
                .with_endpoints(|all| all.with(Endpoint::EndSession, "https://op.example/end"))
                .with_participant(protocol);
            let started = LogoutRequest::new().id_token_hint(token).started(&client).await?;
            Ok::<_, Error>(started.form().1[0].1.clone())
        };
        let decrypts = |text| policy().decrypter(Decrypts(text));
        assert_eq!(hint(decrypts(Some("d.e.f")), "a.b.c").await.unwrap(), "a.b.c");
        assert_eq!(hint(decrypts(Some("d.e.f")), "1.2.3.4.5").await.unwrap(), "d.e.f");
        for (policy, why) in [(policy(), "it is encrypted"), (decrypts(None), "with an algorithm")] {
            let error = hint(policy, "1.2.3.4.5").await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Configuration(_)), "{error}");
            assert!(
                error.to_string().contains("cannot be a hint") && error.to_string().contains(why),
                "{error}"
            );
        }
    }

    #[test]
    fn logouts_show_no_token_and_no_state() {
        let request = LogoutRequest::new().id_token_hint("secret-1").return_to("https://app.example/");
        let shown = format!("{request:?}");
        assert!(shown.contains("https://app.example/") && !shown.contains("secret"), "{shown}");
        let attempt = LogoutAttempt { state: "secret-2".into() };
        assert_eq!(format!("{attempt:?}"), "LogoutAttempt(…)");
        let started = StartedLogout {
            url: "https://op.example/end?id_token_hint=secret-1".to_owned(),
            attempt,
            endpoint: "https://op.example/end".to_owned(),
            fields: vec![("id_token_hint", "secret-1".to_owned())],
        };
        assert_eq!(started.form(), ("https://op.example/end", &*started.fields));
        let shown = format!("{started:?}");
        assert!(shown.contains("https://op.example/end") && !shown.contains("secret"), "{shown}");
        let shown = format!("{:?}", check(json!({"sid": "secret-3"})).unwrap());
        assert!(shown.contains("alice") && !shown.contains("secret"), "{shown}");
    }
}
