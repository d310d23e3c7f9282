//! Proof of possession: DPoP (RFC 9449) and certificates (RFC 8705 section 3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, StatusCode, header};
use serde_json::json;
use url::Url;

use crate::{
    app::App,
    clock::now,
    crypto,
    endpoint::EmulatedEndpoint,
    exchange::Exchange,
    fault::{Fault, NonceFault},
    jws::{CLOCK_SKEW, ReceivedJwt, thumbprint},
    refusal::{ProtocolError, Reason},
    reply::ServerReply,
    terms::TokenTerms,
};

const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The header by which a server in front of an application says which certificate a client has shown (RFC 9440).
pub(crate) const CLIENT_CERT: &str = "client-cert";

/// What the request proves to possess.
#[derive(Clone, Debug, Default)]
pub(crate) struct Possession {
    /// The thumbprint of the key of its DPoP proof.
    pub(crate) jkt: Option<String>,
    /// The certificate, as DER.
    pub(crate) certificate: Option<Vec<u8>>,
}

impl Possession {
    pub(crate) fn x5t(&self) -> Option<String> {
        self.certificate.as_ref().map(|der| crypto::base64url(crypto::sha256(der)))
    }
}

/// Why a proof is refused.
enum BadProof {
    Proof(String),
    /// Another nonce is wanted.
    Nonce,
}

impl From<String> for BadProof {
    fn from(description: String) -> Self {
        Self::Proof(description)
    }
}

impl From<&str> for BadProof {
    fn from(description: &str) -> Self {
        Self::Proof(description.to_owned())
    }
}

/// What a request to the authorization server proves to possess.
pub(crate) fn at_server(exchange: &Exchange<'_>) -> Result<Possession, ProtocolError> {
    let jkt = proven_key(exchange, None).map_err(|bad| match bad {
        BadProof::Proof(description) => Reason::Other("invalid_dpop_proof").because(description),
        BadProof::Nonce => Reason::Other("use_dpop_nonce")
            .because("the authorization server requires a nonce in the DPoP proof"),
    })?;
    Ok(Possession { jkt, certificate: certificate(exchange)? })
}

/// The terms of a token for an application that proves to possess this: bound as far as provider and application want it.
pub(crate) fn bind(
    exchange: &Exchange<'_>,
    app: &App,
    possession: &Possession,
) -> Result<TokenTerms, ProtocolError> {
    let demands = exchange.demands();
    if (demands.dpop || app.dpop_bound_access_tokens) && possession.jkt.is_none() {
        return Err(Reason::Other("invalid_dpop_proof").because("a DPoP proof is required"));
    }
    if app.tls_client_certificate_bound_access_tokens && possession.certificate.is_none() {
        return Err(Reason::Request.because("a client certificate is required"));
    }
    if demands.sender_constraint && possession.jkt.is_none() && possession.certificate.is_none() {
        return Err(Reason::Request
            .because("tokens are sender-constrained: send a DPoP proof, or show a certificate"));
    }
    if exchange.has_fault(&Fault::UnboundToken) {
        return Ok(TokenTerms::default());
    }
    // With both, the token is bound to the key (as at Duende), so that one confirmation method is checked.
    let by_certificate = possession.jkt.is_none()
        && (app.tls_client_certificate_bound_access_tokens || demands.sender_constraint);
    let refresh_tokens_only = exchange.provider.facts.emulator.dpop_binds_refresh_tokens_only;
    let mut terms = TokenTerms {
        jkt: possession.jkt.clone().filter(|_| !refresh_tokens_only),
        refresh_jkt: possession.jkt.clone().filter(|_| refresh_tokens_only),
        x5t: possession.x5t().filter(|_| by_certificate),
        ..TokenTerms::default()
    };
    if exchange.has_fault(&Fault::TokenOfAnotherKey) {
        let another = || crypto::s256("another key");
        terms.jkt = terms.jkt.map(|_| another());
        terms.x5t = terms.x5t.map(|_| another());
    }
    Ok(terms)
}

