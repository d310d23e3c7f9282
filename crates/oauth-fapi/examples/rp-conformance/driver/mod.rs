//! The steps of one run, in their order.

pub(crate) mod browser;
mod endpoints;
mod report;
mod secured;
mod settings;

use std::{sync::Arc, time::Duration};

use oauth_fapi::{Ciba, CibaDelivery, CibaNotification, CibaRequest, Signer};
use oauth_openid::{
    Algorithm, ClientMetadata, Discovery, IdToken, LogoutRequest, OpenID, OpenIDProvider, RegisteredClient,
    UserInfoForm,
    oauth_core::{
        ClientAuth, ClientSecret, Credentials, Login, LoginOptions, OAuth2Token, Operation, Provider,
        ResponseType,
        http::Method,
        serde_json::{self, Value, json},
    },
    webfinger,
};
use oauth_reqwest::{reqwest, reqwest_client, rustls::ClientConfig};

use browser::{Arrival, Browser};
use endpoints::{Endpoints, Event};
pub(crate) use report::{Outcome, Report};
use report::{Stop, refused};
use secured::Secured;
pub(crate) use settings::{BrowserKind, Settings};

/// Calling an API with the access token, in errors.
const CALL_API: Operation = Operation::new("call_api");

/// Runs all steps, up to the first that does not succeed.
pub(crate) async fn run(settings: &Settings, report: &mut Report) {
    if let Err(stop) = steps(settings, report).await {
        report.add(stop);
    }
}

async fn steps(settings: &Settings, report: &mut Report) -> Result<(), Stop> {
    let tls = settings.tls().map_err(|problem| Stop::failed("settings", problem))?;
    let http = reqwest_client(|defaults| trusting(defaults, tls.as_ref())).map_err(refused("settings"))?;
    let browser = Browser::new(|defaults| trusting(defaults, tls.as_ref())).map_err(refused("settings"))?;
    let browser = browser.filling(settings.fill.clone());

    let issuer = match (&settings.issuer, &settings.webfinger) {
        (Some(issuer), _) => issuer.clone(),
        (None, resource) => {
            let resource = resource.as_deref().unwrap_or_default();
            let issuer =
                webfinger(resource, Some(Arc::new(http.clone()))).await.map_err(refused("webfinger"))?;
            report.accepted("webfinger", json!({ "issuer": issuer }));
            issuer
        }
    };
    let discovery = Discovery::new(issuer).with_http_client(http);
    let metadata = discovery.fetch().await.map_err(refused("discover"))?;
    report.accepted("discover", json!({ "issuer": metadata.issuer() }));
    if settings.ends_after("discover") {
        return Ok(());
    }
    if settings.ends_after("keys") {
        let nobody = discovery.client("unregistered", ClientSecret::NONE).map_err(refused("keys"))?;
        nobody.warm_up().await.map_err(refused("keys"))?;
        report.accepted("keys", json!({}));
        return Ok(());
    }

    let endpoints = Endpoints::listen(settings).await.map_err(|problem| Stop::failed("listen", problem))?;
    report.accepted("listen", json!({ "redirect_uri": endpoints.redirect_uri() }));

    let secured = Secured::of(settings, &endpoints).map_err(|problem| Stop::failed("settings", problem))?;
    let (client, registered) = client(settings, report, &discovery, &endpoints, &secured).await?;
    if settings.ends_after("register") {
        return Ok(());
    }
    // As an application that has run for a while: it knows keys, which may no longer be those that the provider signs with.
    client.warm_up().await.map_err(refused("keys"))?;
    report.accepted("keys", json!({}));
    let mut run = Run { settings, browser, endpoints, client };
    run.endpoints.serve(run.client.clone());

    let mut last = None;
    if settings.ciba.is_some() {
        for _ in 0..settings.logins {
            let token = run.authenticate_elsewhere(report, secured.signer()).await?;
            run.use_token(report, &token).await?;
        }
        return run.end(report, registered, &discovery).await;
    }
    for _ in 0..settings.logins {
        let login = run.sign_in(report).await?;
        let token = run.use_token(report, &login.token).await?;
        last = Some((login, token));
    }
    if let (true, Some((login, _))) = (settings.logs_out(), &last) {
        run.sign_out(report, login).await?;
    }
    run.end(report, registered, &discovery).await
}

