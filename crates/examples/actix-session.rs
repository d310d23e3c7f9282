//! Sign in with GitHub or an OpenID Connect provider in Actix Web, with sessions of actix-session. A user can link the second provider
//! to the account and sign out of both sites.
//!
//! ```sh
//! cargo run -p oauth-examples --example actix-session
//! ```
//!
//! The emulator plays the providers. For the real ones, set `GITHUB_CLIENT_ID` and `GITHUB_CLIENT_SECRET`, or `OPENID_ISSUER`,
//! `OPENID_CLIENT_ID` and `OPENID_CLIENT_SECRET`.
//!
//! Redirect URI to register: `http://127.0.0.1:3000/auth/github/callback` or `…/auth/openid/callback`, and for signing out,
//! `http://127.0.0.1:3000/`.

use std::{net::TcpListener, sync::Arc};

use actix_session::{
    Session, SessionExt as _, SessionMiddleware, config::PersistentSession, storage::CookieSessionStore,
};
use actix_web::{
    App, Error, HttpMessage as _, HttpRequest, HttpResponse, HttpServer, Responder,
    body::MessageBody,
    cookie::{Key, SameSite},
    dev::{Server, ServiceRequest, ServiceResponse},
    error::ErrorInternalServerError,
    middleware::{Next, from_fn},
    web::{self, Data, Html, Redirect},
};
use maud::html;
use oauth_clients::{
    LinkIntent, Provider, Sealer, SealingKey,
    actix_web::{Routes, SignIn, SignedIn, sign_in_scope},
    openid::{IdToken, LogoutRequest, OpenIDConnect},
    random_token,
    tokens::{MemoryStore, PutOptions, TokenKey, TokenManager},
};
use oauth_examples::{Accounts, Providers, Result, listen, sealing_key};

#[derive(Clone)]
struct Site {
    address: String,
    accounts: Accounts,
    providers: Arc<Vec<Arc<dyn Provider>>>,
    tokens: TokenManager,
    /// For each session the ID token that signing out may need, because a cookie is too small for it.
    id_tokens: Arc<std::sync::Mutex<std::collections::HashMap<String, (String, String)>>>,
}

/// The account that is signed in, for `SignIn::linking`.
#[derive(Clone)]
struct CurrentAccount(String);

#[actix_web::main]
async fn main() -> Result<()> {
    let providers = Providers::start().await?;
    let (listener, address) = listen().await?;
    let providers: Vec<Arc<dyn Provider>> =
        vec![Arc::new(providers.github().await?), Arc::new(providers.openid().await?)];
    println!("{address}");
    serve(providers, listener.into_std()?, &address, sealing_key()?, Key::generate())?.await?;
    Ok(())
}

/// The site at an address such as `https://app.example`. The session key must be the same at each start, or everybody is signed out.
pub(crate) fn serve(
    providers: Vec<Arc<dyn Provider>>,
    listener: TcpListener,
    address: &str,
    key: SealingKey,
    session_key: Key,
) -> Result<Server> {
    // `oauth_clients::sqlite::SqliteStore` would keep them in a file.
    let mut tokens = TokenManager::builder(MemoryStore::new(), Sealer::new(key.clone()));
    for provider in &providers {
        tokens = tokens.provider(provider.clone());
    }
    let sign_in =
        SignIn::new(Sealer::new(key)).at(address)?.providers(providers.clone())?.linking(|request| {
            let account = request.extensions.get::<CurrentAccount>().map(|account| account.0.clone());
            async move { Ok(account) }
        });
    let routes = Routes::new(sign_in);
    let site = Site {
        address: address.to_owned(),
        accounts: Accounts::default(),
        providers: Arc::new(providers),
        tokens: tokens.build()?,
        id_tokens: Arc::default(),
    };
    let server = HttpServer::new(move || {
        // All of a session is in its cookie. Signing out takes the cookie from this browser, but a copy is valid for as long as the key is:
        // with `RedisSessionStore`, a session that has ended has ended for copies too.
        let sessions = SessionMiddleware::builder(CookieSessionStore::default(), session_key.clone())
            .cookie_secure(site.address.starts_with("https:"))
            // Browsers do not send a `Strict` cookie with a callback, because another site leads there.
            .cookie_same_site(SameSite::Lax)
            .session_lifecycle(PersistentSession::default())
            .build();
        App::new()
            .app_data(Data::new(site.clone()))
            .route("/", web::get().to(home))
            .route("/sign-out", web::post().to(sign_out))
            .service(sign_in_scope("/auth", routes.clone(), signed_in))
            .wrap(from_fn(find_account))
            // The last one is the outermost: it reads the session before `find_account` asks for it.
            .wrap(sessions)
    });
    Ok(server.workers(2).listen(listener)?.run())
}

