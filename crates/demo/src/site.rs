//! The site: its routes, and how it starts.

use std::{collections::HashMap, error::Error, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Form, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, uri::Authority},
    middleware::{self, Next},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::Markup;
use oauth_clients::{Provider, Registry, RegistryConfig, Sealer, SealingKey};
use oauth_emulator::{App, Emulator, User};
use oauth_web_axum::{SignIn, SignInError, SignInRoutes, SignedIn};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    connected,
    explain::Explanation,
    faults::Faults,
    names,
    pages::{self, Button},
    session::{BrowserSession, Person, SessionNotice, Sessions},
};

/// What the site starts with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The port on the loopback interface; 0 for any that is free.
    pub port: u16,
    /// The providers that are to lead to the real services, with their credentials.
    pub real: RegistryConfig,
    /// How long a sign-in may take, in place of ten minutes.
    pub login_lifetime: Option<Duration>,
}

/// A running site. It ends when dropped.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    emulator: Emulator,
    real: Vec<String>,
    server: JoinHandle<std::io::Result<()>>,
}

/// Starts the site and the emulator on the current Tokio runtime.
///
/// # Errors
///
/// When the port is taken, or when the settings of a real provider are wrong.
pub async fn start(options: Options) -> Result<Site, Box<dyn Error>> {
    let emulator = emulator().await?;
    let listener = TcpListener::bind(("127.0.0.1", options.port))
        .await
        .map_err(|cause| format!("port {}: {cause}", options.port))?;
    let address = listener.local_addr()?;

    let real: Vec<String> = options.real.keys().cloned().collect();
    let mut providers = providers(&emulator, &options.real).await?;
    let mut buttons: Vec<Button> =
        providers.iter().map(|provider| button(&**provider, &options.real)).collect();
    buttons.sort_by_key(|button| button.title.to_lowercase());
    if let Some(lifetime) = options.login_lifetime {
        for provider in providers.iter_mut().filter_map(Arc::get_mut) {
            *provider.oauth2_mut() = provider.oauth2().clone().with_login_lifetime(lifetime);
        }
    }
    let site = Arc::new(SiteState {
        style: pages::style(&buttons),
        buttons,
        emulator: emulator.clone(),
        faults: Faults::default(),
        sessions: Sessions::new(address.port()),
    });
    // The key is for this process alone, as the sessions are.
    let sign_in = SignIn::new(Sealer::new(SealingKey::random()?)).providers(providers)?;
    let server = axum::serve(listener, router(site, sign_in));
    Ok(Site { address, emulator, real, server: tokio::spawn(server.into_future()) })
}

impl Site {
    /// Where it is. The name `localhost` is another site than the emulator's `127.0.0.1`, as a real provider's would be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// The emulator that plays the providers.
    #[must_use]
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// The redirect URIs that the real providers must know, by the provider's name.
    pub fn redirect_uris(&self) -> impl Iterator<Item = (&str, String)> {
        self.real.iter().map(|name| (&**name, format!("{}/auth/{name}/callback", self.url())))
    }

