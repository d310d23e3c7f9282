//! Which account of the application an identity belongs to.

mod address;
mod authority;

pub use authority::EmailAuthority;

use self::address::Comparable;
use crate::{
    error::Result,
    identity::{EmailVerification, Identity},
};

/// The only issuer whose own documentation says for which domains it hosts the mailboxes
/// (<https://developers.google.com/identity/gsi/web/guides/verify-google-id-token>: gmail.com, where `email_verified` is true).
const GOOGLE: (&str, [&str; 1]) = ("https://accounts.google.com", ["gmail.com"]);

/// The purpose of a login: to sign in, or to link the identity to an account.
///
/// It is decided when the login begins, by what was pressed, and travels with the attempt. It is never the fact that somebody happens to be
/// signed in when the callback arrives: a page of anybody's can begin a login in another's browser, and that login may end with the
/// attacker's identity.
// Whoever handles it must handle every case, so it is not `non_exhaustive`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LinkIntent<A> {
    /// To sign in, to whatever account the identity belongs to.
    #[default]
    SignIn,
    /// To attach the identity to this account, whose holder was signed in and pressed a button for it, in a form that
    /// is protected against cross-site requests.
    LinkTo(A),
}

/// An account of the application that has the identity's e-mail address, as far as the application's database says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAddress<A> {
    /// The account.
    pub account: A,
    /// The address as it is stored. A database may take another one for the identity's, `bänk.example` for `bank.example`, and
    /// find an account that has nothing to do with it.
    pub address: String,
    /// Whether the application itself has made sure that the address is the account holder's. An address that somebody
    /// typed into a registration form is not verified.
    pub verified: bool,
}

/// What to do with somebody who signed in at a provider.
// Whoever handles it must handle every case, so it is not `non_exhaustive`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkDecision<A> {
    /// Sign them in to this account, which has the identity.
    SignIn(A),
    /// Make an account, and give it the identity. Its address is verified only if [`LinkPolicy::vouches_for`] says so.
    Create,
    /// Give the identity to this account, and sign them in to it.
    Link(A),
    /// Do none of it, and say why.
    Refuse(LinkRefusal),
}

/// Why an identity is neither signed in nor linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkRefusal {
    /// The identity was to be linked, and belongs to another account already. Its holder can take it away from there first.
    BelongsToAnotherAccount,
    /// The account that was found has another address than the identity, which the database takes for the same one, or none.
    OtherAddress,
    /// An account has the address, but the provider does not say that it is verified: whoever signed in may only claim it. They can
    /// sign in to the account in the way they did before, and link the provider from there.
    AddressUnverifiedAtProvider,
    /// An account has the address, and the provider calls it verified, but is not authoritative for it: the mailbox may belong to another
    /// today, or an administrator may have typed it in. They can sign in to the account in the way they did before, and link the
    /// provider from there; or the application sends a mail of its own.
    NotAuthoritative,
    /// An account has the address, but the application never verified it: whoever made the account may have claimed it, and
    /// would share it with its real holder. The account holder can verify the address, and link the provider from there.
    AddressUnverifiedInApplication,
}

/// Whose word about e-mail addresses is enough to join an unknown identity to an account that has its address.
///
/// | account with the identity | intent | account with the address | decision |
/// | --- | --- | --- | --- |
/// | A | to sign in, or to link to A | any | sign in to A |
/// | A | to link to another | any | refuse: belongs to another account |
/// | none | to link to B | any | link to B: its holder asked for it |
/// | none | to sign in | none | create |
/// | none | to sign in | C, whose address is another | refuse: other address |
/// | none | to sign in | C, not verified by the provider | refuse: unverified at the provider |
/// | none | to sign in | C, for whose domain the provider is not authoritative | refuse: not authoritative |
/// | none | to sign in | C, not verified by the application | refuse: unverified in the application |
/// | none | to sign in | C, and all of that holds | link to C |
///
/// ```
/// use oauth_core::{Email, EmailAuthority, EmailVerification, Identity, LinkDecision, LinkIntent, LinkPolicy, StoredAddress};
///
/// let policy = LinkPolicy::new().assign("https://sso.corp.example", ["corp.example"])?;
///
/// let mut identity = Identity::new("https://sso.corp.example", "1", serde_json::Value::Null);
/// identity.email = Some(Email::new("ada@corp.example", EmailVerification::Verified));
/// // From the application's database: no account has the identity's key, and account 7 has the address.
/// let ada = StoredAddress { account: 7, address: "Ada@corp.example".to_owned(), verified: true };
/// assert_eq!(policy.decide(&identity, None, LinkIntent::SignIn, Some(ada)), LinkDecision::Link(7));
///
/// // The same server's word about anybody else's address counts for nothing.
/// identity.email = Some(Email::new("ceo@bank.example", EmailVerification::Verified));
/// let ceo = StoredAddress { account: 8, address: "ceo@bank.example".to_owned(), verified: true };
/// assert!(matches!(policy.decide(&identity, None, LinkIntent::SignIn, Some(ceo)), LinkDecision::Refuse(_)));
/// # Ok::<(), oauth_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct LinkPolicy {
    authorities: Vec<EmailAuthority>,
}

