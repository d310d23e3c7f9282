//! ID tokens and whatever else a provider signs (OpenID Connect Core, sections 2 and 5.3.2).

use serde_json::{Map, Value, json};

use crate::{
    app::App,
    backend::Backend,
    claims,
    clock::now,
    crypto,
    endpoint::EmulatedEndpoint,
    exchange::Dialect,
    facts::EmulatedProvider,
    fault::{Fault, WRONG_ISSUER},
    keys::{JwsRequest, KeyFailure},
    signing_alg::SigningAlg,
    state::UserGrant,
    urls::Captures,
};

/// How long an ID token is good for, in seconds.
const LIFETIME: i64 = 3600;

/// What an ID token is about.
pub(crate) struct IdTokenSubject<'a> {
    /// The provider's, which has a last look at the claims.
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) grant: &'a UserGrant,
    /// The access token that comes along, for `at_hash`.
    pub(crate) access_token: Option<&'a str>,
    /// The code that comes along, for `c_hash` (OpenID Connect Core, section 3.3.2.11).
    pub(crate) code: Option<&'a str>,
    /// Whether it is the first of a login, which repeats the nonce; that of a refresh has none (section 12.2).
    pub(crate) first: bool,
    /// Further claims.
    pub(crate) more: Map<String, Value>,
}

/// Makes an ID token at an endpoint: at the authorization endpoint for the callback, else for the token reply.
pub(crate) fn id_token(
    backend: &Backend,
    provider: &EmulatedProvider,
    endpoint: EmulatedEndpoint,
    subject: &IdTokenSubject<'_>,
) -> Result<String, KeyFailure> {
    let grant = subject.grant;
    let manners = &provider.facts.emulator;
    let app = &grant.request.app;
    let alg = alg(backend, provider, endpoint, app.id_token_signed_response_alg);
    let mut claims = {
        let state = backend.state();
        match manners.thin_id_token {
            true => claims::subject(grant),
            false => claims::claims(&state, provider, grant),
        }
    };
    let requested = claims::requested(provider, grant, "id_token");
    claims::add_requested(&backend.state(), provider, grant, &requested, &mut claims);
    let now = now();
    let mut insert = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    insert("iss", json!(issuer(backend, provider, &grant.request.captures)));
    insert("aud", audience(provider, app));
    if manners.azp || !manners.audiences.is_empty() {
        insert("azp", json!(app.client_id));
    }
    insert("iat", json!(now));
    insert("exp", json!(now + LIFETIME));
    insert("auth_time", json!(grant.auth_time));
    if let Some(level) = requested_acr(grant) {
        insert("acr", json!(level));
    }
    if manners.backchannel_logout {
        insert("sid", json!(grant.request.sid));
    }
    if let Some(token) = subject.access_token {
        insert("at_hash", json!(crypto::left_half_hash(alg, token)));
    }
    if let Some(code) = subject.code {
        insert("c_hash", json!(crypto::left_half_hash(alg, code)));
    }
    if subject.first
        && manners.nonce_in_id_token.unwrap_or(true)
        && let Some(nonce) = grant.request.params.get("nonce")
    {
        insert("nonce", json!(nonce));
    }
    claims.extend(subject.more.clone());
    subject.dialect.id_token(grant, &mut claims);
    let token = sign(backend, provider, endpoint, app, alg, None, claims)?;
    backend.state().remember_id_token(&token, grant);
    Ok(token)
}

/// Claims about the user as a JWT for the application (OpenID Connect Core, section 5.3.2).
pub(crate) fn signed_userinfo(
    backend: &Backend,
    provider: &EmulatedProvider,
    endpoint: EmulatedEndpoint,
    grant: &UserGrant,
    mut claims: Map<String, Value>,
) -> Result<String, KeyFailure> {
    let app = &grant.request.app;
    let alg = alg(backend, provider, endpoint, app.userinfo_signed_response_alg);
    claims.insert("iss".to_owned(), json!(issuer(backend, provider, &grant.request.captures)));
    claims.insert("aud".to_owned(), json!(app.client_id));
    claims.insert("iat".to_owned(), json!(now()));
    claims.insert("exp".to_owned(), json!(now() + 60));
    sign(backend, provider, endpoint, app, alg, None, claims)
}

