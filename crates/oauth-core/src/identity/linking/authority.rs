//! For which e-mail addresses an issuer's word is enough.

use std::borrow::Cow;

use serde_json::Value;

use super::address::{Comparable, comparable_domain};
use crate::{
    error::{Error, Result},
    identity::{EmailVerification, Identity},
    text::json::text_at,
};

/// The statement that one issuer is authoritative for the e-mail addresses of some domains: that whoever it says has such an address
/// does have it, today.
///
/// "Verified" alone does not mean that. At most providers it says that a link in a mail was followed once, perhaps years ago; at a server
/// that a customer runs, an administrator says it of any address. An issuer is authoritative where it hosts the mailboxes itself, where it
/// has proved that the domain belongs to the user's organization, or where the application assigned the domain to it.
///
/// ```
/// use oauth_core::EmailAuthority;
///
/// // The customer has proved to this application, by a DNS record say, that corp.example is theirs.
/// let theirs = EmailAuthority::for_domains("https://sso.corp.example/realms/staff", ["corp.example"])?;
/// // One issuer for all organizations: the claim says which one it is.
/// let org = EmailAuthority::for_domains("https://api.workos.com", ["corp.example"])?.when("/organization_id", "org_01");
/// assert!(EmailAuthority::for_domains("https://sso.corp.example", ["*.corp.example"]).is_err());
/// # Ok::<(), oauth_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct EmailAuthority {
    issuer: Cow<'static, str>,
    domains: Domains,
    conditions: Vec<Condition>,
    unknown_counts: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Domains {
    /// These, as A-labels.
    These(Vec<String>),
    /// The one that a claim names.
    InClaim(Cow<'static, str>),
    /// Any, because a condition proves it.
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    /// The claim is this text or number.
    Is(Cow<'static, str>, Cow<'static, str>),
    /// The claim says yes.
    Yes(Cow<'static, str>),
    /// The claim is absent, or says no.
    NotYes(Cow<'static, str>),
}

impl EmailAuthority {
    /// The issuer is authoritative for addresses of exactly these domains, and not of their subdomains. It is named as in
    /// [`Identity::issuer`].
    ///
    /// # Errors
    ///
    /// A configuration error that names what is not a domain.
    pub fn for_domains<D: AsRef<str>>(
        issuer: impl Into<Cow<'static, str>>,
        domains: impl IntoIterator<Item = D>,
    ) -> Result<Self> {
        let domains = domains.into_iter().map(|domain| {
            let domain = domain.as_ref();
            comparable_domain(domain).ok_or_else(|| {
                let problem =
                    format!("{domain:?} is not a domain of e-mail addresses; write it as in corp.example");
                Error::configuration("link", problem)
            })
        });
        Ok(Self::new(issuer, Domains::These(domains.collect::<Result<_>>()?)))
    }

    /// The issuer is authoritative for addresses of the domain that a claim names, such as Google's `hd`. The claim is a JSON pointer
    /// into [`Identity::profile`].
    pub fn for_domain_in(issuer: impl Into<Cow<'static, str>>, claim: impl Into<Cow<'static, str>>) -> Self {
        Self::new(issuer, Domains::InClaim(claim.into()))
    }

    /// The issuer is authoritative for addresses of any domain where a claim says yes: that the owner of the domain is verified, such
    /// as Microsoft's `xms_edov`. The claim is a JSON pointer into [`Identity::profile`].
    pub fn where_yes(issuer: impl Into<Cow<'static, str>>, claim: impl Into<Cow<'static, str>>) -> Self {
        let mut authority = Self::new(issuer, Domains::Any);
        authority.conditions.push(Condition::Yes(claim.into()));
        authority
    }

    /// Limits the statement to identities with this claim, a text or a number. The claim is a JSON pointer into [`Identity::profile`].
    pub fn when(mut self, claim: impl Into<Cow<'static, str>>, is: impl Into<Cow<'static, str>>) -> Self {
        self.conditions.push(Condition::Is(claim.into(), is.into()));
        self
    }

    /// Limits the statement to identities where this flag is absent or says no. The flag is a JSON pointer into [`Identity::profile`].
    pub fn unless_yes(mut self, flag: impl Into<Cow<'static, str>>) -> Self {
        self.conditions.push(Condition::NotYes(flag.into()));
        self
    }

    /// Extends the statement to a provider that does not say whether it verified the address, because it has no such flag. An address
    /// that it calls unverified never counts.
    pub fn even_if_unknown(mut self) -> Self {
        self.unknown_counts = true;
        self
    }

    fn new(issuer: impl Into<Cow<'static, str>>, domains: Domains) -> Self {
        Self { issuer: issuer.into(), domains, conditions: Vec::new(), unknown_counts: false }
    }

    /// Whether the identity's address is one for which the issuer is authoritative.
    #[must_use]
    pub fn covers(&self, identity: &Identity) -> bool {
        let Some(email) = identity.email.as_ref().filter(|_| identity.issuer == self.issuer) else {
            return false;
        };
        let is_vouched_for = match email.verification {
            EmailVerification::Verified => true,
            EmailVerification::Unknown => self.unknown_counts,
            EmailVerification::Unverified => false,
        };
        let Some(address) = Comparable::of(&email.address).filter(|_| is_vouched_for) else {
            return false;
        };
        let profile = &identity.profile;
        let is_of_domain = match &self.domains {
            Domains::These(domains) => domains.iter().any(|domain| domain == address.domain()),
            Domains::InClaim(claim) => profile
                .pointer(claim)
                .and_then(Value::as_str)
                .and_then(comparable_domain)
                .is_some_and(|domain| domain == address.domain()),
            Domains::Any => true,
        };
        is_of_domain && self.conditions.iter().all(|condition| condition.holds(profile))
    }
}

impl Condition {
    fn holds(&self, profile: &Value) -> bool {
        let flag = |claim: &str| EmailVerification::of(profile.pointer(claim));
        match self {
            Self::Is(claim, value) => text_at(profile, claim).is_some_and(|found| found == *value),
            Self::Yes(claim) => flag(claim) == EmailVerification::Verified,
            // What is neither yes nor no is not taken for a no.
            Self::NotYes(claim) => match profile.pointer(claim) {
                None | Some(Value::Null | Value::Bool(false)) => true,
                Some(Value::String(text)) => text.eq_ignore_ascii_case("false") || text == "0",
                Some(Value::Number(number)) => number.as_i64() == Some(0),
                Some(_) => false,
            },
        }
    }
}
