use std::time::Duration;

use serde_json::Value;

use crate::signing_alg::SigningAlg;

/// Something that goes wrong at a provider, switched on with [`Emulator::fault`](crate::Emulator::fault).
///
/// "Server replies" are those to the application itself: every endpoint but the authorization page. A reply that is spoilt
/// on its way (`EmptyBody`, `TruncatedJson`, `InvalidUtf8`, `ResetMidBody`) belongs to a request that was carried out: the
/// code is used up, the refresh token replaced.
///
/// # What a client must refuse
///
/// A client of OpenID Connect must refuse many things, and there is not a switch for each. A few general ones change any claim,
/// any header of a JWT, any member of a JSON reply, any parameter of a callback; [`fault_at`](crate::Emulator::fault_at) says
/// where. So this is an ID token of a refresh that names somebody else, a discovery document of another issuer, and a token
/// that anybody could have made:
///
/// ```
/// # async fn run(emulator: oauth_emulator::Emulator) -> Result<(), oauth_emulator::UnknownProvider> {
/// use oauth_emulator::{BadSignature, EmulatedEndpoint, Fault};
///
/// emulator.fault_at("openid", EmulatedEndpoint::Refresh, Fault::claim("sub", "somebody-else"))?;
/// emulator.fault_at("openid", EmulatedEndpoint::Discovery, Fault::member("issuer", "https://attacker.example"))?;
///
/// emulator.fault("openid", Fault::jose_header("alg", "none"))?;
/// emulator.fault("openid", Fault::BadSignature(BadSignature::Missing))?;
/// # Ok(())
/// # }
/// ```
///
/// A switch that changes something works everywhere if it was switched on by [`fault`](crate::Emulator::fault); the ID token
/// of a callback (`response_type=code id_token`) belongs to [`EmulatedEndpoint::Authorize`](crate::EmulatedEndpoint::Authorize).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The user refuses, whatever is pressed on the consent page.
    Deny,
    /// Every authorization code and every code for another device has expired by the time it is redeemed.
    ExpiredCode,
    /// Every poll of the device grant is asked to slow down (RFC 8628 section 3.5).
    SlowDown,
    /// The callback carries another `state` than the application sent.
    WrongState,
    /// A new signing key comes into use before each ID token (and each signed userinfo reply), so that a cached key set
    /// never knows it.
    RotateKeys,
    /// Every server reply takes this much longer.
    Slow(Duration),
    /// Server replies are 429, with `Retry-After` in whole seconds.
    TooManyRequests {
        /// After how long to try again.
        retry_after: Duration,
    },
    /// Server replies are 500 with a JSON body.
    ServerError,
    /// Server replies are a proxy's HTML page with status 502.
    HtmlErrorPage,
    /// Server replies have their status, but no body.
    EmptyBody,
    /// Server replies stop in the middle of their text, with a matching `Content-Length`.
    TruncatedJson,
    /// Server replies hold bytes that are not UTF-8.
    InvalidUtf8,
    /// The token endpoint redirects (307) to another host, which must not be followed: the request holds the secret.
    Redirect,
    /// The connection breaks in the middle of each server reply.
    ResetMidBody,
    /// The user's e-mail address is marked unverified, where the provider tells.
    UnverifiedEmail,
    /// The user has no e-mail address, or does not share it.
    NoEmail,
    /// ID tokens, and the callback's `iss` where the provider sends one, name another issuer.
    WrongIssuer,
    /// The callback says that this went wrong, whatever is pressed on the consent page: `interaction_required`, …
    CallbackError(String),
    /// The callback has this parameter in place of its own; `None` takes it out.
    Callback(String, Option<String>),
    /// ID tokens and signed UserInfo replies make this claim in place of their own; `None` takes it out. All else about them
    /// is right, the signature too.
    Claim(String, Option<Value>),
    /// The headers of ID tokens and signed UserInfo replies (RFC 7515 section 4) have this member in place of their own; `None` takes
    /// it out.
    JoseHeader(String, Option<Value>),
    /// ID tokens and signed UserInfo replies have a bad signature.
    BadSignature(BadSignature),
    /// ID tokens and signed UserInfo replies are signed by this algorithm, with a key that the provider publishes, whatever the
    /// application registered.
    SignedBy(SigningAlg),
    /// The key set holds further keys of the same ids in front of the right ones: of other types, for encryption, of a type
    /// that nobody knows, without their numbers.
    DecoyKeys,
    /// Replies that are JSON objects have this member in place of their own; `None` takes it out.
    Member(String, Option<Value>),
    /// Server replies have this text as their body.
    Body(String),
    /// Server replies that are JSON objects are this many bytes longer.
    Padding(usize),
    /// Server replies have this status, and the body that they have anyway.
    Status(u16),
    /// Server replies have this HTTP header in place of their own.
    HttpHeader(&'static str, String),
    /// The endpoint refuses with this OAuth error code (status 400): `slow_down`, `invalid_dpop_proof`, `invalid_target`, …
    Refuse(String),
    /// The nonces of DPoP proofs are handled badly. The provider wants nonces then, whether it does otherwise or not.
    DpopNonce(NonceFault),
    /// Tokens are bound to nothing, and their type is `Bearer`, whatever the request proved to possess.
    UnboundToken,
    /// Tokens are bound to another key or certificate than the request proved to possess.
    TokenOfAnotherKey,
    /// Client certificates have expired, so that none is accepted.
    ExpiredCertificate,
    /// Whoever is meant by `aud`, a client assertion is accepted.
    AnyAudience,
    /// Request objects are not looked at: the parameters beside them count (RFC 9101).
    RequestObjectIgnored,
    /// Pushed requests have expired by the time they are used.
    ExpiredRequestUri,
    /// The answer to an authorization request comes in plain parameters, also where it was to be signed (JARM).
    PlainResponse,
    /// The answer to an authorization request comes signed (JARM), also where nobody asked for that.
    UnaskedJwtResponse,
}