fn trusting(defaults: reqwest::ClientBuilder, tls: Option<&ClientConfig>) -> reqwest::ClientBuilder {
    match tls {
        Some(tls) => defaults.tls_backend_preconfigured(tls.clone()),
        None => defaults,
    }
}

/// The client that was given, or a new one.
async fn client(
    settings: &Settings,
    report: &mut Report,
    discovery: &Discovery,
    endpoints: &Endpoints,
    secured: &Secured,
) -> Result<(OpenID, Option<RegisteredClient>), Stop> {
    if let Some(id) = &settings.client_id {
        let client = given(settings, discovery, id, secured)?;
        report.accepted("client", json!({ "client_id": id }));
        return Ok((client, None));
    }
    let metadata = secured.registration(registration(settings, endpoints));
    let token = settings.initial_access_token.as_deref();
    let registered = OpenID::register(discovery, &metadata, token).await.map_err(refused("register"))?;
    report.accepted("register", json!({ "client_id": registered.client_id() }));
    let client = match secured.authenticates() {
        true => given(settings, discovery, registered.client_id(), secured)?,
        false => secured.client(registered.client(discovery).map_err(refused("register"))?)?,
    };
    Ok((client, Some(registered)))
}

fn given(settings: &Settings, discovery: &Discovery, id: &str, secured: &Secured) -> Result<OpenID, Stop> {
    let wrong = |problem: String| Stop::failed("settings", problem);
    let secret = match &settings.client_secret {
        Some(secret) => ClientSecret::from(secret.clone()),
        None => ClientSecret::NONE,
    };
    let credentials = secured.credentials().map_or_else(|| Credentials::from(secret), Clone::clone);
    let mut client = discovery.clone().client(id, credentials).map_err(refused("client"))?;
    if let Some(method) = settings.token_endpoint_auth_method.as_ref().filter(|_| !secured.authenticates()) {
        let known = [ClientAuth::Basic, ClientAuth::Post, ClientAuth::None];
        let auth = known.into_iter().find(|auth| auth.as_str() == method);
        client = client.with_client_auth(auth.ok_or_else(|| wrong(format!("{method:?} is not known here")))?);
    }
    let algorithm =
        |name: &String| Algorithm::of(name).ok_or_else(|| wrong(format!("{name:?} is not accepted here")));
    if let Some(name) = &settings.id_token_alg {
        let algorithm = algorithm(name)?;
        client = client.with_policy(|policy| policy.algorithms([algorithm]));
    }
    if let Some(name) = &settings.userinfo_alg {
        let algorithm = algorithm(name)?;
        client = client
            .with_policy(|policy| policy.userinfo(UserInfoForm::Signed).userinfo_algorithms([algorithm]));
    }
    secured.client(client)
}

