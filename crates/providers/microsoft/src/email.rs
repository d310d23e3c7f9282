//! For which e-mail addresses Microsoft's word is enough.

use oauth_core::{EmailAuthority, Result};

/// The issuers of ID tokens, with the user's own tenant in place of `{tenantid}`.
pub(crate) const ISSUER: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

/// The tenant of personal accounts.
pub(crate) const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// The statement that a tenant is authoritative for the addresses of the domains that it has proved to Microsoft: where the claim `xms_edov`
/// of its ID token says yes, and the user is a member and no guest (`acct` is 0). The tenant is named by its id.
///
/// An administrator of any tenant can give a user any address, so that without these claims an address counts for nothing
/// (<https://learn.microsoft.com/entra/identity-platform/migrate-off-email-claim-authorization>,
/// <https://learn.microsoft.com/entra/identity-platform/optional-claims-reference>). That `acct` must be 0 is stricter than these pages.
pub fn tenant_addresses(tenant_id: &str) -> EmailAuthority {
    let issuer = ISSUER.replace("{tenantid}", &tenant_id.to_ascii_lowercase());
    EmailAuthority::where_yes(issuer, "/xms_edov").when("/acct", "0").even_if_unknown()
}

/// The statement that Microsoft is authoritative for the addresses of Outlook.com, of which it hosts the mailboxes, where the ID token is
/// that of a personal account.
///
/// No page of Microsoft's has the list; the npm package `validator` (13.15, `normalizeEmail`) does, and calls it likely incomplete. In
/// 2013 Microsoft gave addresses that had not been used for a year to others. Hence it is for the application to choose, with
/// [`LinkPolicy::believing`](oauth_core::LinkPolicy::believing).
///
/// # Errors
///
/// A configuration error, should one of the list be no domain.
pub fn personal_addresses() -> Result<EmailAuthority> {
    let domains = OTHERS.iter().map(|domain| (*domain).to_owned());
    let national = [("hotmail", HOTMAIL), ("live", LIVE), ("outlook", OUTLOOK)];
    let national =
        national.iter().flat_map(|(name, ends)| ends.iter().map(move |end| format!("{name}.{end}")));
    let addresses =
        EmailAuthority::for_domains(ISSUER.replace("{tenantid}", CONSUMERS), domains.chain(national))?;
    Ok(addresses.when("/tid", CONSUMERS).even_if_unknown())
}

const OTHERS: &[&str] = &["msn.com", "passport.com"];

const HOTMAIL: &[&str] = &[
    "com", "at", "be", "ca", "cl", "co.il", "co.nz", "co.th", "co.uk", "com.ar", "com.au", "com.br",
    "com.gr", "com.mx", "com.pe", "com.tr", "com.vn", "cz", "de", "dk", "es", "fr", "hu", "id", "ie", "in",
    "it", "jp", "kr", "lv", "my", "ph", "pt", "sa", "sg", "sk",
];

const LIVE: &[&str] = &["com", "be", "co.uk", "com.ar", "com.mx", "de", "es", "eu", "fr", "it", "nl"];

const OUTLOOK: &[&str] = &[
    "com", "at", "be", "cl", "co.il", "co.nz", "co.th", "com.ar", "com.au", "com.br", "com.gr", "com.pe",
    "com.tr", "com.vn", "cz", "de", "dk", "es", "fr", "hu", "id", "ie", "in", "it", "jp", "kr", "lv", "my",
    "ph", "pt", "sa", "sg", "sk",
];
