//! Security profiles: FAPI 2.0.

use std::{any::Any, fmt};

use oauth_core::{
    AuthorizationParams, CodeChallengeMethod, Credentials, Endpoint, Error, ErrorKind, OAuth2, Operation,
    Participant, Pkce, Result, async_trait,
};
use oauth_openid::{Algorithm, OpenIDConnect, OpenIDProvider};

use crate::{
    client_assertion::PrivateKeyJwt, client_certificate::CertificateBoundTokens, dpop::Dpop,
    pushed_requests::PushedRequests, signed_requests::SignedRequests, signed_responses::SignedResponses,
};

/// A set of rules that a provider's ecosystem has agreed on, to which a client can be held.
///
/// [`apply`](Self::apply) turns on what the profile demands, and refuses what it forbids: the error names the rule and the setting. What
/// the application must bring are its keys.
///
/// ```
/// use oauth_fapi::{Dpop, DpopProvider, PrivateKeyJwt, Profile, SigningKey, oauth_openid::OpenID};
///
/// # fn f(key: SigningKey) -> Result<(), oauth_fapi::oauth_core::Error> {
/// let client = OpenID::lazy("CLIENT_ID", PrivateKeyJwt::new(key), "https://bank.example")?.with_dpop(Dpop::generate()?);
/// let client = Profile::Fapi2Security.apply(client)?;
/// # Ok(())
/// # }
/// ```
///
/// The guide is `docs/high-security.md` in the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// The [FAPI 2.0 Security Profile](https://openid.net/specs/fapi-security-profile-2_0.html): pushed requests, PKCE, a client that
    /// authenticates by key or certificate, and tokens that are bound to a key or a certificate.
    Fapi2Security,
    /// [FAPI 2.0 Message Signing](https://openid.net/specs/fapi-message-signing-2_0.html): besides, authorization requests and their answers
    /// are signed.
    Fapi2MessageSigning,
}

/// What FAPI 2.0 signs with (Security Profile section 5.4.1).
const ALGORITHMS: [Algorithm; 3] = [Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];

/// The most characters of a nonce (Security Profile section 5.3.3.2 item 7).
const LONGEST_NONCE: usize = 64;

impl Profile {
    /// Holds a client to the profile. It is the last step of making the client: of what is changed later, only keys that replace others are
    /// checked again, before each request.
    ///
    /// # Errors
    ///
    /// A configuration error that names the rule that a setting of the client breaks.
    pub fn apply<P: OpenIDProvider>(self, mut client: P) -> Result<P> {
        self.check_authentication(client.oauth2())?;
        self.check_binding(client.oauth2())?;
        self.check_endpoints(client.oauth2())?;
        self.check_requests(client.oauth2())?;
        // In place of the one that is there, which might leave a request unpushed where no endpoint is known.
        client = self.with_algorithms(client)?.with_participant(PushedRequests::new().required());
        if self == Self::Fapi2MessageSigning && client.oauth2().participant::<SignedResponses>().is_none() {
            client = client.with_participant(SignedResponses::new().algorithms(ALGORITHMS));
        }
        Ok(client.with_oauth2(OAuth2::require_callback_issuer).with_participant(ProfileRules(self)))
    }

    fn check_authentication(self, client: &OAuth2) -> Result<()> {
        client.credentials().choices().iter().try_for_each(|choice| self.check_credentials(client, choice))
    }

    fn check_credentials(self, client: &OAuth2, credentials: &Credentials) -> Result<()> {
        const METHODS: [&str; 3] = ["private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"];
        let authentication = credentials.own_authentication();
        let Some(authentication) = authentication.filter(|own| METHODS.contains(&own.method())) else {
            let method = match authentication {
                Some(own) => own.method(),
                None if credentials.are_none() => "none",
                None => "client secret",
            };
            let rule = format!(
                "the client authenticates by private_key_jwt or TLS, and this one by {method}: give it PrivateKeyJwt or TlsClientAuth"
            );
            return Err(self.broken(client, "5.3.3.1 item 2", &rule));
        };
        if let Some(name) = authentication.signing_algorithm()
            && !is_accepted(&name)
        {
            let rule = format!(
                "client assertions are signed by PS256, ES256 or EdDSA, and this key signs by {name}"
            );
            return Err(self.broken(client, "5.4.1", &rule));
        }
        let by_key = (&**authentication as &dyn Any).downcast_ref::<PrivateKeyJwt>();
        if by_key.is_some_and(|by_key| !by_key.is_for_the_issuer()) {
            return Err(self.broken(
                client,
                "5.3.3.1 item 5",
                "the audience of client assertions is the issuer: leave out PrivateKeyJwt::audience",
            ));
        }
        Ok(())
    }

