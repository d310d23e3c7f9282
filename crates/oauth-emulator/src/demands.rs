use crate::{app::ClientAuthMethod, signing_alg::SigningAlg};

/// What a provider demands of all its applications, beyond what it does by itself: given to
/// [`Builder::demands`](crate::Builder::demands).
///
/// ```
/// use oauth_emulator::{Demands, Emulator};
///
/// # async fn run() -> std::io::Result<()> {
/// // A server that keeps to the FAPI 2.0 Security Profile, and wants its own nonce in each DPoP proof.
/// let emulator = Emulator::builder().demands("openid", Demands::fapi2_security().dpop_nonces()).start().await?;
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run()).unwrap();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Demands {
    pub(crate) client_auth: Vec<ClientAuthMethod>,
    pub(crate) signing_algs: Vec<SigningAlg>,
    pub(crate) issuer_as_audience: bool,
    pub(crate) pushed_requests: bool,
    pub(crate) pushed_lifetime: Option<u64>,
    pub(crate) signed_requests: bool,
    pub(crate) signed_responses: bool,
    pub(crate) pkce: bool,
    pub(crate) code_only: bool,
    pub(crate) dpop: bool,
    pub(crate) sender_constraint: bool,
    pub(crate) nonces: bool,
    pub(crate) new_nonces: bool,
    pub(crate) jwt_access_tokens: bool,
    pub(crate) resources: Vec<String>,
    pub(crate) poll_interval: Option<u64>,
    pub(crate) backchannel_lifetime: Option<u64>,
}

impl Demands {
    /// Nothing but what the provider does by itself.
    pub fn none() -> Self {
        Self::default()
    }

    /// The FAPI 2.0 Security Profile: pushed authorization requests, PKCE, `private_key_jwt` or TLS client authentication, the issuer as
    /// the audience of assertions, sender-constrained tokens, and PS256, ES256 and EdDSA alone.
    pub fn fapi2_security() -> Self {
        Self {
            client_auth: vec![
                ClientAuthMethod::PrivateKeyJwt,
                ClientAuthMethod::TlsClientAuth,
                ClientAuthMethod::SelfSignedTlsClientAuth,
            ],
            signing_algs: vec![SigningAlg::ES256, SigningAlg::PS256, SigningAlg::EdDSA],
            issuer_as_audience: true,
            pushed_requests: true,
            pkce: true,
            code_only: true,
            sender_constraint: true,
            ..Self::default()
        }
    }

    /// FAPI 2.0 Message Signing: besides, requests are signed (JAR) and so are the answers (JARM).
    pub fn fapi2_message_signing() -> Self {
        Self::fapi2_security().signed_requests().signed_responses()
    }

    /// Whether this algorithm is accepted.
    pub(crate) fn signs(&self, alg: SigningAlg) -> bool {
        self.signing_algs.is_empty() || self.signing_algs.contains(&alg)
    }

    /// Only these kinds of client authentication.
    pub fn client_auth(mut self, methods: impl IntoIterator<Item = ClientAuthMethod>) -> Self {
        self.client_auth = methods.into_iter().collect();
        self
    }

    /// Only these algorithms, for what applications sign and for what the provider signs. The first is the provider's own, where its usual
    /// one is not among them.
    pub fn signing_algs(mut self, algs: impl IntoIterator<Item = SigningAlg>) -> Self {
        self.signing_algs = algs.into_iter().collect();
        self
    }

    /// The audience of client assertions is the issuer, as one text (RFC 7523bis).
    pub fn issuer_as_audience(mut self) -> Self {
        self.issuer_as_audience = true;
        self
    }

    /// Authorization requests are pushed (RFC 9126 section 5).
    pub fn pushed_requests(mut self) -> Self {
        self.pushed_requests = true;
        self
    }

    /// A pushed request lives so many seconds, in place of 60.
    pub fn pushed_requests_live(mut self, seconds: u64) -> Self {
        self.pushed_lifetime = Some(seconds);
        self
    }

    /// Authorization requests are signed (RFC 9101 section 10.5).
    pub fn signed_requests(mut self) -> Self {
        self.signed_requests = true;
        self
    }

    /// Answers to authorization requests are asked for signed (JARM).
    pub fn signed_responses(mut self) -> Self {
        self.signed_responses = true;
        self
    }

    /// Every token request has a DPoP proof (RFC 9449).
    pub fn dpop(mut self) -> Self {
        self.dpop = true;
        self
    }

    /// Every token is bound: by a DPoP proof or by a certificate.
    pub fn sender_constrained_tokens(mut self) -> Self {
        self.sender_constraint = true;
        self
    }

    /// DPoP proofs hold a nonce of the server's, which is another one at resources (RFC 9449 sections 8 and 9). A nonce is good until
    /// [`Emulator::rotate_nonces`](crate::Emulator::rotate_nonces).
    pub fn dpop_nonces(mut self) -> Self {
        self.nonces = true;
        self
    }

    /// Each reply brings a new nonce, and the one before is no longer good.
    pub fn new_dpop_nonce_each_time(mut self) -> Self {
        self.nonces = true;
        self.new_nonces = true;
        self
    }

    /// Access tokens are JWTs (RFC 9068).
    pub fn jwt_access_tokens(mut self) -> Self {
        self.jwt_access_tokens = true;
        self
    }

    /// No other resources than these can be asked for (RFC 8707); others are `invalid_target`. By default any absolute URI.
    pub fn resources(mut self, resources: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.resources = resources.into_iter().map(Into::into).collect();
        self
    }

    /// How long a client waits between two polls (CIBA section 7.3), in place of 5 seconds.
    pub fn poll_interval(mut self, seconds: u64) -> Self {
        self.poll_interval = Some(seconds);
        self
    }

    /// A request for authentication on another device lives so many seconds, in place of 120.
    pub fn backchannel_requests_live(mut self, seconds: u64) -> Self {
        self.backchannel_lifetime = Some(seconds);
        self
    }
}