/// What the client says of itself.
fn registration(settings: &Settings, endpoints: &Endpoints) -> ClientMetadata {
    let grants: &[&str] = match settings.response_type() {
        _ if settings.ciba.is_some() => &["urn:openid:params:grant-type:ciba", "refresh_token"],
        // A provider hands an ID token out at its authorization endpoint to those only who registered this.
        ResponseType::CodeIdToken => &["authorization_code", "refresh_token", "implicit"],
        _ => &["authorization_code", "refresh_token"],
    };
    let response_types = match settings.ciba {
        Some(_) => Vec::new(),
        None => vec![settings.response_type().as_str()],
    };
    let kind = if endpoints.is_on_loopback() { "native" } else { "web" };
    let at = |wanted: bool, path: &str| wanted.then(|| endpoints.at(path));
    ClientMetadata::new([endpoints.redirect_uri()])
        .set("client_name", "rp-conformance")
        .set("application_type", kind)
        .set("response_types", response_types)
        .set("grant_types", grants)
        .set("token_endpoint_auth_method", &settings.token_endpoint_auth_method)
        .set("id_token_signed_response_alg", &settings.id_token_alg)
        .set("userinfo_signed_response_alg", &settings.userinfo_alg)
        .set("post_logout_redirect_uris", at(settings.logs_out(), endpoints::POST_LOGOUT).map(|uri| [uri]))
        .set("backchannel_logout_uri", at(settings.back_channel_logout, endpoints::BACK_CHANNEL))
        .set("backchannel_logout_session_required", settings.back_channel_logout.then_some(true))
        .set("frontchannel_logout_uri", at(settings.front_channel_logout, endpoints::FRONT_CHANNEL))
        .set("frontchannel_logout_session_required", settings.front_channel_logout.then_some(true))
        .set("request_object_signing_alg", settings.uses_request_uri().then_some("none"))
        .set("request_uris", settings.uses_request_uri().then(|| [endpoints.request_uri()]))
        .set("backchannel_token_delivery_mode", &settings.ciba)
        .set(
            "backchannel_client_notification_endpoint",
            at(settings.ciba.as_deref() == Some("ping"), endpoints::CIBA),
        )
        .set("initiate_login_uri", at(settings.third_party_login, endpoints::INITIATE))
}

/// What each login asks for, besides what it begins with.
fn options(settings: &Settings, begun: LoginOptions) -> LoginOptions {
    let mut options = begun.response_type(settings.response_type());
    if let Some(mode) = settings.response_mode {
        options = options.response_mode(mode);
    }
    if !settings.scope.is_empty() {
        options = options.scopes(settings.scope.clone());
    }
    if let Some(prompt) = &settings.prompt {
        options = options.prompt(prompt);
    }
    if let Some(seconds) = settings.max_age {
        options = options.max_age(Duration::from_secs(seconds));
    }
    if let Some(hint) = &settings.login_hint {
        options = options.login_hint(hint);
    }
    if !settings.acr.is_empty() {
        options = options.require_acr(settings.acr.iter().map(String::as_str));
    }
    if let Some(claims) = settings.claims.as_deref().and_then(|text| serde_json::from_str(text).ok()) {
        options = options.claims(&claims);
    }
    options
}

/// One run with one client.
struct Run<'s> {
    settings: &'s Settings,
    browser: Browser,
    endpoints: Endpoints,
    client: OpenID,
}

