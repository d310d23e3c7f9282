use crate::identity::{EmailVerification, Identity};

/// An account of the application that has the identity's e-mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SameAddress<A> {
    /// The account.
    pub account: A,
    /// Whether the application itself has made sure that the address is the account holder's. An address that somebody
    /// typed into a registration form is not verified.
    pub verified: bool,
}

/// What to do with somebody who signed in at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkDecision<A> {
    /// Sign them in to this account, which has the identity.
    SignIn(A),
    /// Make an account, and give it the identity.
    Create,
    /// Give the identity to this account, and sign them in to it.
    Link(A),
    /// Do none of it, and say why.
    Refuse(LinkRefusal),
}

/// Why an identity is neither signed in nor linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkRefusal {
    /// Somebody is signed in, and the identity belongs to another account. They can sign out first, or take the identity
    /// away from the other account.
    BelongsToAnotherAccount,
    /// An account has the address, but the provider does not vouch for it: whoever signed in may only claim it. They can
    /// sign in to the account in the way they did before, and link the provider from there.
    AddressUnverifiedAtProvider,
    /// An account has the address, but the application never verified it: whoever made the account may have claimed it, and
    /// would share it with its real holder. The account holder can verify the address, and link the provider from there.
    AddressUnverifiedInApplication,
}

/// Decides what to do with somebody who signed in at a provider. It is safe in both directions: against an address that
/// the provider does not vouch for, and against an account that was registered in advance with somebody else's address.
///
/// | account with the identity | signed in | account with the address | decision |
/// | --- | --- | --- | --- |
/// | A | nobody, or A | any | sign in to A |
/// | A | another | any | refuse: belongs to another account |
/// | none | B | any | link to B: its holder asked for it |
/// | none | nobody | none | create |
/// | none | nobody | C, both sides verified | link to C |
/// | none | nobody | C, not verified by the provider | refuse: unverified at the provider |
/// | none | nobody | C, not verified by the application | refuse: unverified in the application |
///
/// Look the first account up by [`Identity::key`], and the third by the identity's address in a form that ignores case as
/// the application does everywhere else. An address whose verification is unknown counts as not verified.
///
/// ```
/// use oauth_core::{Identity, LinkDecision, link};
///
/// let identity = Identity::new("https://accounts.google.com", "1", serde_json::Value::Null);
/// assert_eq!(link::<u32>(&identity, None, None, None), LinkDecision::Create);
/// assert_eq!(link(&identity, Some(7), None, None), LinkDecision::SignIn(7));
/// ```
#[must_use]
pub fn link<A: PartialEq>(
    identity: &Identity,
    with_identity: Option<A>,
    signed_in: Option<A>,
    with_address: Option<SameAddress<A>>,
) -> LinkDecision<A> {
    match (with_identity, signed_in, with_address) {
        (Some(account), Some(current), _) if account != current => {
            LinkDecision::Refuse(LinkRefusal::BelongsToAnotherAccount)
        }
        (Some(account), _, _) => LinkDecision::SignIn(account),
        (None, Some(current), _) => LinkDecision::Link(current),
        (None, None, None) => LinkDecision::Create,
        (None, None, Some(same)) => {
            let vouched = identity
                .email
                .as_ref()
                .is_some_and(|email| email.verification == EmailVerification::Verified);
            if !vouched {
                LinkDecision::Refuse(LinkRefusal::AddressUnverifiedAtProvider)
            } else if !same.verified {
                LinkDecision::Refuse(LinkRefusal::AddressUnverifiedInApplication)
            } else {
                LinkDecision::Link(same.account)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::identity::Email;

    #[test]
    fn every_row_of_the_table() {
        use EmailVerification::{Unknown, Unverified, Verified};
        use LinkDecision::{Create, Link, Refuse, SignIn};
        let same = |verified| Some(SameAddress { account: 'C', verified });
        for (with_identity, signed_in, with_address, at_provider, decision) in [
            (Some('A'), None, None, Verified, SignIn('A')),
            (Some('A'), None, same(true), Verified, SignIn('A')),
            (Some('A'), None, same(false), Unverified, SignIn('A')),
            (Some('A'), Some('A'), None, Unknown, SignIn('A')),
            (Some('A'), Some('B'), None, Verified, Refuse(LinkRefusal::BelongsToAnotherAccount)),
            (Some('A'), Some('B'), same(true), Verified, Refuse(LinkRefusal::BelongsToAnotherAccount)),
            (None, Some('B'), None, Unverified, Link('B')),
            (None, Some('B'), same(true), Verified, Link('B')),
            (None, None, None, Verified, Create),
            (None, None, None, Unverified, Create),
            (None, None, same(true), Verified, Link('C')),
            (None, None, same(true), Unverified, Refuse(LinkRefusal::AddressUnverifiedAtProvider)),
            (None, None, same(true), Unknown, Refuse(LinkRefusal::AddressUnverifiedAtProvider)),
            (None, None, same(false), Verified, Refuse(LinkRefusal::AddressUnverifiedInApplication)),
            (None, None, same(false), Unverified, Refuse(LinkRefusal::AddressUnverifiedAtProvider)),
        ] {
            let mut identity = Identity::new("issuer", "subject", Value::Null);
            identity.email = Some(Email::new("c@example.com", at_provider));
            let shown = format!("{with_identity:?} {signed_in:?} {with_address:?} {at_provider:?}");
            assert_eq!(link(&identity, with_identity, signed_in, with_address), decision, "{shown}");
        }
    }

    #[test]
    fn an_identity_without_an_address_is_linked_to_nobody() {
        let identity = Identity::new("issuer", "subject", Value::Null);
        let with_address = Some(SameAddress { account: 'C', verified: true });
        let refused = LinkDecision::Refuse(LinkRefusal::AddressUnverifiedAtProvider);
        assert_eq!(link(&identity, None, None, with_address), refused);
    }
}