/// Signs in the provider's way, after the faults of the endpoint.
pub(crate) fn sign(
    backend: &Backend,
    provider: &EmulatedProvider,
    endpoint: EmulatedEndpoint,
    app: &App,
    alg: SigningAlg,
    typ: Option<&str>,
    mut claims: Map<String, Value>,
) -> Result<String, KeyFailure> {
    let faults = backend.state().faults(&provider.family, endpoint);
    let mut header = Vec::new();
    let mut bad_signature = None;
    for fault in &faults {
        match fault {
            Fault::Claim(name, Some(value)) => {
                claims.insert(name.clone(), value.clone());
            }
            Fault::Claim(name, None) => {
                claims.remove(name);
            }
            Fault::JoseHeader(name, value) => header.push((name.clone(), value.clone())),
            Fault::BadSignature(bad) => bad_signature = Some(*bad),
            _ => {}
        }
    }
    let mut keys = backend.keys();
    if faults.contains(&Fault::RotateKeys) {
        keys.rotate(&provider.family);
    }
    let secret = app.client_secret.as_deref().unwrap_or_default();
    let jws = JwsRequest { family: &provider.family, alg, secret, typ, header: &header, bad_signature };
    keys.sign(&jws, &claims)
}

/// The algorithm: that of a fault, that which the application registered, or the provider's own.
pub(crate) fn alg(
    backend: &Backend,
    provider: &EmulatedProvider,
    endpoint: EmulatedEndpoint,
    registered: Option<SigningAlg>,
) -> SigningAlg {
    let faults = backend.state().faults(&provider.family, endpoint);
    let by_fault = faults.iter().find_map(|fault| match fault {
        Fault::SignedBy(alg) => Some(*alg),
        _ => None,
    });
    by_fault.or(registered).unwrap_or_else(|| own_alg(backend, provider))
}

/// The algorithm by which the provider signs for applications that registered none.
fn own_alg(backend: &Backend, provider: &EmulatedProvider) -> SigningAlg {
    let usual = provider.facts.emulator.id_token_alg;
    let demanded = backend.state().demands(&provider.family).signing_algs;
    match demanded.is_empty() || demanded.contains(&usual) {
        true => usual,
        false => demanded[0],
    }
}

/// The algorithms that the provider has keys for: its own, those that applications registered, those of faults.
pub(crate) fn algs_in_use(backend: &Backend, provider: &EmulatedProvider) -> Vec<SigningAlg> {
    let own = own_alg(backend, provider);
    let state = backend.state();
    let manners = &provider.facts.emulator;
    let mut algs = match manners.id_token_alg.is_symmetric() {
        true => manners.id_token_algs.clone(),
        false => vec![own],
    };
    for app in state.apps(&provider.family) {
        algs.extend(app.id_token_signed_response_alg);
        algs.extend(app.userinfo_signed_response_alg);
        algs.extend(app.authorization_signed_response_alg);
        algs.extend(app.introspection_signed_response_alg);
    }
    for active in state.faults.iter().filter(|active| active.provider == provider.family) {
        if let Fault::SignedBy(alg) = active.fault {
            algs.push(alg);
        }
    }
    algs
}

/// The issuer, unless a fault names another.
pub(crate) fn issuer(backend: &Backend, provider: &EmulatedProvider, captures: &Captures) -> String {
    match backend.state().has_fault(&provider.family, &Fault::WrongIssuer) {
        true => WRONG_ISSUER.to_owned(),
        false => provider.issuer(captures),
    }
}

/// One text, or a list where the provider adds audiences of its own (RFC 7519, section 4.1.3).
fn audience(provider: &EmulatedProvider, app: &App) -> Value {
    let others = &provider.facts.emulator.audiences;
    match others.is_empty() {
        true => json!(app.client_id),
        false => std::iter::once(&app.client_id).chain(others).cloned().collect(),
    }
}

/// The first of the authentication context classes that were asked for: by `acr_values`, or by the parameter `claims` (OpenID
/// Connect Core, section 5.5.1.1).
pub(crate) fn requested_acr(grant: &UserGrant) -> Option<String> {
    let params = &grant.request.params;
    if let Some(values) = params.get("acr_values") {
        return values.split(' ').next().map(str::to_owned);
    }
    let claims: Value = serde_json::from_str(params.get("claims")?).ok()?;
    let acr = claims.pointer("/id_token/acr")?;
    acr.get("value").or(acr.pointer("/values/0")).and_then(Value::as_str).map(str::to_owned)
}
