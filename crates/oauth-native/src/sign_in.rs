//! Sign-in from a program, from the browser's opening to the login.

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::{
    Callback, ErrorClass, Login, LoginAttempt, OAuth2, Operation, Provider, ResponseMode, Secret,
    provider_kit::LoopbackPort,
    same_secret,
    telemetry::{EVENT_NAME, event},
};
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::{
    device,
    environment::Environment,
    error::NativeSignInError,
    loopback::{ExpectedCallback, Listener, Serving, state_of},
    options::{Method, SignInOptions},
    paste,
    prompt::Notice,
};

/// How long the user may take, unless it is set.
const TIME_LIMIT: Duration = Duration::from_secs(5 * 60);

/// Signs the user of a program in, and returns the login.
///
/// It opens the provider's page in the browser and listens on this machine for its coming back; where the browser is elsewhere, it
/// shows a device code, or lets the user paste the address of the last page. Everything that it says goes through the
/// [`Prompt`](crate::Prompt), and nothing to standard output. Dropping the future ends the sign-in and closes the listener.
///
/// ```no_run
/// use oauth_core::{ClientSecret, OAuth2};
/// use oauth_native::{NativeSignInError, SignInOptions, sign_in};
///
/// # async fn f() -> Result<(), NativeSignInError> {
/// let client = OAuth2::new("CLIENT_ID", ClientSecret::NONE, "https://as.example/authorize", "https://as.example/token");
/// let login = sign_in(&client, SignInOptions::new()).await?;
/// println!("{}", login.token.access_token());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A [`NativeSignInError`].
pub async fn sign_in<P: Provider + ?Sized>(
    provider: &P,
    options: SignInOptions,
) -> Result<Login, NativeSignInError> {
    let client = provider.oauth2().ready().await?;
    let environment = options.environment.unwrap_or_else(Environment::detect);
    let method = match options.method {
        Method::Auto if options.redirect_uri.is_some() => Method::Paste,
        Method::Auto if !environment.browser_is_elsewhere() => Method::Loopback,
        Method::Auto if client.has_device_grant() => Method::Device,
        Method::Auto => Method::Paste,
        chosen => chosen,
    };
    tracing::debug!(
        { EVENT_NAME } = event::SIGN_IN_BEGUN,
        route = method.as_str(),
        provider = %provider.name(),
        "a sign-in has begun"
    );
    let outcome = match method {
        Method::Device => match device::sign_in(provider, &options).await {
            Ok(login) => check_user(provider, &options, login).await,
            Err(error) => Err(error),
        },
        method => by_browser(provider, &options, method, environment).await,
    };
    tell(provider.name(), method, &outcome);
    outcome
}

/// Writes how a sign-in ended to the log.
fn tell(provider: &str, method: Method, outcome: &Result<Login, NativeSignInError>) {
    let route = method.as_str();
    match outcome {
        Ok(_) => {
            tracing::debug!({ EVENT_NAME } = event::SIGN_IN_COMPLETED, route, %provider, "somebody signed in");
        }
        Err(NativeSignInError::Login(error)) if is_denied(error) => tracing::info!(
            { EVENT_NAME } = event::SIGN_IN_DENIED,
            route,
            %provider,
            reason = %error,
            "a sign-in was not allowed"
        ),
        Err(error) if is_fault(error) => tracing::error!(
            { EVENT_NAME } = event::SIGN_IN_FAILED,
            route,
            %provider,
            reason = %error,
            "a sign-in failed"
        ),
        Err(error) => tracing::warn!(
            { EVENT_NAME } = event::SIGN_IN_REFUSED,
            route,
            %provider,
            reason = %WithoutUsers(error),
            "a sign-in was refused"
        ),
    }
}

/// Whether the program, its machine or the provider is at fault, and not the user or a callback.
fn is_fault(error: &NativeSignInError) -> bool {
    match error {
        NativeSignInError::Login(error) => !matches!(error.class(), ErrorClass::Reauthorize),
        NativeSignInError::Options(_)
        | NativeSignInError::PortsTaken { .. }
        | NativeSignInError::Input(_) => true,
        _ => false,
    }
}

fn is_denied(error: &oauth_core::Error) -> bool {
    error.oauth_error().is_some_and(|error| error.code == "access_denied")
}

