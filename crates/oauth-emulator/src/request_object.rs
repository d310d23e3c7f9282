//! Where the parameters of an authorization request are: in the URL, pushed before (RFC 9126), or in a signed object (RFC 9101).

use std::time::Duration;

use oauth_core::{bytes::Bytes, default_http_client};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    app::App, clock::now, exchange::Exchange, fault::Fault, flows::REQUEST_URI, jws::ReceivedJwt,
    refusal::CallbackError, request::Pairs,
};

/// How long a request object may live, in seconds (FAPI 2.0 Message Signing section 5.3.1).
const LONGEST: i64 = 3600;

/// The most characters of a `request_uri` (RFC 9101 section 5.2).
const LONGEST_URI: usize = 512;

/// How long an application may take to give its request object.
const PATIENCE: Duration = Duration::from_secs(5);

/// The parameters of a request that the browser brings.
pub(crate) fn resolve(exchange: &Exchange<'_>) -> Result<Pairs, CallbackError> {
    let query = &exchange.request.query;
    let family = &exchange.provider.family;
    let facts = &exchange.provider.facts;
    let invalid = |description: &str| CallbackError::new("invalid_request", description);
    if query.duplicate().is_some() {
        // Whoever reads the parameters says which one it is.
        return Ok(query.clone());
    }
    let client_id = query.get("client_id").unwrap_or_default();
    let app = exchange.backend.state().app(family, client_id);
    let demands = exchange.demands();
    let must_push =
        demands.pushed_requests || app.as_ref().is_some_and(|app| app.require_pushed_authorization_requests);
    let must_sign =
        demands.signed_requests || app.as_ref().is_some_and(|app| app.require_signed_request_object);
    let uri = query.get("request_uri");
    if let Some(uri) =
        uri.filter(|uri| facts.pushed_authorization_url.is_some() && uri.starts_with(REQUEST_URI))
    {
        if let Some((other, _)) = query.iter().find(|(name, _)| !["client_id", "request_uri"].contains(name))
        {
            return Err(invalid(&format!(
                "{other} is sent beside the request_uri of a pushed request (RFC 9126 section 4)"
            )));
        }
        let pushed = exchange.backend.state().flows.take_pushed(family, client_id, uri);
        let expired = exchange.has_fault(&Fault::ExpiredRequestUri);
        return match pushed {
            Ok(_) if expired => Err(CallbackError::new("invalid_request_uri", "the request_uri has expired")),
            Ok(params) => Ok(params),
            Err(why) => Err(CallbackError::new("invalid_request_uri", why)),
        };
    }
    if must_push {
        return Err(invalid("authorization requests must be pushed here (RFC 9126)"));
    }
    if !facts.emulator.request_objects || exchange.has_fault(&Fault::RequestObjectIgnored) {
        return Ok(query.clone());
    }
    let object = match (query.get("request"), uri, &exchange.fetched) {
        (Some(_), Some(_), _) => return Err(invalid("request and request_uri exclude one another")),
        (Some(object), None, _) => Some(object),
        (None, Some(_), Some(Ok(object))) => Some(object.as_str()),
        (None, Some(_), Some(Err(why))) => {
            return Err(CallbackError::new("invalid_request_uri", why.clone()));
        }
        (None, Some(_), None) => {
            return Err(CallbackError::new("invalid_request_uri", "it is not one of the application's URLs"));
        }
        (None, None, _) => None,
    };
    match (object, app) {
        (None, _) if must_sign => Err(invalid("authorization requests must be signed here (RFC 9101)")),
        (Some(object), Some(app)) => read(exchange, &app, object),
        _ => Ok(query.clone()),
    }
}

/// The parameters in a request object of an application.
pub(crate) fn read(exchange: &Exchange<'_>, app: &App, object: &str) -> Result<Pairs, CallbackError> {
    verified(exchange, app, object, false)
}

/// The parameters in a signed request for authentication on another device, whose times must be there (CIBA section 7.1.1).
pub(crate) fn read_backchannel(
    exchange: &Exchange<'_>,
    app: &App,
    object: &str,
) -> Result<Pairs, CallbackError> {
    verified(exchange, app, object, true)
}