impl Run<'_> {
    /// One login, begun here or by the provider.
    async fn sign_in(&mut self, report: &mut Report) -> Result<Login, Stop> {
        if !self.settings.third_party_login {
            let redirect_uri = self.endpoints.redirect_uri();
            let options = options(self.settings, LoginOptions::new());
            let started =
                self.client.start_login(&redirect_uri, options).await.map_err(refused("start_login"))?;
            self.endpoints.keep(started.attempt);
            let url = self.endpoints.sent(&started.url);
            self.browse(report, "login", &url).await?;
        } else {
            // Whoever calls that address is the browser.
            report
                .accepted("waiting", json!({ "initiate_login_uri": self.endpoints.at(endpoints::INITIATE) }));
        }
        let (attempt, callback) = loop {
            match self.event("login").await? {
                Event::Initiated(outcome) => {
                    outcome.map_err(|problem| Stop::refused("initiate", "Issuer", problem))?;
                    report.accepted("initiate", json!({}));
                }
                Event::Callback { attempt, callback } => break (attempt, callback),
                _ => {}
            }
        };
        let Some(attempt) = attempt else {
            let problem = "the callback's state belongs to no login of this run";
            return Err(Stop::refused("login", "StateMismatch", problem));
        };
        let login = self.client.finish_login(*attempt, callback).await.map_err(refused("login"))?;
        let Some(id_token) = IdToken::of(&login) else {
            return Err(Stop::failed("login", "the login has no ID token"));
        };
        self.endpoints.began(id_token);
        let header: Option<Value> = header_of(id_token.raw());
        report.accepted(
            "login",
            json!({
                "issuer": id_token.issuer(),
                "subject": id_token.subject(),
                "alg": header.map(|header| header["alg"].clone()),
                "acr": id_token.acr(),
                "auth_time": id_token.authenticated_at().map(|at| at.unix_timestamp()),
                "sid": id_token.session_id(),
            }),
        );
        Ok(login)
    }

    /// Has the user authenticated on another device.
    async fn authenticate_elsewhere(
        &mut self,
        report: &mut Report,
        signer: Option<Arc<dyn Signer>>,
    ) -> Result<OAuth2Token, Stop> {
        let settings = self.settings;
        let mut request = CibaRequest::for_login_hint(settings.login_hint.clone().unwrap_or_default());
        if !settings.scope.is_empty() {
            request = request.with_scopes(settings.scope.clone());
        }
        if let Some(message) = &settings.binding_message {
            request = request.with_binding_message(message.clone());
        }
        if !settings.acr.is_empty() {
            request = request.require_acr(settings.acr.clone());
        }
        let is_pinged = settings.ciba.as_deref() == Some("ping");
        let client = self.client.clone();
        let mut ciba = Ciba::new(&client);
        if is_pinged {
            ciba = ciba.with_delivery(CibaDelivery::Ping);
        }
        if let Some(signer) = signer {
            ciba = ciba.signed_by(signer);
        }
        let attempt = self.endpoints.begin_ciba(&ciba, &request).await.map_err(refused("start_ciba"))?;
        report.accepted("start_ciba", json!({ "expires_at": attempt.expires_at().unix_timestamp() }));
        let login = match is_pinged {
            false => ciba.finish(&attempt).await.map_err(refused("ciba"))?,
            true => {
                let answer = loop {
                    if let Event::Pinged(answer) = self.event("ping").await? {
                        break answer;
                    }
                };
                let Some(CibaNotification::Ping(attempt)) = answer.notification else {
                    let reason = format!("the notification was answered with {}", answer.status);
                    return Err(Stop::refused("ping", "Notification", reason));
                };
                report.accepted("ping", json!({}));
                ciba.redeem(&attempt).await.map_err(refused("ciba"))?
            }
        };
        let header: Option<Value> = header_of(login.id_token.raw());
        report.accepted(
            "ciba",
            json!({
                "issuer": login.id_token.issuer(),
                "subject": login.id_token.subject(),
                "alg": header.map(|header| header["alg"].clone()),
                "acr": login.id_token.acr(),
            }),
        );
        Ok(login.token)
    }

    /// Deletes the registration, if that is asked for.
    async fn end(
        self,
        report: &mut Report,
        registered: Option<RegisteredClient>,
        discovery: &Discovery,
    ) -> Result<(), Stop> {
        if let (true, Some(registered)) = (self.settings.delete, registered) {
            registered.delete(discovery).await.map_err(refused("delete"))?;
            report.accepted("delete", json!({}));
        }
        Ok(())
    }

    /// Reads UserInfo, and refreshes if there is a refresh token; then UserInfo once more.
    async fn use_token(&self, report: &mut Report, token: &OAuth2Token) -> Result<OAuth2Token, Stop> {
        let client = &self.client;
        self.read_userinfo(report, token).await?;
        self.call_apis(report, token).await?;
        if !(self.settings.refresh && token.refresh_token().is_some()) {
            return Ok(token.clone());
        }
        let new = client.refresh(token, None).await.map_err(refused("refresh"))?;
        report.accepted(
            "refresh",
            json!({
                "rotated": new.refresh_token() != token.refresh_token(),
                "new_id_token": new.id_token() != token.id_token(),
            }),
        );
        // The new access token must be good for something.
        self.read_userinfo(report, &new).await?;
        Ok(new)
    }

    /// Calls the APIs that the token is for, and expects them to answer.
    async fn call_apis(&self, report: &mut Report, token: &OAuth2Token) -> Result<(), Stop> {
        for url in &self.settings.resource {
            let client = self.client.oauth2().ready().await.map_err(refused("resource"))?;
            let access_token = client.usable(token).map_err(refused("resource"))?;
            let request = client.request(CALL_API, Method::GET, url).bearer(access_token);
            let reply = request.send().await.map_err(refused("resource"))?;
            report.accepted("resource", json!({ "url": url, "status": reply.status().as_u16() }));
        }
        Ok(())
    }

    async fn read_userinfo(&self, report: &mut Report, token: &OAuth2Token) -> Result<(), Stop> {
        let ready = self.client.oauth2().ready().await.map_err(refused("userinfo"))?;
        if self.settings.userinfo && ready.endpoints().get(oauth_core::Endpoint::Profile).is_some() {
            let identity = self.client.get_identity(token).await.map_err(refused("userinfo"))?;
            let members: Vec<_> =
                identity.profile.as_object().into_iter().flatten().map(|(name, _)| name).collect();
            report.accepted("userinfo", json!({ "subject": identity.subject, "claims": members }));
        }
        Ok(())
    }

    /// Signs out at the provider, and waits for all that it says about it.
    async fn sign_out(&mut self, report: &mut Report, login: &Login) -> Result<(), Stop> {
        let mut request = LogoutRequest::new();
        if let Some(id_token) = IdToken::of(login) {
            request = request.id_token_hint(id_token.raw());
        }
        request = request.return_to(self.endpoints.at(endpoints::POST_LOGOUT));
        let started = self.client.start_logout(request).await.map_err(refused("start_logout"))?;
        self.browse(report, "logout", &started.url).await?;

        let mut returned = !self.settings.logout;
        let mut back_channel = !self.settings.back_channel_logout;
        let mut front_channel = !self.settings.front_channel_logout;
        while !(returned && back_channel && front_channel) {
            match self.event("logout").await? {
                Event::Returned(query) => {
                    started.attempt.check_return(&query).map_err(|error| {
                        Stop::refused("return", report::name_of(&error), error.to_string())
                    })?;
                    report.accepted("return", json!({}));
                    returned = true;
                }
                Event::LogoutToken(outcome) => {
                    let token = outcome.map_err(|error| match error {
                        Ok(error) => refused("back_channel_logout")(error),
                        Err((check, problem)) => Stop::refused("back_channel_logout", check, problem),
                    })?;
                    report.accepted(
                        "back_channel_logout",
                        json!({ "subject": token.subject(), "sid": token.session_id() }),
                    );
                    back_channel = true;
                }
                Event::FrontChannel(true) => {
                    report.accepted("front_channel_logout", json!({}));
                    front_channel = true;
                }
                Event::FrontChannel(false) => {
                    let problem = "its iss and sid are not those of the session";
                    return Err(Stop::refused("front_channel_logout", "Session", problem));
                }
                Event::Callback { .. } | Event::Pinged(_) | Event::Initiated(_) => {}
            }
        }
        Ok(())
    }

    /// Sends the browser somewhere: this program's own, or that of whoever reads the report.
    async fn browse(&self, report: &mut Report, step: &'static str, url: &str) -> Result<(), Stop> {
        match self.settings.browser {
            BrowserKind::Own => match self.browser.go(url, None).await {
                Ok(Arrival::Page { status, .. }) if status >= 400 => {
                    Err(Stop::failed(step, format!("the browser ended at a page with HTTP {status}")))
                }
                Ok(_) => Ok(()),
                Err(problem) => Err(Stop::failed(step, problem)),
            },
            BrowserKind::Print => {
                report.accepted("open", json!({ "url": url }));
                Ok(())
            }
        }
    }

    async fn event(&mut self, step: &'static str) -> Result<Event, Stop> {
        let wait = Duration::from_secs(self.settings.wait);
        self.endpoints
            .next(wait)
            .await
            .ok_or_else(|| Stop::failed(step, format!("nothing more came in {} seconds", self.settings.wait)))
    }
}

/// The header of a token, for the report.
fn header_of(token: &str) -> Option<Value> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    serde_json::from_slice(&header).ok()
}