/// Whether a request with an access token proves what the token is bound to.
pub(crate) fn check_bound(
    exchange: &Exchange<'_>,
    token: &str,
    terms: &TokenTerms,
) -> Result<(), ServerReply> {
    let by_proof = exchange.request.authorization("dpop").is_some();
    let invalid = |description: &str| refuse_at_resource(exchange, "invalid_token", description);
    if let Some(jkt) = &terms.jkt {
        if !by_proof {
            return Err(invalid("the access token is bound to a key: use the scheme DPoP"));
        }
        let proven = proven_key(exchange, Some(token)).map_err(|bad| match bad {
            BadProof::Proof(description) => refuse_at_resource(exchange, "invalid_dpop_proof", &description),
            BadProof::Nonce => refuse_at_resource(
                exchange,
                "use_dpop_nonce",
                "the resource server requires a nonce in the DPoP proof",
            ),
        })?;
        if proven.as_ref() != Some(jkt) {
            return Err(invalid("the access token is bound to another key"));
        }
    } else if by_proof {
        return Err(invalid("the access token is bound to no key"));
    }
    if let Some(x5t) = &terms.x5t {
        let shown = certificate(exchange).unwrap_or_default();
        let shown = shown.map(|der| crypto::base64url(crypto::sha256(&der)));
        if shown.as_ref() != Some(x5t) {
            return Err(invalid("the access token is bound to another certificate"));
        }
    }
    Ok(())
}

/// The refusal of a request to an API (RFC 9449 section 7.1).
fn refuse_at_resource(exchange: &Exchange<'_>, code: &str, description: &str) -> ServerReply {
    let algs = exchange.provider.facts.emulator.dpop_algs.iter().map(|alg| alg.as_str());
    let algs = algs.collect::<Vec<_>>().join(" ");
    let description = description.replace(['"', '\\'], "'");
    ServerReply::json(StatusCode::UNAUTHORIZED, &json!({"error": code, "error_description": description}))
        .with(
            header::WWW_AUTHENTICATE,
            &format!("DPoP error=\"{code}\", error_description=\"{description}\", algs=\"{algs}\""),
        )
}

/// Gives the nonce of the next proof along (RFC 9449 section 8.2), where the provider has nonces.
pub(crate) fn announce_nonce(
    exchange: &Exchange<'_>,
    endpoint: EmulatedEndpoint,
    reply: ServerReply,
) -> ServerReply {
    let family = &exchange.provider.family;
    let at_resource = is_resource(endpoint);
    let takes_proofs = at_resource
        || matches!(
            endpoint,
            EmulatedEndpoint::Token | EmulatedEndpoint::Refresh | EmulatedEndpoint::PushedAuthorization
        );
    let demands = exchange.demands();
    if !takes_proofs || !(demands.nonces || nonce_fault(exchange).is_some()) {
        return reply;
    }
    if nonce_fault(exchange) == Some(NonceFault::NotGiven) {
        return reply;
    }
    let mut state = exchange.backend.state();
    if demands.new_nonces {
        state.flows.next_nonce(family, at_resource);
    }
    let nonce = state.flows.nonce(family, at_resource).to_owned();
    reply.with(NONCE, &nonce)
}

fn is_resource(endpoint: EmulatedEndpoint) -> bool {
    matches!(endpoint, EmulatedEndpoint::Profile | EmulatedEndpoint::UserInfo | EmulatedEndpoint::Resource)
}

fn nonce_fault(exchange: &Exchange<'_>) -> Option<NonceFault> {
    let faults = exchange.backend.state().faults(&exchange.provider.family, exchange.endpoint());
    faults.into_iter().find_map(|fault| match fault {
        Fault::DpopNonce(fault) => Some(fault),
        _ => None,
    })
}