    fn check_binding(self, client: &OAuth2) -> Result<()> {
        let dpop = client.participant::<Dpop>();
        if dpop.is_none() && client.participant::<CertificateBoundTokens>().is_none() {
            return Err(self.broken(
                client,
                "5.3.3.1 item 1",
                "access tokens are bound to a key or a certificate: give the client Dpop or CertificateBoundTokens",
            ));
        }
        let Some(dpop) = dpop else { return Ok(()) };
        if dpop.accepts_bearer_tokens() {
            return Err(self.broken(
                client,
                "5.3.3.1 item 1",
                "every access token is bound: leave out Dpop::allow_bearer_tokens",
            ));
        }
        if !ALGORITHMS.contains(&dpop.algorithm()) {
            let algorithm = dpop.algorithm();
            return Err(self.broken(
                client,
                "5.4.1",
                &format!(
                    "DPoP proofs are signed by PS256, ES256 or EdDSA, and this key signs by {algorithm}"
                ),
            ));
        }
        Ok(())
    }

    /// Endpoints come from metadata, and those from the issuer that the application trusts.
    fn check_endpoints(self, client: &OAuth2) -> Result<()> {
        if client.participant::<OpenIDConnect>().is_none() {
            return Err(self.broken(
                client,
                "5.3.3.1 item 9",
                "endpoints come from the provider's metadata alone: make the client with oauth_openid, such as OpenID::lazy",
            ));
        }
        // Those of metadata are known when the client is ready, which it is not yet.
        const FROM_METADATA: [Endpoint; 4] =
            [Endpoint::Authorization, Endpoint::Token, Endpoint::PushedAuthorization, Endpoint::Profile];
        if let Some(set) =
            FROM_METADATA.into_iter().find(|endpoint| client.endpoints().get(*endpoint).is_some())
        {
            let name = set.metadata_name().unwrap_or_default();
            return Err(self.broken(
                client,
                "5.3.3.1 item 9",
                &format!("endpoints come from the provider's metadata alone, and {name} was set"),
            ));
        }
        Ok(())
    }

    fn check_requests(self, client: &OAuth2) -> Result<()> {
        if client.pkce() != Pkce::Challenge(CodeChallengeMethod::S256) {
            return Err(self.broken(
                client,
                "5.3.3.2 item 3",
                "requests have a code challenge by S256, which was switched off",
            ));
        }
        if client.participant::<PushedRequests>().is_some_and(PushedRequests::is_loose) {
            return Err(self.broken(
                client,
                "5.3.3.2 item 2",
                "every request is pushed, and the answer keeps to RFC 9126: leave out PushedRequests::only_on_demand and accepting_200",
            ));
        }
        let signed = client.participant::<SignedRequests>();
        if let Some(signed) = signed {
            match signed.algorithm() {
                None => {
                    let rule =
                        "requests are signed: use SignedRequests::new in place of dangerously_unsigned";
                    return Err(self.broken(client, "5.4.1", rule));
                }
                Some(algorithm) if !ALGORITHMS.contains(&algorithm) => {
                    let rule = format!(
                        "request objects are signed by PS256, ES256 or EdDSA, and this key signs by {algorithm}"
                    );
                    return Err(self.broken(client, "5.4.1", &rule));
                }
                Some(_) => {}
            }
            if !signed.is_for_the_issuer() {
                return Err(self.broken_signing(
                    client,
                    "5.3.2 item 2",
                    "the audience of request objects is the issuer: leave out SignedRequests::audience",
                ));
            }
        } else if self == Self::Fapi2MessageSigning {
            return Err(self.broken_signing(
                client,
                "5.3.2 item 1",
                "authorization requests are signed: give the client SignedRequests with its key",
            ));
        }
        let responses = client.participant::<SignedResponses>();
        if let Some(algorithm) = responses.and_then(|responses| forbidden(responses.accepted_algorithms())) {
            let rule = format!(
                "answers are signed by PS256, ES256 or EdDSA, and SignedResponses accepts {algorithm}: name the registered one by \
                 SignedResponses::algorithms"
            );
            return Err(self.broken(client, "5.4.1", &rule));
        }
        Ok(())
    }