impl Fault {
    /// Makes a [`Fault::Claim`] with a value.
    pub fn claim(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Claim(name.into(), Some(value.into()))
    }

    /// Makes a [`Fault::Claim`] without a value: the claim is missing.
    pub fn no_claim(name: impl Into<String>) -> Self {
        Self::Claim(name.into(), None)
    }

    /// Makes a [`Fault::JoseHeader`] with a value.
    pub fn jose_header(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::JoseHeader(name.into(), Some(value.into()))
    }

    /// Makes a [`Fault::JoseHeader`] without a value: the header has no such member.
    pub fn no_jose_header(name: impl Into<String>) -> Self {
        Self::JoseHeader(name.into(), None)
    }

    /// Makes a [`Fault::Member`] with a value.
    pub fn member(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Member(name.into(), Some(value.into()))
    }

    /// Makes a [`Fault::Member`] without a value: the reply has no such member.
    pub fn no_member(name: impl Into<String>) -> Self {
        Self::Member(name.into(), None)
    }

    /// Makes a [`Fault::Callback`] with a value.
    pub fn callback(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Callback(name.into(), Some(value.into()))
    }

    /// Makes a [`Fault::Callback`] without a value: the callback has no such parameter.
    pub fn no_callback(name: impl Into<String>) -> Self {
        Self::Callback(name.into(), None)
    }
}

/// What is wrong with a signature. Where the header says something else than before, [`Fault::JoseHeader`] can still change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadSignature {
    /// One bit of the signature is wrong.
    Broken,
    /// There is no signature: the token's third part is empty.
    Missing,
    /// The signature is by a key that nobody published, under the id of one that was.
    ForeignKey,
    /// The signature is by a key that nobody published, which the header brings along as `jwk` (RFC 7515 section 4.1.3).
    EmbeddedKey,
    /// The signature is an HMAC with the provider's public key, a text that everybody knows, as PEM (RFC 8725 section 2.1).
    PublicKeyPem,
    /// The signature is an HMAC with the provider's public key as DER.
    PublicKeyDer,
    /// The signature is an HMAC with the provider's public key as the key set has it.
    PublicKeyJwk,
    /// The signature is an HMAC with the client secret, though the application registered no such algorithm.
    ClientSecret,
    /// An ECDSA signature is in DER, not the two numbers of fixed length (RFC 7518 section 3.4).
    Der,
    /// The signature has the right length and is all zeros.
    Zeros,
}

/// What is wrong with a provider's nonces (RFC 9449 sections 8 and 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NonceFault {
    /// No nonce is ever good: each request is answered with a new one.
    ForEver,
    /// The first nonce is not good either; the second is.
    Twice,
    /// A nonce is demanded, and none is given.
    NotGiven,
}

/// The issuer that [`Fault::WrongIssuer`] names.
pub(crate) const WRONG_ISSUER: &str = "https://attacker.example";