    /// Waits until it ends, which it does not do by itself.
    pub async fn ended(mut self) {
        let _ = (&mut self.server).await;
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct SiteState {
    buttons: Vec<Button>,
    style: String,
    emulator: Emulator,
    faults: Faults,
    sessions: Sessions,
}

type AppState = State<Arc<SiteState>>;

async fn emulator() -> std::io::Result<Emulator> {
    Emulator::builder()
        // GitHub gives refresh tokens to GitHub Apps, LinkedIn to approved partners.
        .app("github", App::default_of("github").with_refresh_tokens(true))
        .app("linkedin", App::default_of("linkedin").with_refresh_tokens(true))
        .user(User::default())
        .user(
            User::default()
                .with_id("1906120919920101")
                .with_name("Grace Hopper")
                .with_username("grace")
                .with_email(Some("unverified.grace@example.com".into()))
                .with_email_verified(false)
                .with_picture(None),
        )
        .user(
            User::default()
                .with_id("1912062319540607")
                .with_name("Alan Turing")
                .with_username("alan")
                .with_email(None)
                .with_email_verified(false)
                .with_picture(None),
        )
        // The site is on this machine, where some of the services would not send anybody.
        .any_redirect_uri()
        .start()
        .await
}

/// The real providers, and for all others the emulator's.
async fn providers(
    emulator: &Emulator,
    real: &RegistryConfig,
) -> Result<Vec<Arc<dyn Provider>>, Box<dyn Error>> {
    let mut providers = Vec::new();
    for (name, entry) in real {
        // The name is part of addresses and in the redirect URI.
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        {
            return Err(format!("the name {name:?} may have letters, digits, - and _ only").into());
        }
        providers.push(Registry::build(name, entry).await?);
    }
    for name in names().into_iter().filter(|name| !real.contains_key(*name)) {
        providers.push(connected(emulator, name).await?);
    }
    Ok(providers)
}

fn button(provider: &dyn Provider, real: &RegistryConfig) -> Button {
    let (name, spec) = (provider.name(), provider.oauth2().spec());
    let title = match real.get(name).is_some_and(|entry| entry.provider.is_some()) {
        true => format!("{} ({name})", spec.display_name),
        false => spec.display_name.to_owned(),
    };
    Button { name: name.to_owned(), title, color: spec.color, is_real: real.contains_key(name) }
}

fn router(site: Arc<SiteState>, sign_in: SignIn) -> Router {
    let on_error = site.clone();
    let routes = SignInRoutes::new(sign_in).on_error(move |error| on_error.sign_in_failed(&error));
    let on_signed_in = site.clone();
    let auth = routes.router(move |signed_in: SignedIn| {
        let site = on_signed_in.clone();
        async move { site.signed_in(signed_in) }
    });
    Router::new()
        .route("/", get(home))
        .route("/me", get(me))
        // Who reloads or types the address of a button lands on the page that has it.
        .route("/me/{action}", post(act).get(async || Redirect::to("/me")))
        .route("/faults/{switch}", post(switch_fault).get(async || Redirect::to("/")))
        .route("/style.css", get(async |State(site): AppState| css(&site.style)))
        .route(
            "/find.js",
            get(async || ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], pages::FIND)),
        )
        .route("/mark.svg", get(async || ([(header::CONTENT_TYPE, "image/svg+xml")], pages::MARK)))
        .nest("/auth", auth)
        .fallback(async |State(site): AppState| {
            site.failed(StatusCode::NOT_FOUND, &Explanation::of_unknown_page())
        })
        .with_state(site.clone())
        .layer(middleware::from_fn_with_state(site, guard))
}

async fn home(State(site): AppState, headers: HeaderMap) -> Response {
    let (session, cookie) = match site.sessions.find_or_begin(&headers) {
        Ok(found) => found,
        Err(error) => return site.broken(&error),
    };
    site.sessions.change(&session.id, |session| session.notice = None);
    with_cookie(page(&pages::home(&session, &site.buttons, &site.faults.all())), cookie)
}

async fn me(State(site): AppState, headers: HeaderMap) -> Response {
    let Some(session) = site.sessions.find(&headers) else { return Redirect::to("/").into_response() };
    let Some(person) = &session.person else { return Redirect::to("/").into_response() };
    site.sessions.change(&session.id, |session| session.notice = None);
    page(&pages::me(&session, person, &site.title(person.provider.name())))
}

/// Presses one of the buttons of the page of somebody who signed in.
async fn act(
    State(site): AppState,
    Path(action): Path<String>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let Some(session) = site.session_of_form(&headers, &form) else {
        return site.failed(StatusCode::FORBIDDEN, &Explanation::of_foreign_form());
    };
    let Some(mut person) = session.person.clone() else { return Redirect::to("/").into_response() };
    let provider = person.provider.clone();
    let outcome = match &*action {
        "profile" => provider.get_profile(person.token.access_token()).await.map(|profile| {
            person.identity.profile = profile;
            person.shows_profile = true;
            "The profile was read; it is at the end of the page.".to_owned()
        }),
        "refresh" => match person.token.refresh_token() {
            // The whole token: some providers want more of it than the refresh token.
            Some(_) => provider.refresh(&person.token, None).await.map(|token| {
                person.token = token;
                person.is_revoked = false;
                "The refresh token was exchanged for new tokens.".to_owned()
            }),
            None => Ok("Nothing was sent: the provider gave no refresh token.".to_owned()),
        },
        "revoke" => provider.revoke_token(person.token.access_token(), None).await.map(|()| {
            person.is_revoked = true;
            "The provider revoked the token. Read the profile to see that it no longer works.".to_owned()
        }),
        "sign-out" => {
            return match site.sessions.renew(&headers, None) {
                Ok((_, cookie)) => with_cookie(Redirect::to("/").into_response(), cookie),
                Err(error) => site.broken(&error),
            };
        }
        _ => return site.failed(StatusCode::NOT_FOUND, &Explanation::of_unknown_page()),
    };
    let notice = match outcome {
        Ok(text) => SessionNotice::Done(text),
        Err(error) => SessionNotice::Failed(Explanation::of_error(&error, &site.title(provider.name()))),
    };
    site.sessions.change(&session.id, |session| {
        session.person = Some(person);
        session.notice = Some(notice);
    });
    Redirect::to("/me").into_response()
}

