//! Client authentication by a signed JWT (RFC 7523 section 2.2, OpenID Connect Core section 9).

use crate::{
    app::{App, ClientAuthMethod},
    clock::now,
    exchange::Exchange,
    fault::Fault,
    jws::ReceivedJwt,
    refusal::{ProtocolError, Reason},
    request::Pairs,
};

/// The only kind of assertion that is known here (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion may live, in seconds.
const LONGEST: i64 = 3600;

/// The application that an assertion names, and how it was signed: by its registered key or by its secret. Nothing is verified yet.
pub(crate) struct ClientAssertion {
    jws: ReceivedJwt,
    pub(crate) app: App,
    pub(crate) method: ClientAuthMethod,
}

pub(crate) fn read(
    exchange: &Exchange<'_>,
    params: &Pairs,
    assertion: &str,
) -> Result<ClientAssertion, ProtocolError> {
    if exchange.request.basic().is_some() || params.get("client_secret").is_some() {
        return Err(Reason::Request.because("the client authenticates in more than one way"));
    }
    if params.get("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(Reason::Request.because(format!("client_assertion_type must be {ASSERTION_TYPE}")));
    }
    let jws = ReceivedJwt::parse(assertion).map_err(refuse)?;
    let id = jws.text("sub").ok_or_else(|| refuse("has no sub".to_owned()))?;
    if params.get("client_id").is_some_and(|named| named != id) {
        return Err(refuse("names another application than client_id".to_owned()));
    }
    let app = exchange.backend.state().app(&exchange.provider.family, id);
    let app = app.ok_or_else(|| refuse("names no application that is registered here".to_owned()))?;
    let method = match jws.alg().map_err(refuse)?.is_symmetric() {
        true => ClientAuthMethod::ClientSecretJwt,
        false => ClientAuthMethod::PrivateKeyJwt,
    };
    Ok(ClientAssertion { jws, app, method })
}

impl ClientAssertion {
    /// Whether it holds for this endpoint and for now (RFC 7523 section 3), which can be asked once.
    pub(crate) fn check(&self, exchange: &Exchange<'_>) -> Result<(), ProtocolError> {
        let demands = exchange.demands();
        let jws = &self.jws;
        let alg = jws.alg().map_err(refuse)?;
        if !demands.signing_algs.is_empty() && !demands.signing_algs.contains(&alg) {
            return Err(refuse(format!("is signed by {alg}, which is not accepted here")));
        }
        if jws.typ().is_some_and(|typ| !["jwt", "client-authentication+jwt"].contains(&typ.as_str())) {
            return Err(refuse("is a JWT of another kind (typ)".to_owned()));
        }
        match (self.method, &self.app.jwks, &self.app.client_secret) {
            (ClientAuthMethod::ClientSecretJwt, _, Some(secret)) => {
                jws.verify_with_secret(secret).map_err(refuse)?;
            }
            (ClientAuthMethod::PrivateKeyJwt, Some(set), _) => jws.verify_in(set).map_err(refuse)?,
            _ => return Err(refuse("cannot be verified: the application has registered no keys".to_owned())),
        }
        if jws.text("iss") != Some(&*self.app.client_id) {
            return Err(refuse("has another iss than sub".to_owned()));
        }
        self.check_audience(exchange)?;
        jws.check_times(now(), LONGEST).map_err(refuse)?;
        let jti = jws.text("jti").filter(|jti| !jti.is_empty());
        let jti = jti.ok_or_else(|| refuse("has no jti".to_owned()))?;
        match exchange.backend.state().spend_jti(&format!("{} {jti}", self.app.client_id)) {
            true => Ok(()),
            false => Err(refuse("was used before (its jti is known)".to_owned())),
        }
    }

    fn check_audience(&self, exchange: &Exchange<'_>) -> Result<(), ProtocolError> {
        let provider = exchange.provider;
        let issuer = provider.issuer(&exchange.captures);
        let alone = exchange.demands().issuer_as_audience;
        let accepted = match alone {
            true => vec![issuer],
            false => {
                let token = provider.url(provider.facts.token_url.as_ref(), &exchange.captures);
                vec![token.unwrap_or_default(), issuer, exchange.request.endpoint().to_owned()]
            }
        };
        match self.jws.is_for(&accepted, alone) || exchange.has_fault(&Fault::AnyAudience) {
            true => Ok(()),
            false if alone => {
                Err(refuse(format!("is for somebody else: aud must be {:?}, as one text", accepted[0])))
            }
            false => Err(refuse(format!("is for somebody else: aud can be {}", accepted.join(" or ")))),
        }
    }
}

fn refuse(why: String) -> ProtocolError {
    Reason::Client.because(format!("the client assertion {why}"))
}
