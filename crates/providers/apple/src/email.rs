//! For which e-mail addresses Apple's word is enough.

use oauth_core::{EmailAuthority, EmailVerification, Identity, Result};

/// The domains of the addresses that Apple makes up for an application. New ones are at the second since the second half of 2026; those at
/// the first stay valid.
const RELAY_DOMAINS: [&str; 2] = ["privaterelay.appleid.com", "private.icloud.com"];

/// Whether the user's address is a relay that Apple made up for the application: `is_private_email` says so, or its domain does. It reaches
/// the user only by mail from a sender that is registered with Apple.
#[must_use]
pub fn is_relay(identity: &Identity) -> bool {
    let says_so = EmailVerification::of(identity.profile.get("is_private_email"));
    let domain = identity.email.as_ref().and_then(|email| email.address.rsplit('@').next());
    says_so == EmailVerification::Verified
        || domain.is_some_and(|domain| RELAY_DOMAINS.iter().any(|relay| domain.eq_ignore_ascii_case(relay)))
}

/// The statement that Apple is authoritative for the addresses of iCloud, of which it hosts the mailboxes: icloud.com, me.com and mac.com.
/// One that "Hide My Email" made up does not count, because nobody is known by it.
///
/// No page of Apple's says so; the domains are common knowledge. Hence it is for the application to choose, with
/// [`LinkPolicy::believing`](oauth_core::LinkPolicy::believing).
///
/// # Errors
///
/// A configuration error, should one of the list be no domain.
pub fn icloud_addresses() -> Result<EmailAuthority> {
    let addresses =
        EmailAuthority::for_domains("https://appleid.apple.com", ["icloud.com", "me.com", "mac.com"])?;
    Ok(addresses.unless_yes("/is_private_email"))
}