async fn switch_fault(
    State(site): AppState,
    Path(switch): Path<String>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let Some(session) = site.session_of_form(&headers, &form) else {
        return site.failed(StatusCode::FORBIDDEN, &Explanation::of_foreign_form());
    };
    let field = |name| form.get(name).map(String::as_str).unwrap_or_default();
    let (provider, fault, on) = (field("provider"), field("fault"), switch == "on");
    let is_known =
        ["on", "off"].contains(&&*switch) && site.buttons.iter().any(|button| button.name == provider);
    if !is_known || !site.faults.switch(&site.emulator, provider, fault, on) {
        return site.failed(StatusCode::NOT_FOUND, &Explanation::of_unknown_page());
    }
    let text = format!("The fault is switched {switch} at {}.", site.title(provider));
    site.sessions.change(&session.id, |session| session.notice = Some(SessionNotice::Done(text)));
    Redirect::to("/").into_response()
}

impl SiteState {
    fn signed_in(&self, SignedIn(signed_in): SignedIn) -> Response {
        let person = Person {
            provider: signed_in.provider,
            identity: signed_in.identity,
            token: signed_in.token,
            is_revoked: false,
            shows_profile: false,
        };
        match self.sessions.renew(&signed_in.headers, Some(person)) {
            Ok((_, cookie)) => {
                let next = signed_in.return_to.as_deref().unwrap_or("/me");
                with_cookie(Redirect::to(next).into_response(), cookie)
            }
            Err(error) => self.broken(&error),
        }
    }

    fn sign_in_failed(&self, error: &SignInError) -> Response {
        self.failed(error.status(), &Explanation::of_sign_in(error, |name| self.title(name)))
    }

    fn failed(&self, status: StatusCode, explanation: &Explanation) -> Response {
        let retry = explanation.retry_at.as_deref().and_then(|name| self.button(name));
        (status, page(&pages::failure(explanation, retry, &self.faults()))).into_response()
    }

    fn broken(&self, error: &oauth_clients::Error) -> Response {
        self.failed(StatusCode::INTERNAL_SERVER_ERROR, &Explanation::of_error(error, "this site"))
    }

    /// The session that a form was made for; none for a form that was not made here.
    fn session_of_form(&self, headers: &HeaderMap, form: &HashMap<String, String>) -> Option<BrowserSession> {
        let csrf = form.get("csrf").map(String::as_str);
        self.sessions.find(headers).filter(|session| session.made_form(csrf))
    }

    fn button(&self, name: &str) -> Option<&Button> {
        self.buttons.iter().find(|button| button.name == name)
    }

    /// The faults that are switched on: the provider's name for users, and what goes wrong.
    fn faults(&self) -> Vec<(String, &'static str)> {
        self.faults.all().into_iter().map(|(name, choice)| (self.title(&name), choice.label)).collect()
    }

    fn title(&self, name: &str) -> String {
        self.button(name).map_or(name.to_owned(), |button| button.title.clone())
    }
}

/// Answers this machine only, and says to browsers what the pages never do.
async fn guard(State(site): AppState, request: Request, next: Next) -> Response {
    let mut response = match is_local(request.headers()) {
        true => next.run(request).await,
        // A site that points its name at this machine could otherwise read the pages (DNS rebinding).
        false => site.failed(StatusCode::MISDIRECTED_REQUEST, &Explanation::of_foreign_host()),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    host.is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host.host()))
}

fn page(markup: &Markup) -> Response {
    Html(markup.0.clone()).into_response()
}

fn css(style: &str) -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], style.to_owned()).into_response()
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    response
}