fn verified(
    exchange: &Exchange<'_>,
    app: &App,
    object: &str,
    is_backchannel: bool,
) -> Result<Pairs, CallbackError> {
    let refuse =
        |why: String| CallbackError::new("invalid_request_object", format!("the request object {why}"));
    let jws = ReceivedJwt::parse(object).map_err(refuse)?;
    if jws.typ().is_some_and(|typ| !["jwt", "oauth-authz-req+jwt"].contains(&typ.as_str())) {
        return Err(refuse("is a JWT of another kind (typ)".to_owned()));
    }
    let alg = jws.alg().map_err(refuse)?;
    let demands = exchange.demands();
    let is_agreed = match app.request_object_signing_alg {
        Some(agreed) => alg == agreed,
        None => {
            !alg.is_symmetric() && (demands.signing_algs.is_empty() || demands.signing_algs.contains(&alg))
        }
    };
    if !is_agreed {
        return Err(refuse(format!("is signed by {alg}, which was not agreed on")));
    }
    match (&app.jwks, &app.client_secret) {
        (_, Some(secret)) if alg.is_symmetric() => jws.verify_with_secret(secret).map_err(refuse)?,
        (Some(set), _) => jws.verify_in(set).map_err(refuse)?,
        _ => return Err(refuse("cannot be verified: the application has registered no keys".to_owned())),
    }
    let names: &[&str] = if is_backchannel { &["iss"] } else { &["iss", "client_id"] };
    for name in names {
        if jws.text(name) != Some(&*app.client_id) {
            return Err(refuse(format!("does not name the application as {name}")));
        }
    }
    if jws.text("sub") == Some(&*app.client_id) {
        return Err(refuse(
            "names the application as sub, as a client assertion does (RFC 9101 section 10.8)".to_owned(),
        ));
    }
    let issuer = exchange.provider.issuer(&exchange.captures);
    if !jws.is_for(&[issuer], demands.issuer_as_audience) {
        return Err(refuse("is for somebody else (aud)".to_owned()));
    }
    let missing = ["exp", "iat", "nbf", "jti"].iter().find(|name| !jws.claims.contains_key(**name));
    if let Some(missing) = missing.filter(|_| is_backchannel) {
        return Err(refuse(format!("has no {missing}")));
    }
    if demands.signed_requests || jws.claims.contains_key("exp") {
        jws.check_times(now(), LONGEST).map_err(refuse)?;
    }
    if demands.signed_requests && jws.time("nbf").is_none_or(|nbf| now() - nbf > LONGEST) {
        return Err(refuse("has no nbf, or an old one".to_owned()));
    }
    if let Some(jti) = jws.text("jti")
        && !exchange.backend.state().spend_jti(&format!("request {} {jti}", app.client_id))
    {
        return Err(refuse("was used before (its jti is known)".to_owned()));
    }
    parameters(&jws.claims).map_err(refuse)
}

/// The claims of a request object as parameters.
fn parameters(claims: &Map<String, Value>) -> Result<Pairs, String> {
    let mut params = Pairs::default();
    for (name, value) in claims {
        match (name.as_str(), value) {
            ("request" | "request_uri", _) => return Err(format!("holds a {name}")),
            ("iss" | "aud" | "exp" | "nbf" | "iat" | "jti" | "sub", _) => {}
            ("max_age", value) if !value.is_u64() => {
                return Err("has a max_age that is not a number".to_owned());
            }
            ("claims", value) if !value.is_object() => {
                return Err("has claims that are not an object".to_owned());
            }
            ("authorization_details", value) if !value.is_array() => {
                return Err("has authorization_details that are not an array".to_owned());
            }
            ("resource", Value::Array(all)) => {
                for one in all {
                    params.push(name, one.as_str().ok_or("has a resource that is not text")?.to_owned());
                }
            }
            (_, Value::String(text)) => params.push(name, text.clone()),
            (_, Value::Null) => {}
            (_, other) => params.push(name, other.to_string()),
        }
    }
    Ok(params)
}

/// Gets the request object that an application has put at an address of its own (RFC 9101 section 5.2).
pub(crate) async fn fetch(exchange: &Exchange<'_>) -> Option<Result<String, String>> {
    let query = &exchange.request.query;
    let uri = query.get("request_uri").filter(|uri| !uri.starts_with(REQUEST_URI))?;
    if !exchange.provider.facts.emulator.request_objects {
        return None;
    }
    let app = exchange.backend.state().app(&exchange.provider.family, query.get("client_id")?)?;
    if uri.len() > LONGEST_URI {
        return Some(Err(format!("the request_uri has more than {LONGEST_URI} characters")));
    }
    let url = uri.split('#').next().unwrap_or_default();
    let is_loopback = Url::parse(url).is_ok_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    });
    let is_registered = match app.request_uris.is_empty() {
        true => is_loopback,
        false => app.request_uris.iter().any(|registered| registered == uri),
    };
    if !is_registered {
        return Some(Err(format!("{uri:?} is not registered for this application")));
    }
    Some(match tokio::time::timeout(PATIENCE, get(url)).await {
        Ok(fetched) => fetched,
        Err(_) => Err("the application takes too long to give its request object".to_owned()),
    })
}

async fn get(url: &str) -> Result<String, String> {
    let client = default_http_client().map_err(|error| error.to_string())?;
    let request = http::Request::get(url).body(Bytes::new()).map_err(|error| error.to_string())?;
    let reply = client.send(request).await.map_err(|error| error.to_string())?;
    match reply.status().is_success() {
        true => String::from_utf8(reply.body().to_vec())
            .map(|text| text.trim().to_owned())
            .map_err(|error| error.to_string()),
        false => Err(format!("the application answers {} for its request object", reply.status())),
    }
}
