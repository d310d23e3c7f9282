//! For which e-mail addresses Apple's word is enough.

use oauth_core::{EmailAuthority, Result};

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
