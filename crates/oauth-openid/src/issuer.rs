//! Which issuers' tokens a client accepts, and of which tenants.

use oauth_core::serde_json::Value;

use crate::{
    claims::{Claims, ClaimsExt},
    jws::{quoted, shown},
};

/// Which issuers a client accepts in tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Issuers {
    /// One of these, byte for byte. They are issuers of their own: user "1" of one is not user "1" of another, and users are known
    /// under the one that their ID token names. A name without a scheme is not an issuer of its own beside the same with `https://`.
    OneOf(Vec<String>),
    /// One issuer that goes by several names, one of these, byte for byte. Its users are known under the first name, whichever
    /// their ID token has.
    Aliases(Vec<String>),
    /// That of a tenant: the template's `{tenantid}` is replaced by the claim `tid`, as Microsoft has it.
    Tenants {
        /// Such as `https://login.microsoftonline.com/{tenantid}/v2.0`.
        template: String,
        /// Which tenants.
        tenants: Tenants,
    },
}

/// Which tenants of a provider may sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tenants {
    /// Nobody has said yet. Nothing is accepted, and a login does not begin.
    Undecided,
    /// These, by their ids.
    OneOf(Vec<String>),
    /// Any. Users of all organizations can sign in, so look users up by issuer and subject, and trust no address.
    Any,
}

impl Issuers {
    /// Whether a token's issuer is accepted, and if not, why.
    pub(crate) fn check(&self, claims: &Claims) -> Result<(), String> {
        let issuer = claims.get("iss");
        match self {
            Self::OneOf(accepted) | Self::Aliases(accepted) => {
                check_one_of(accepted.iter().map(|issuer| &**issuer), claims)
            }
            Self::Tenants { template, tenants } => {
                let tenant = claims.text("tid").unwrap_or_default();
                if !is_id(tenant)
                    || issuer.and_then(Value::as_str) != Some(&*template.replace("{tenantid}", tenant))
                {
                    return Err(format!(
                        "its iss is {}, which is not {template:?} with its tid, {}",
                        shown(issuer),
                        shown(claims.get("tid"))
                    ));
                }
                tenants.check(tenant)
            }
        }
    }

    /// Whether these are several issuers, each with users of its own, so that only an ID token tells whose a user is.
    pub(crate) fn are_several(&self) -> bool {
        match self {
            Self::OneOf(accepted) => {
                accepted.iter().any(|one| self.known_as(one) != self.known_as(&accepted[0]))
            }
            Self::Aliases(_) => false,
            Self::Tenants { .. } => true,
        }
    }

    /// Under which name the users of an issuer are known that a token names.
    pub(crate) fn known_as<'n>(&'n self, named: &'n str) -> &'n str {
        let known = match self {
            // An issuer is an https URL (Core section 2).
            Self::OneOf(accepted) => accepted.iter().find(|one| one.strip_prefix("https://") == Some(named)),
            Self::Aliases(names) => names.first(),
            Self::Tenants { .. } => None,
        };
        known.map_or(named, |known| known)
    }

    /// Whether an issuer alone is that of a tenant that may sign in; `None` where there are no tenants, or nobody has said which.
    pub(crate) fn is_of_tenant(&self, issuer: &str) -> Option<bool> {
        match self {
            Self::OneOf(_) | Self::Aliases(_) | Self::Tenants { tenants: Tenants::Undecided, .. } => None,
            Self::Tenants { template, tenants } => {
                let (before, after) = template.split_once("{tenantid}")?;
                let tenant = issuer.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                Some(tenant.is_some_and(|tenant| is_id(tenant) && tenants.check(tenant).is_ok()))
            }
        }
    }
}

impl Tenants {
    pub(crate) fn check(&self, tenant: &str) -> Result<(), String> {
        match self {
            Self::Any => Ok(()),
            Self::OneOf(accepted) if accepted.iter().any(|one| one == tenant) => Ok(()),
            Self::OneOf(_) => Err(format!("its tenant {} is not one that may sign in", quoted(tenant))),
            Self::Undecided => Err(UNDECIDED.to_owned()),
        }
    }
}

/// Whether a text can be a tenant's id: nothing in it can leave its place in an issuer.
fn is_id(tenant: &str) -> bool {
    !tenant.is_empty()
        && tenant.chars().all(|character| character.is_ascii_alphanumeric() || character == '-')
}

/// What to do about [`Tenants::Undecided`].
pub(crate) const UNDECIDED: &str = "this client does not know which tenants may sign in; say so with with_tenant or \
     with_tenants (of Salesforce: with_organizations), or with_any_tenant (with_any_organization) for all of them, personal accounts too";