    /// Narrows what the client accepts of ID tokens, and of whatever else the provider signs, to what the profile allows.
    fn with_algorithms<P: OpenIDProvider>(self, client: P) -> Result<P> {
        let mut problem = None;
        let client = client.with_policy(|policy| {
            let chosen = policy.accepted_algorithms().to_vec();
            let of_userinfo = policy.accepted_userinfo_algorithms().unwrap_or_default();
            problem = forbidden(of_userinfo).map(|algorithm| ("signed UserInfo is", algorithm));
            if chosen == Algorithm::WITH_PUBLIC_KEYS {
                return policy.algorithms(ALGORITHMS);
            }
            problem = problem.or(forbidden(&chosen).map(|algorithm| ("ID tokens are", algorithm)));
            policy
        });
        match problem {
            None => Ok(client),
            Some((what, algorithm)) => Err(self.broken(
                client.oauth2(),
                "5.4.1",
                &format!(
                    "{what} signed by PS256, ES256 or EdDSA, and the client's policy accepts {algorithm}"
                ),
            )),
        }
    }

    /// An error about a rule of the Security Profile, which Message Signing builds on.
    fn broken(self, client: &OAuth2, section: &str, rule: &str) -> Error {
        let problem = format!("FAPI 2.0 Security Profile section {section}: {rule}");
        client.error(Operation::CONFIGURE, ErrorKind::Configuration(problem))
    }

    fn broken_signing(self, client: &OAuth2, section: &str, rule: &str) -> Error {
        let problem = format!("FAPI 2.0 Message Signing section {section}: {rule}");
        client.error(Operation::CONFIGURE, ErrorKind::Configuration(problem))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fapi2Security => "FAPI 2.0 Security Profile",
            Self::Fapi2MessageSigning => "FAPI 2.0 Message Signing",
        })
    }
}

fn is_accepted(name: &str) -> bool {
    Algorithm::of(name).is_some_and(|algorithm| ALGORITHMS.contains(&algorithm))
}

/// The first algorithm that the profile does not allow.
fn forbidden(algorithms: &[Algorithm]) -> Option<Algorithm> {
    algorithms.iter().copied().find(|algorithm| !ALGORITHMS.contains(algorithm))
}

/// What can be checked only when the provider's metadata are known, or a request is made.
#[derive(Debug)]
struct ProfileRules(Profile);

#[async_trait]
impl Participant for ProfileRules {
    async fn ready(&self, client: &OAuth2) -> Result<OAuth2> {
        // Keys are replaced without a restart, and the next one may sign by another algorithm.
        self.0.check_authentication(client)?;
        self.0.check_binding(client)?;
        self.0.check_requests(client)?;
        // The binding by a certificate does not show in the answer, so nothing else would tell that there is none.
        let is_agreed = client
            .participant::<CertificateBoundTokens>()
            .is_some_and(CertificateBoundTokens::is_binding_agreed);
        if client.participant::<Dpop>().is_none()
            && !is_agreed
            && let Some(openid) = OpenIDConnect::of(client)
            && let Some(metadata) = openid.metadata().await?
            && !metadata.flag("tls_client_certificate_bound_access_tokens")
        {
            return Err(self.0.broken(
                client,
                "5.3.3.1 item 1",
                "access tokens are bound to the certificate, and the provider does not say that it does so \
                 (tls_client_certificate_bound_access_tokens): give the client Dpop, or where the provider's documentation \
                 says so, CertificateBoundTokens::binding_is_agreed",
            ));
        }
        Ok(client.clone())
    }

    fn accepted(&self) -> String {
        self.0.to_string()
    }

    async fn authorize(&self, client: &OAuth2, params: &mut AuthorizationParams) -> Result<()> {
        let broken = |section: &str, rule: &str| {
            Err(self.0.broken(client, section, rule).during(Operation::GET_AUTHORIZATION_URL))
        };
        if params.get("response_type") != Some("code") {
            return broken("5.3.3.2 item 1", "the response type is code");
        }
        if params.get("code_challenge_method") != Some("S256") || params.get("code_challenge").is_none() {
            return broken("5.3.3.2 item 3", "a request has a code challenge by S256");
        }
        if params.get("nonce").is_some_and(|nonce| nonce.chars().count() > LONGEST_NONCE) {
            return broken("5.3.3.2 item 7", "a nonce has at most 64 characters");
        }
        if !params.get("redirect_uri").is_some_and(is_safe) {
            return broken(
                "5.3.2.2 item 8",
                "the redirect URI is an https address, or a loopback address of a native application",
            );
        }
        Ok(())
    }
}

fn is_safe(redirect_uri: &str) -> bool {
    let loopback = ["http://127.0.0.1", "http://[::1]"];
    let is_loopback = |rest: &str| rest.is_empty() || rest.starts_with([':', '/', '?']);
    redirect_uri.starts_with("https://")
        || loopback.iter().any(|start| redirect_uri.strip_prefix(start).is_some_and(is_loopback))
}