/// Hands the account on to `SignIn::linking`.
async fn find_account(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(account) = request.get_session().get("account")? {
        let mut extensions = http::Extensions::new();
        extensions.insert(CurrentAccount(account));
        request.extensions_mut().insert(extensions);
    }
    next.call(request).await
}

/// Somebody came back from a provider.
async fn signed_in(user: SignedIn, request: HttpRequest) -> Result<HttpResponse, Error> {
    let site = site_of(&request)?;
    let account = match site.accounts.sign_in(user.provider.name(), &user.identity, user.intent.clone()) {
        Ok(account) => account,
        Err(refusal) => {
            let page = page(html! { p { "This does not work: " (format!("{refusal:?}")) } });
            return Ok(page
                .customize()
                .with_status(actix_web::http::StatusCode::CONFLICT)
                .respond_to(&request)
                .map_into_boxed_body());
        }
    };
    let key = TokenKey::new(user.provider.name(), &account);
    let options = PutOptions::new().with_identity(&user.identity);
    site.tokens.put_with(&key, &user.token, options).await.map_err(ErrorInternalServerError)?;

    let session = request.get_session();
    if user.intent == LinkIntent::SignIn {
        // What is in it is of whoever was signed in before.
        session.clear();
    }
    // A new session, so that nobody who planted the old one is signed in with it.
    session.renew();
    if let Some(id_token) = user.get::<IdToken>() {
        let name = random_token().map_err(ErrorInternalServerError)?;
        let mut id_tokens = site.id_tokens.lock().map_err(|_| ErrorInternalServerError("poisoned"))?;
        id_tokens.insert(name.clone(), (user.provider.name().to_owned(), id_token.raw().to_owned()));
        session.insert("id_token", name).map_err(ErrorInternalServerError)?;
    }
    session.insert("account", account).map_err(ErrorInternalServerError)?;
    let to = user.return_to.unwrap_or_else(|| "/".to_owned());
    Ok(Redirect::to(to).see_other().respond_to(&request).map_into_boxed_body())
}

async fn home(site: Data<Site>, session: Session) -> Result<Html, Error> {
    let account = session.get::<String>("account")?.and_then(|id| site.accounts.get(&id));
    let Some(account) = account else {
        return Ok(page(html! {
            @for provider in &*site.providers {
                p {
                    a href=(format!("/auth/{}/login", provider.name())) {
                        "Sign in with " (provider.oauth2().spec().display_name)
                    }
                }
            }
        }));
    };
    let mut rows = Vec::new();
    for identity in &account.identities {
        // Live at any time: it is refreshed here if it is about to expire. `bearer()` is what an API wants.
        let state = match site.tokens.get(&TokenKey::new(&identity.provider, &account.id)).await {
            Ok(_) => "its API can be called".to_owned(),
            Err(error) => format!("sign in again: {error}"),
        };
        rows.push((identity, state));
    }
    let others = site.providers.iter().map(|provider| provider.name());
    let others = others.filter(|name| !account.identities.iter().any(|identity| identity.provider == *name));
    Ok(page(html! {
        h1 { "Account " (account.id) }
        @for (identity, state) in rows {
            p { (identity.name) " at " (identity.provider) ": " (state) }
        }
        @for provider in others {
            form method="post" action=(format!("/auth/{provider}/link?return_to=/")) {
                button { "Connect " (provider) }
            }
        }
        form method="post" action="/sign-out" { button { "Sign out" } }
    }))
}

/// By a form, so that no link or image signs anybody out. Ends the session here, and then at the provider if it has one.
async fn sign_out(site: Data<Site>, session: Session) -> Result<Redirect, Error> {
    let name = session.get::<String>("id_token")?;
    session.purge();
    let id_token = match (name, site.id_tokens.lock()) {
        (Some(name), Ok(mut id_tokens)) => id_tokens.remove(&name),
        _ => None,
    };
    let home = format!("{}/", site.address);
    if let Some((name, id_token)) = id_token
        && let Some(provider) = site.providers.iter().find(|provider| provider.name() == name)
        && let Some(openid) = OpenIDConnect::of(&**provider)
    {
        let request = LogoutRequest::new().id_token_hint(&id_token).return_to(&home);
        match openid.start_logout(request).await {
            Ok(started) => return Ok(Redirect::to(started.url).see_other()),
            // The session here has ended; that the provider has no such page, or is down, changes nothing.
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(Redirect::to(home).see_other())
}

fn site_of(request: &HttpRequest) -> Result<Data<Site>, Error> {
    request.app_data::<Data<Site>>().cloned().ok_or_else(|| ErrorInternalServerError("the site is missing"))
}

fn page(body: maud::Markup) -> Html {
    Html::new(html! { (maud::DOCTYPE) html lang="en" { title { "Example" } body { (body) } } }.into_string())
}