impl Default for LinkPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl LinkPolicy {
    /// The careful policy: Google is believed about addresses at gmail.com, which are its own, and nobody about any other.
    pub fn new() -> Self {
        let (issuer, domains) = GOOGLE;
        Self { authorities: EmailAuthority::for_domains(issuer, domains).into_iter().collect() }
    }

    /// The most careful policy: no account is ever found by an address. To use a second provider, a user signs in with the first one and
    /// links it.
    pub fn without_addresses() -> Self {
        Self { authorities: Vec::new() }
    }

    /// Believes this issuer about these addresses too. Provider crates have statements with their sources, such as
    /// `oauth_google::workspace_addresses`.
    pub fn believing(mut self, authority: EmailAuthority) -> Self {
        self.authorities.push(authority);
        self
    }

    /// Believes an issuer that a customer runs about addresses of exactly these domains.
    ///
    /// Assign a domain only after its owner has proved it, by a DNS record for instance, and to one issuer.
    ///
    /// # Errors
    ///
    /// A configuration error that names what is not a domain.
    pub fn assign<D: AsRef<str>>(
        self,
        issuer: impl Into<String>,
        domains: impl IntoIterator<Item = D>,
    ) -> Result<Self> {
        Ok(self.believing(EmailAuthority::for_domains(issuer.into(), domains)?))
    }

    /// Whether the identity's address is believed to be the user's, without a mail of the application's own.
    #[must_use]
    pub fn vouches_for(&self, identity: &Identity) -> bool {
        self.authorities.iter().any(|authority| authority.covers(identity))
    }

    /// Decides what to do with somebody who signed in at a provider.
    ///
    /// Look the first account up by [`Identity::key`], byte for byte, and the second by the identity's address, in a form that ignores case
    /// as the application does everywhere else.
    #[must_use]
    pub fn decide<A: PartialEq>(
        &self,
        identity: &Identity,
        with_identity: Option<A>,
        intent: LinkIntent<A>,
        with_address: Option<StoredAddress<A>>,
    ) -> LinkDecision<A> {
        match (with_identity, intent, with_address) {
            (Some(account), LinkIntent::LinkTo(other), _) if account != other => {
                LinkDecision::Refuse(LinkRefusal::BelongsToAnotherAccount)
            }
            (Some(account), _, _) => LinkDecision::SignIn(account),
            (None, LinkIntent::LinkTo(account), _) => LinkDecision::Link(account),
            (None, LinkIntent::SignIn, None) => LinkDecision::Create,
            (None, LinkIntent::SignIn, Some(stored)) => match self.refusal(identity, &stored) {
                Some(refusal) => LinkDecision::Refuse(refusal),
                None => LinkDecision::Link(stored.account),
            },
        }
    }

    fn refusal<A>(&self, identity: &Identity, stored: &StoredAddress<A>) -> Option<LinkRefusal> {
        let Some(email) = &identity.email else { return Some(LinkRefusal::OtherAddress) };
        match (Comparable::of(&email.address), Comparable::of(&stored.address)) {
            (Some(address), Some(stored)) if address == stored => {}
            _ => return Some(LinkRefusal::OtherAddress),
        }
        if !self.vouches_for(identity) {
            return Some(match email.verification {
                EmailVerification::Verified => LinkRefusal::NotAuthoritative,
                _ => LinkRefusal::AddressUnverifiedAtProvider,
            });
        }
        (!stored.verified).then_some(LinkRefusal::AddressUnverifiedInApplication)
    }
}

impl<A> LinkIntent<A> {
    /// Converts the account of the intent, such as from a text to a number.
    ///
    /// # Errors
    ///
    /// Whatever the function fails with.
    pub fn try_map<B, E>(self, account: impl FnOnce(A) -> Result<B, E>) -> Result<LinkIntent<B>, E> {
        match self {
            Self::SignIn => Ok(LinkIntent::SignIn),
            Self::LinkTo(old) => account(old).map(LinkIntent::LinkTo),
        }
    }
}

/// Decides what to do with somebody who signed in at a provider, by the careful policy of [`LinkPolicy::new`]. See
/// [`LinkPolicy::decide`].
///
/// ```
/// use oauth_core::{Identity, LinkDecision, LinkIntent, link};
///
/// let identity = Identity::new("https://accounts.google.com", "1", serde_json::Value::Null);
/// assert_eq!(link::<u32>(&identity, None, LinkIntent::SignIn, None), LinkDecision::Create);
/// assert_eq!(link(&identity, Some(7), LinkIntent::SignIn, None), LinkDecision::SignIn(7));
/// ```
#[must_use]
pub fn link<A: PartialEq>(
    identity: &Identity,
    with_identity: Option<A>,
    intent: LinkIntent<A>,
    with_address: Option<StoredAddress<A>>,
) -> LinkDecision<A> {
    LinkPolicy::new().decide(identity, with_identity, intent, with_address)
}

#[cfg(test)]
mod tests;