/// The thumbprint of the key in the request's proof, if there is one; with a token, the proof is for that (RFC 9449 section 4.3).
fn proven_key(exchange: &Exchange<'_>, token: Option<&str>) -> Result<Option<String>, BadProof> {
    let accepted = &exchange.provider.facts.emulator.dpop_algs;
    if accepted.is_empty() {
        return Ok(None);
    }
    let mut proofs = exchange.request.headers.get_all("dpop").iter();
    let proof = match (proofs.next(), proofs.next()) {
        (None, _) if token.is_some() => return Err("the DPoP proof is missing".into()),
        (None, _) => return Ok(None),
        (Some(_), Some(_)) => return Err("there is more than one DPoP proof".into()),
        (Some(proof), None) => proof.to_str().map_err(|_| "the DPoP proof is not text")?,
    };
    let bad = |problem: String| format!("the DPoP proof {problem}");
    let proof = ReceivedJwt::parse(proof).map_err(bad)?;
    if proof.typ().as_deref() != Some("dpop+jwt") {
        return Err(bad("has another typ than dpop+jwt".to_owned()).into());
    }
    let alg = proof.alg().map_err(bad)?;
    let demanded = exchange.demands().signing_algs;
    if alg.is_symmetric() || !accepted.contains(&alg) || !(demanded.is_empty() || demanded.contains(&alg)) {
        return Err(bad(format!("is signed by {alg}, which is not accepted here")).into());
    }
    let key = proof.header.get("jwk").and_then(serde_json::Value::as_object);
    let key = key.ok_or_else(|| bad("has no jwk".to_owned()))?;
    if ["d", "p", "q", "dp", "dq", "qi", "k"].iter().any(|private| key.contains_key(*private)) {
        return Err(bad("holds the private key".to_owned()).into());
    }
    proof.verify_with_key(key).map_err(bad)?;
    let jkt = thumbprint(key).ok_or_else(|| bad("has an incomplete jwk".to_owned()))?;
    if proof.text("htm") != Some(exchange.request.method.as_str()) {
        return Err(bad("is for another method (htm)".to_owned()).into());
    }
    let real = exchange.request.endpoint();
    let local = exchange.backend.local(real);
    let htu = proof.text("htu").unwrap_or_default();
    if htu.contains(['?', '#']) {
        return Err(bad("has an htu with a query or a fragment".to_owned()).into());
    }
    let same = |one: &str, other: &str| Url::parse(one).ok() == Url::parse(other).ok();
    if !same(htu, real) && !same(htu, &local) {
        return Err(bad(format!("is for another URL (htu is not {real})")).into());
    }
    let iat = proof.time("iat").ok_or_else(|| bad("has no iat".to_owned()))?;
    if (now() - iat).abs() > CLOCK_SKEW {
        return Err(bad(format!("was made {} s ago (iat)", now() - iat)).into());
    }
    let jti = proof.text("jti").filter(|jti| !jti.is_empty()).ok_or_else(|| bad("has no jti".to_owned()))?;
    let ath = proof.text("ath");
    match token {
        Some(token) if ath != Some(crypto::s256(token).as_str()) => {
            return Err(bad("is for another access token (ath)".to_owned()).into());
        }
        None if ath.is_some() => {
            return Err(bad("has an ath where there is no access token".to_owned()).into());
        }
        _ => {}
    }
    check_nonce(exchange, proof.text("nonce"))?;
    match exchange.backend.state().spend_jti(&format!("dpop {jkt} {jti}")) {
        true => Ok(Some(jkt)),
        false => Err(bad("was used before (its jti is known)".to_owned()).into()),
    }
}

fn check_nonce(exchange: &Exchange<'_>, nonce: Option<&str>) -> Result<(), BadProof> {
    let family = &exchange.provider.family;
    let at_resource = is_resource(exchange.endpoint());
    let fault = nonce_fault(exchange);
    let wanted = exchange.demands().nonces || fault.is_some();
    let mut state = exchange.backend.state();
    let by_fault = match fault {
        Some(NonceFault::ForEver) => true,
        Some(NonceFault::Twice) => state.flows.ask_for_nonce(family, at_resource) <= 2,
        _ => false,
    };
    if by_fault {
        state.flows.next_nonce(family, at_resource);
        return Err(BadProof::Nonce);
    }
    if wanted && nonce != Some(state.flows.nonce(family, at_resource)) {
        return Err(BadProof::Nonce);
    }
    state.flows.nonce_accepted(family, at_resource);
    Ok(())
}

/// The certificate that the client has shown, at an address that asks for one.
pub(crate) fn certificate(exchange: &Exchange<'_>) -> Result<Option<Vec<u8>>, ProtocolError> {
    if !exchange.route.mutual_tls {
        return Ok(None);
    }
    let Some(text) = exchange.request.header(CLIENT_CERT) else { return Ok(None) };
    let der = text.strip_prefix(':').and_then(|text| text.strip_suffix(':'));
    let der = der.and_then(|text| STANDARD.decode(text).ok());
    let der = der.ok_or_else(|| Reason::Request.because("the header Client-Cert is malformed (RFC 9440)"))?;
    if exchange.has_fault(&Fault::ExpiredCertificate) {
        return Err(Reason::Client.because("the certificate has expired"));
    }
    Ok(Some(der))
}