/// That a token's issuer is one of these, byte for byte.
pub(crate) fn check_one_of<'a>(
    mut accepted: impl Iterator<Item = &'a str> + Clone,
    claims: &Claims,
) -> Result<(), String> {
    let expected = accepted.clone().next().unwrap_or_default();
    let issuer = claims.get("iss");
    let found = issuer.and_then(Value::as_str);
    if found.is_some_and(|found| accepted.any(|accepted| accepted == found)) {
        return Ok(());
    }
    let slash = slash(found.unwrap_or_default(), expected);
    Err(format!("its iss is {}, not {expected:?}{slash}", shown(issuer)))
}

/// Which of two issuers has the slash, if that is all by which they differ: the most common mistake.
pub(crate) fn slash(found: &str, expected: &str) -> &'static str {
    if found.strip_suffix('/') == Some(expected) {
        "; the provider's has a slash at its end, and yours has none"
    } else if expected.strip_suffix('/') == Some(found) {
        "; yours has a slash at its end, and the provider's has none"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn id_02_an_issuer_is_compared_byte_for_byte() {
        let issuers = Issuers::OneOf(vec!["https://op.example".to_owned()]);
        assert_eq!(issuers.check(&claims(json!({"iss": "https://op.example"}))), Ok(()));
        for bad in [
            json!("https://OP.example"),
            json!("https://op.example:443"),
            json!(["https://op.example"]),
            json!(null),
            json!("https://evil.example"),
        ] {
            issuers.check(&claims(json!({"iss": bad}))).unwrap_err();
        }
        let problem = issuers.check(&claims(json!({"iss": "https://op.example/"}))).unwrap_err();
        assert!(problem.contains("the provider's has a slash"), "{problem}");
    }

    #[test]
    fn a_tenants_issuer_is_that_of_its_own_tid() {
        let of = |tenants| Issuers::Tenants { template: "https://l/{tenantid}/v2.0".to_owned(), tenants };
        let token = |issuer: &str, tenant: &str| claims(json!({"iss": issuer, "tid": tenant}));
        let good = token("https://l/t-1/v2.0", "t-1");
        assert_eq!(of(Tenants::Any).check(&good), Ok(()));
        assert_eq!(of(Tenants::OneOf(vec!["t-1".to_owned()])).check(&good), Ok(()));
        assert!(of(Tenants::OneOf(vec!["t-2".to_owned()])).check(&good).is_err());
        assert!(of(Tenants::Undecided).check(&good).unwrap_err().contains("with_any_tenant"));
        for bad in [
            token("https://l/t-2/v2.0", "t-1"),
            token("https://l/{tenantid}/v2.0", "{tenantid}"),
            token("https://l//v2.0", ""),
            token("https://l/a/b/v2.0", "a/b"),
        ] {
            assert!(of(Tenants::Any).check(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn several_issuers_have_users_of_their_own() {
        let one_of = |names: &[&str]| Issuers::OneOf(names.iter().map(|&name| name.to_owned()).collect());
        assert!(!one_of(&["https://a.example"]).are_several());
        // Google's own, with and without the scheme.
        assert!(!one_of(&["https://a.example", "a.example"]).are_several());
        assert!(one_of(&["https://a.example", "https://b.example"]).are_several());
        let aliases = Issuers::Aliases(vec!["https://a.example".to_owned(), "https://b.example".to_owned()]);
        assert!(!aliases.are_several());
        assert_eq!(aliases.known_as("https://b.example"), "https://a.example");
        let template = "https://l/{tenantid}/v2.0".to_owned();
        assert!(Issuers::Tenants { template, tenants: Tenants::Any }.are_several());
    }

    #[test]
    fn an_issuer_alone_tells_its_tenant() {
        let of = |tenants, issuer: &str| {
            Issuers::Tenants { template: "https://l/{tenantid}/v2.0".to_owned(), tenants }
                .is_of_tenant(issuer)
        };
        let one = || Tenants::OneOf(vec!["t-1".to_owned()]);
        assert_eq!(of(one(), "https://l/t-1/v2.0"), Some(true));
        assert_eq!(of(one(), "https://l/t-2/v2.0"), Some(false));
        assert_eq!(of(Tenants::Any, "https://l/t-2/v2.0"), Some(true));
        for other in ["https://l//v2.0", "https://l/a/b/v2.0", "https://m/t-1/v2.0", "https://l/t-1/v1.0"] {
            assert_eq!(of(Tenants::Any, other), Some(false), "{other}");
        }
        assert_eq!(of(Tenants::Undecided, "https://l/t-1/v2.0"), None);
        assert_eq!(Issuers::Aliases(Vec::new()).is_of_tenant("https://l/t-1/v2.0"), None);
    }
}
