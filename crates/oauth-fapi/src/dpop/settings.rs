//! `Dpop` and its settings.

use std::{fmt, sync::Arc};

use oauth_core::{Provider, Result};
use oauth_openid::Algorithm;

use super::{
    bindings::{Bindings, Recent},
    key::DpopKey,
    keys::DpopKeys,
    nonces::Nonces,
};

/// Binds a client's tokens to a key (RFC 9449): a [participant](oauth_core::Participant) that proves at each request that the client
/// has it.
///
/// Proofs go with token requests of every grant, pushed authorization requests, profile requests, and the requests of an
/// application's own that `AuthorizedClient`, `TokenMiddleware` or
/// [`authorize_api_request`](oauth_core::OAuth2::authorize_api_request) authorize. Where a server wants a nonce, the request is sent once
/// more with it, and authenticated anew. A token that is not bound is refused.
///
/// ```
/// use oauth_core::OAuth2;
/// use oauth_fapi::{Dpop, DpopProvider};
///
/// # fn f() -> Result<(), oauth_core::Error> {
/// let client = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
///     .with_dpop(Dpop::generate()?);
/// # Ok(())
/// # }
/// ```
///
/// [`generate`](Self::generate) makes a key that is gone when the process ends, and with it the tokens of a public client. For tokens
/// that are kept, give it a [`DpopKey`] that is kept too, or [`SealedDpopKeys`](crate::SealedDpopKeys), which give each grant a key
/// that travels with its tokens.
///
/// What a token is bound to is in the token ([`confirmation`](oauth_core::OAuth2Token::confirmation)), so use the methods that take a whole
/// one: [`refresh`](oauth_core::Provider::refresh), [`get_profile_of`](oauth_core::Provider::get_profile_of). Those that take its text use
/// the client's one key, and are an error with a key for each grant.
pub struct Dpop {
    pub(super) keys: Arc<dyn DpopKeys>,
    pub(super) nonces: Nonces,
    pub(super) bindings: Bindings,
    /// By their thumbprints.
    pub(super) found: Recent<String, DpopKey>,
    pub(super) allows_bearer: bool,
    pub(super) binds_codes: bool,
    pub(super) seen_as: Option<SeenAs>,
}

/// What a server takes a URL for.
pub(super) type SeenAs = Box<dyn Fn(&str) -> String + Send + Sync>;

impl Dpop {
    /// Binds tokens to the keys of this source: a [`DpopKey`], a [`DpopKeyRing`](crate::DpopKeyRing),
    /// [`SealedDpopKeys`](crate::SealedDpopKeys), or one of the application's own.
    #[must_use]
    pub fn new(keys: impl DpopKeys + 'static) -> Self {
        Self {
            keys: Arc::new(keys),
            nonces: Nonces::default(),
            bindings: Bindings::default(),
            found: Recent::default(),
            allows_bearer: false,
            binds_codes: true,
            seen_as: None,
        }
    }

    /// Binds tokens to a key that lives as long as this process.
    ///
    /// # Errors
    ///
    /// A configuration error when the operating system has no random bytes to give.
    pub fn generate() -> Result<Self> {
        Ok(Self::new(DpopKey::generate()?))
    }

    /// Accepts access tokens that are not bound, which are then sent as bearer tokens: for a server that binds the refresh token alone,
    /// as Google does. Without it they are an error, because whoever sits in between could take the binding out.
    ///
    /// Refresh tokens count as bound all the same.
    #[must_use]
    pub fn allow_bearer_tokens(mut self) -> Self {
        self.allows_bearer = true;
        self
    }

    /// Whether tokens that are bound to nothing are taken.
    pub(crate) fn accepts_bearer_tokens(&self) -> bool {
        self.allows_bearer
    }

    /// What signs the proofs.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.keys.algorithm()
    }

    /// Sends no `dpop_jkt` with authorization requests, for a server that refuses parameters that it does not know. The code is
    /// then not bound to the key (RFC 9449 section 10), unless the request is pushed.
    #[must_use]
    pub fn without_dpop_jkt(mut self) -> Self {
        self.binds_codes = false;
        self
    }

    /// Says by which URL a server knows the one that is asked, where a proxy in between changes host, port or path.
    #[must_use]
    pub fn with_url_seen_as(mut self, seen_as: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.seen_as = Some(Box::new(seen_as));
        self
    }
}

impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop")
            .field("keys", &self.keys)
            .field("allows_bearer", &self.allows_bearer)
            .field("binds_codes", &self.binds_codes)
            .finish_non_exhaustive()
    }
}

/// Any client, with tokens that are bound to a key.
///
/// ```
/// use oauth_core::OAuth2;
/// use oauth_fapi::{Dpop, DpopProvider};
///
/// # fn f(google: OAuth2) -> Result<(), oauth_core::Error> {
/// // Google binds the refresh token alone, and wants the client secret beside the proof.
/// let google = google.with_dpop(Dpop::generate()?.allow_bearer_tokens());
/// # Ok(())
/// # }
/// ```
pub trait DpopProvider: Provider + Sized {
    /// Binds the client's tokens to a key.
    #[must_use]
    fn with_dpop(self, dpop: Dpop) -> Self {
        self.with_participant(dpop)
    }
}

impl<P: Provider> DpopProvider for P {}
