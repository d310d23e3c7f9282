//! Where a provider departs from the standards in a way that the table cannot express.
//!
//! [`Dialect`]'s default methods are the standards. A provider that needs more has a file here that overrides some of them,
//! and a line in [`of`].

mod amazon_cognito;
mod apple;
mod discord;
mod facebook;
mod franceconnect;
mod github;
mod gitlab;
mod google;
mod kakao;
mod keycloak;
mod line;
mod linkedin;
mod login_gov;
mod microsoft;
mod naver;
mod reddit;
mod salesforce;
mod shopify;
mod twitch;
mod workos;
mod yahoo;

use http::StatusCode;
use serde_json::{Map, Value};
use url::Url;

use crate::{
    app::App,
    authorize::{Allowed, CallbackError},
    end_session,
    profile::{self, Denied},
    reply::{Refusal, Reply},
    request::Params,
    revoke,
    server::Call,
    state::{Grant, Issued},
    table::Endpoint,
};

/// The dialect of a provider family.
pub(crate) fn of(family: &str) -> &'static dyn Dialect {
    match family {
        "amazon-cognito" => &amazon_cognito::AmazonCognito,
        "apple" => &apple::Apple,
        "discord" => &discord::Discord,
        "facebook" => &facebook::Facebook,
        "franceconnect" => &franceconnect::FranceConnect,
        "github" => &github::GitHub,
        "gitlab" => &gitlab::GitLab,
        "google" => &google::Google,
        "kakao" => &kakao::Kakao,
        "keycloak" => &keycloak::Keycloak,
        "line" => &line::Line,
        "linkedin" => &linkedin::LinkedIn,
        "login-gov" => &login_gov::LoginGov,
        "microsoft" => &microsoft::Microsoft,
        "naver" => &naver::Naver,
        "reddit" => &reddit::Reddit,
        "salesforce" => &salesforce::Salesforce,
        "shopify" => &shopify::Shopify,
        "twitch" => &twitch::Twitch,
        "workos" => &workos::WorkOs,
        "yahoo" => &yahoo::Yahoo,
        _ => &Standard,
    }
}

/// Nothing but the standards.
struct Standard;

impl Dialect for Standard {}

/// How a provider speaks. Every method's default is what the RFCs say.
pub(crate) trait Dialect: Send + Sync {
    /// Refuses requests that never reach the endpoint, such as those without a User-Agent.
    fn turn_away(&self, _call: &Call<'_>, _endpoint: Endpoint) -> Option<Reply> {
        None
    }

    /// Further checks of a redirect URI that is absolute and registered.
    fn check_redirect_uri(&self, _uri: &Url) -> Result<(), String> {
        Ok(())
    }

    /// Further checks of an authorization request.
    fn check_authorize(&self, _call: &Call<'_>, _scopes: &[String]) -> Result<(), CallbackError> {
        Ok(())
    }

    /// What the callback says when the user refuses (RFC 6749, section 4.1.2.1).
    fn denial(&self) -> Vec<(&'static str, &'static str)> {
        vec![("error", "access_denied"), ("error_description", "the user refused")]
    }

    /// A last look at a successful callback.
    fn callback(&self, _allowed: &Allowed<'_>, _answer: &mut Vec<(String, String)>) {}

    /// Why a client secret is not the application's, if it is not.
    fn check_secret(&self, _call: &Call<'_>, app: &App, secret: &str) -> Result<(), String> {
        match app.client_secret.as_deref().unwrap_or_default() == secret {
            true => Ok(()),
            false => Err("client authentication failed".to_owned()),
        }
    }

    /// Further checks of a token request whose client is authenticated.
    fn check_token(&self, _form: &Params) -> Result<(), Refusal> {
        Ok(())
    }

    /// A grant type that only this provider has; `None` if there is no such.
    fn other_grant(
        &self,
        _call: &Call<'_>,
        _grant_type: &str,
        _form: &Params,
        _app: &App,
    ) -> Option<Result<Map<String, Value>, Refusal>> {
        None
    }

    /// The scopes as a token reply names them.
    fn reply_scopes(&self, scopes: &[String]) -> Vec<String> {
        scopes.to_vec()
    }

    /// A last look at the members of a token reply.
    fn token_reply(&self, _issued: &Issued, _reply: &mut Map<String, Value>) {}

    /// A last look at an ID token's claims.
    fn id_token(&self, _grant: &Grant, _claims: &mut Map<String, Value>) {}

    /// How a token reply is written.
    fn token_success(&self, _call: &Call<'_>, members: Map<String, Value>) -> Reply {
        Reply::ok(&Value::Object(members))
    }

    /// How the token, revocation and introspection endpoints refuse (RFC 6749, section 5.2).
    fn refuse(&self, _call: &Call<'_>, refusal: &Refusal) -> Reply {
        refusal.standard()
    }

    /// Where a request carries its access token (RFC 6750, section 2.1).
    fn access_token(&self, call: &Call<'_>) -> Option<String> {
        call.request.authorization("bearer").map(str::to_owned)
    }

    /// How the provider's API refuses an access token (RFC 6750, section 3).
    fn denied(&self, _call: &Call<'_>, denied: Denied) -> Reply {
        profile::standard_denial(denied)
    }

    /// The profile; `body` is what the table's field paths make of the user.
    fn profile(&self, _call: &Call<'_>, _grant: &Grant, body: Map<String, Value>) -> Reply {
        Reply::ok(&Value::Object(body))
    }

    /// A last look at the standard claims, where the profile is another API.
    fn userinfo(&self, _grant: &Grant, _claims: &mut Map<String, Value>) {}

    /// Revocation (RFC 7009).
    fn revoke(&self, call: &Call<'_>) -> Reply {
        revoke::revoke(call)
    }

    /// Introspection (RFC 7662).
    fn introspect(&self, call: &Call<'_>) -> Reply {
        revoke::introspect(call)
    }

    /// A last look at the metadata document.
    fn metadata(&self, _call: &Call<'_>, _document: &mut Map<String, Value>) {}

    /// A last look at the key set (RFC 7517, section 5).
    fn jwks(&self, _call: &Call<'_>, _keys: &mut Vec<Map<String, Value>>) {}

    /// What the end session endpoint is asked (OpenID Connect RP-Initiated Logout 1.0, section 2).
    fn logout(&self, params: &Params) -> end_session::Logout {
        end_session::Logout::standard(params)
    }

    /// The endpoints that the table names and only this dialect knows.
    fn other(&self, _call: &Call<'_>, name: &str) -> Reply {
        Reply::text(StatusCode::NOT_FOUND, format!("no dialect serves {name}"))
    }
}