/// An error without the users that it names: who they are is in no log.
struct WithoutUsers<'e>(&'e NativeSignInError);

impl fmt::Display for WithoutUsers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            NativeSignInError::OtherUser { .. } => {
                f.write_str("somebody else signed in than who was to sign in")
            }
            error => error.fmt(f),
        }
    }
}

async fn by_browser<P: Provider + ?Sized>(
    provider: &P,
    options: &SignInOptions,
    method: Method,
    environment: Environment,
) -> Result<Login, NativeSignInError> {
    let listener = match &options.redirect_uri {
        Some(_) if method == Method::Loopback => {
            let problem = "a redirect URI of another machine is for `Method::Paste`; leave it out to listen on this one";
            return Err(NativeSignInError::Options(problem.to_owned()));
        }
        Some(_) => None,
        None => Some(bind(provider, options).await?),
    };
    let redirect_uri = match (&options.redirect_uri, &listener) {
        (Some(set), _) => set.clone(),
        (None, Some(listener)) => listener.redirect_uri(),
        (None, None) => return Err(NativeSignInError::Options("there is no redirect URI".to_owned())),
    };
    let started = provider.start_login(&redirect_uri, options.login.clone()).await?;
    let attempt = started.attempt;
    // What reads a signed answer is among its participants.
    let client = Some(provider.oauth2());
    let (callback, serving) =
        await_callback(options, method, environment, listener, client, &started.url, &attempt).await?;
    let ending = async {
        let login = provider.finish_login(attempt, callback).await?;
        check_user(provider, options, login).await
    };
    match serving {
        None => ending.await,
        Some(mut serving) => {
            let outcome = serving.during(ending).await;
            serving.end(outcome.is_ok(), options.linger).await;
            outcome
        }
    }
}

/// Shows the user the authorization page, and waits for the callback. The listener serves on, until the page is told how the login
/// ended.
pub(crate) async fn await_callback(
    options: &SignInOptions,
    method: Method,
    environment: Environment,
    listener: Option<Listener>,
    client: Option<&OAuth2>,
    url: &str,
    attempt: &LoginAttempt,
) -> Result<(Callback, Option<Serving>), NativeSignInError> {
    if matches!(attempt.response_mode(), ResponseMode::Fragment | ResponseMode::FragmentJwt) {
        let problem = "an answer in the fragment reaches no listener; leave the response mode out";
        return Err(NativeSignInError::Options(problem.to_owned()));
    }
    check_opens(url)?;
    let prompt = &options.prompt;
    let port = listener.as_ref().map(Listener::port);
    let mut serving = listener.map(|listener| {
        listener.serve(ExpectedCallback {
            state: Secret::new(attempt.state()),
            client: client.cloned(),
            is_form_post: attempt.is_form_post(),
            page: options.page.clone(),
        })
    });
    // Before the browser is tried, because some say that they opened it and show nothing.
    prompt.tell(&Notice::OpenUrl { url });
    let mut pastes = method == Method::Paste;
    if let (Method::Paste, true, Some(port)) = (method, environment.ssh, port) {
        prompt.tell(&Notice::ForwardPort { port });
    }
    let deadline = Instant::now() + options.time_limit.unwrap_or(TIME_LIMIT).min(Duration::from_secs(86_400));
    // In a task of its own: what plays a browser may go on until it has the last page, which waits for the end of the login.
    let opening = match (&options.opener, method) {
        (Some(opener), Method::Loopback) => {
            let (opener, url) = (Arc::clone(opener), url.to_owned());
            Some(tokio::spawn(async move { opener.open(&url).await }))
        }
        _ => None,
    };
    let waiting = async {
        if let Some(opening) = opening {
            let opened = match &mut serving {
                Some(serving) => tokio::select! {
                    callback = serving.callback() => return Ok(callback),
                    opened = opening => opened,
                },
                None => opening.await,
            };
            let reason = match opened {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("no browser could be opened".to_owned()),
            };
            if let Some(reason) = reason {
                prompt.tell(&Notice::NoBrowser { reason });
                pastes = prompt.can_read();
            }
        }
        if pastes {
            prompt.tell(&Notice::Paste);
        }
        arrival(options, client, attempt, &mut serving, pastes).await
    };
    let callback = tokio::select! {
        callback = waiting => callback?,
        () = sleep_until(deadline) => {
            return Err(NativeSignInError::TimedOut { after: options.time_limit.unwrap_or(TIME_LIMIT) });
        }
    };
    Ok((callback, serving))
}

/// The callback, from the browser or from the user's clipboard.
async fn arrival(
    options: &SignInOptions,
    client: Option<&OAuth2>,
    attempt: &LoginAttempt,
    serving: &mut Option<Serving>,
    mut pastes: bool,
) -> Result<Callback, NativeSignInError> {
    loop {
        let is_served = serving.is_some();
        let browser = async {
            match serving {
                Some(serving) => serving.callback().await,
                None => std::future::pending().await,
            }
        };
        let line = async {
            match pastes {
                true => options.prompt.read_line().await,
                false => std::future::pending().await,
            }
        };
        let line = tokio::select! {
            callback = browser => return Ok(callback),
            line = line => line.map_err(NativeSignInError::Input)?,
        };
        let Some(line) = line else {
            if !is_served {
                return Err(NativeSignInError::InputEnded);
            }
            pastes = false;
            continue;
        };
        let reason = match paste::read(&line) {
            Ok(callback) => {
                let state = state_of(client, &callback).await;
                match state {
                    Some(state) if same_secret(&state, attempt.state()) => return Ok(callback),
                    Some(_) => "That belongs to another sign-in.",
                    None => "That has no state, so nobody can tell whose it is.",
                }
            }
            Err(reason) => reason,
        };
        options.prompt.tell(&Notice::NotThis { reason });
    }
}

/// Listens where the provider lets the browser come back.
async fn bind<P: Provider + ?Sized>(
    provider: &P,
    options: &SignInOptions,
) -> Result<Listener, NativeSignInError> {
    let client = provider.oauth2();
    let spec = client.spec().native;
    let name = client.spec().display_name;
    let host = match (options.host, spec.loopback_hosts) {
        (Some(host), _) => host,
        (None, [best, ..]) => *best,
        (None, []) => {
            return Err(NativeSignInError::Options(format!(
                "{name} takes no redirect URI on this machine: name a page of yours with `redirect_uri`, and let the user paste its \
                 address"
            )));
        }
    };
    let path = &options.path;
    check_path(path)?;
    if spec.loopback_port == LoopbackPort::Registered && options.ports.is_empty() && !options.any_port {
        let host = host.as_str();
        return Err(NativeSignInError::Options(format!(
            "{name} compares the port of redirect URIs: register http://{host}:PORT{path} for two or three ports and name them with `ports`"
        )));
    }
    if options.ports.contains(&0) {
        return Err(NativeSignInError::Options("0 is not a port; `any_port` listens on any".to_owned()));
    }
    Listener::bind(host, &options.ports, path, options.on_all_interfaces).await
}

/// Checks that a redirect URI can have this path.
pub(crate) fn check_path(path: &str) -> Result<(), NativeSignInError> {
    let is_path = path.is_empty() || (path.starts_with('/') && !path.contains(['?', '#', ' ', '\\', '"']));
    match is_path && !path.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(NativeSignInError::Options(
            "the path of the redirect URI begins with a slash and has no query".to_owned(),
        )),
    }
}

/// Checks that the address is one for a browser: nothing else is handed to the operating system.
fn check_opens(url: &str) -> Result<(), NativeSignInError> {
    // A URL library passes over these, and the address is shown in a terminal as it is.
    let is_clean = !url.contains(|character: char| character.is_control() || character.is_whitespace());
    let is_web = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    match is_clean && is_web {
        true => Ok(()),
        false => Err(NativeSignInError::Options("the authorization endpoint is not a web page".to_owned())),
    }
}

/// Checks that the user is the one who was to sign in.
async fn check_user<P: Provider + ?Sized>(
    provider: &P,
    options: &SignInOptions,
    login: Login,
) -> Result<Login, NativeSignInError> {
    let Some((issuer, subject)) = &options.expected_user else { return Ok(login) };
    let user =
        provider.get_identity(&login.token).await.map_err(|error| error.during(Operation::FINISH_LOGIN))?;
    if (&user.issuer, &user.subject) == (issuer, subject) {
        return Ok(login);
    }
    let expected = format!("{issuer} {subject}");
    let found = format!("{} {}", user.issuer, user.subject);
    Err(NativeSignInError::OtherUser { expected, found, login: Box::new(login) })
}
