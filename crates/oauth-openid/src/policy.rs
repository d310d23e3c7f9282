//! What a client accepts of signed tokens, and how it keeps what it reads.

use std::{sync::Arc, time::Duration};

use oauth_core::{Clock, SharedCache, SystemClock, serde_json::Value};

use crate::{
    algorithm::Algorithm,
    cache_policy::CachePolicy,
    encryption::Decrypter,
    issuer::{Issuers, Tenants, UNDECIDED},
    keys::JwkSet,
};

/// What a client accepts of signed tokens, and how it keeps metadata and keys.
///
/// Nothing in it switches verification off.
///
/// ```
/// use oauth_openid::{Algorithm, OpenID, OpenIDProvider, VerificationPolicy};
///
/// # fn f() -> Result<(), oauth_core::Error> {
/// let client = OpenID::lazy("CLIENT_ID", "CLIENT_SECRET", "https://login.example.com")?
///     .with_policy(|policy| policy.algorithms([Algorithm::ES256]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct VerificationPolicy {
    pub(crate) algorithms: Vec<Algorithm>,
    /// `None` for those of ID tokens.
    pub(crate) userinfo_algorithms: Option<Vec<Algorithm>>,
    pub(crate) issuers: Option<Issuers>,
    pub(crate) tenant_claim: Option<TenantClaim>,
    pub(crate) required_claims: Vec<(String, Vec<String>)>,
    pub(crate) scopes_always: &'static [&'static str],
    pub(crate) prompt_login_unverified: bool,
    pub(crate) other_audiences: OtherAudiences,
    pub(crate) leeway: Duration,
    pub(crate) token_age: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) userinfo: UserInfoForm,
    pub(crate) nonce_may_be_missing: bool,
    pub(crate) logout_expiry_may_be_missing: bool,
    pub(crate) auth_time_always: bool,
    pub(crate) details_types: Option<Vec<String>>,
    pub(crate) id_token_types: Vec<String>,
    pub(crate) profile_id_claim: Option<&'static str>,
    pub(crate) is_same_profile_id: fn(&str, &str) -> bool,
    pub(crate) id_token_always: bool,
    pub(crate) openid_always: bool,
    pub(crate) decrypter: Option<Arc<dyn Decrypter>>,
    pub(crate) encryption: Encryption,
    pub(crate) metadata_cache: CachePolicy,
    pub(crate) key_cache: CachePolicy,
    pub(crate) key_pause: Duration,
    pub(crate) fixed_keys: Option<JwkSet>,
    pub(crate) shared_cache: Option<Arc<dyn SharedCache>>,
    pub(crate) trust_domain: Option<Arc<str>>,
}

/// Which audiences an ID token may name beside the client (OpenID Connect Core section 3.1.3.7 items 3 to 5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtherAudiences {
    /// None.
    #[default]
    None,
    /// These; `azp` must then name the client.
    Trusted(Vec<String>),
    /// Any, if `azp` names the client: for a provider that puts a project and all its clients into `aud`.
    AnyWithAuthorizedParty,
}

/// In which form UserInfo must come (OpenID Connect Core section 5.3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserInfoForm {
    /// Plain or signed, as the provider likes. A signature that is there is verified.
    #[default]
    Either,
    /// Signed, because the client registered `userinfo_signed_response_alg`.
    Signed,
    /// Plain.
    Plain,
}

/// How a provider with one issuer names a user's tenant, and which may sign in.
#[derive(Clone, Debug)]
pub(crate) struct TenantClaim {
    pub(crate) of: fn(&Value) -> Option<String>,
    pub(crate) tenants: Tenants,
}

/// Longer durations mean the same as this one, and would leave the calendar.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Whether tokens must come encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encryption {
    pub(crate) id_token: bool,
    pub(crate) userinfo: bool,
}

/// Who may sign in, and what decides it.
impl VerificationPolicy {
    /// Whether an ID token's claims restrict who may sign in.
    ///
    /// # Errors
    ///
    /// What to do, while nobody has said which tenants may.
    pub(crate) fn restricts(&self) -> Result<bool, &'static str> {
        let by_issuer = match &self.issuers {
            Some(Issuers::Tenants { tenants, .. }) => Some(tenants),
            _ => None,
        };
        let by_claim = self.tenant_claim.as_ref().map(|claim| &claim.tenants);
        let mut restricts = !self.required_claims.is_empty();
        for tenants in [by_issuer, by_claim].into_iter().flatten() {
            match tenants {
                Tenants::Undecided => return Err(UNDECIDED),
                Tenants::OneOf(_) => restricts = true,
                Tenants::Any => {}
            }
        }
        Ok(restricts)
    }

    /// What is accepted, as text. Two policies with the same text accept the same tokens of the same users.
    pub(crate) fn accepted(&self) -> String {
        let tenants = self.tenant_claim.as_ref().map(|claim| &claim.tenants);
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            (&self.issuers, tenants, &self.required_claims),
            (&self.algorithms, &self.userinfo_algorithms),
            (&self.other_audiences, self.leeway, self.token_age),
            (self.userinfo, &self.encryption),
            self.nonce_may_be_missing,
            self.auth_time_always,
            self.prompt_login_unverified,
            self.profile_id_claim,
            self.id_token_always,
            self.openid_always,
        )
    }

    /// Whether the user of verified claims is one who may sign in, and if not, why.
    pub(crate) fn check_user(&self, claims: &Value) -> Result<(), String> {
        if let Some(TenantClaim { of, tenants }) = &self.tenant_claim {
            match of(claims) {
                Some(tenant) => tenants.check(&tenant)?,
                None if matches!(tenants, Tenants::Any) => {}
                None => return Err("it does not tell the user's tenant".to_owned()),
            }
        }
        for (claim, values) in &self.required_claims {
            let is_accepted = |found: &Value| values.iter().any(|value| found == value);
            let met = match &claims[claim] {
                Value::Array(several) => several.iter().any(is_accepted),
                one => is_accepted(one),
            };
            if !met {
                return Err(format!("its {claim} is not one of {values:?}"));
            }
        }
        Ok(())
    }
}

impl Default for VerificationPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl VerificationPolicy {
    /// Every algorithm with a public key, one issuer and one audience, a minute of leeway, the system's clock.
    pub fn new() -> Self {
        Self {
            algorithms: Algorithm::WITH_PUBLIC_KEYS.to_vec(),
            userinfo_algorithms: None,
            issuers: None,
            tenant_claim: None,
            required_claims: Vec::new(),
            scopes_always: &[],
            prompt_login_unverified: false,
            other_audiences: OtherAudiences::None,
            leeway: Duration::from_secs(60),
            token_age: Duration::from_secs(10 * 60),
            clock: Arc::new(SystemClock),
            userinfo: UserInfoForm::Either,
            nonce_may_be_missing: false,
            logout_expiry_may_be_missing: false,
            auth_time_always: false,
            details_types: None,
            id_token_types: Vec::new(),
            profile_id_claim: None,
            is_same_profile_id: |claim, id| claim == id,
            id_token_always: false,
            openid_always: false,
            decrypter: None,
            encryption: Encryption::default(),
            metadata_cache: CachePolicy::METADATA,
            key_cache: CachePolicy::KEYS,
            key_pause: Duration::from_secs(60),
            fixed_keys: None,
            shared_cache: None,
            trust_domain: None,
        }
    }

    /// Accepts these algorithms only: those that the client registered (`id_token_signed_response_alg`).
    ///
    /// `HS256` and its kin count only when they are named here, and take the client secret as their key, which must have as
    /// many bytes as the hash. What the provider's metadata lists can narrow this, and never widen it.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// The algorithms of ID tokens that are accepted.
    #[must_use]
    pub fn accepted_algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Accepts these algorithms of signed UserInfo, in place of those of ID tokens: what the client registered as
    /// `userinfo_signed_response_alg`.
    pub fn userinfo_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.userinfo_algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// The algorithms of signed UserInfo that are accepted, where they are not those of ID tokens.
    #[must_use]
    pub fn accepted_userinfo_algorithms(&self) -> Option<&[Algorithm]> {
        self.userinfo_algorithms.as_deref()
    }

    /// Accepts these issuers in tokens, where the provider's issuer is not the only one.
    pub fn issuers(mut self, issuers: Issuers) -> Self {
        self.issuers = Some(issuers);
        self
    }

    /// Accepts users of these tenants only, for a provider that serves many under one issuer: `of` reads the tenant from the
    /// claims of an ID token.
    pub fn tenants_by(mut self, of: fn(&Value) -> Option<String>, tenants: Tenants) -> Self {
        self.tenant_claim = Some(TenantClaim { of, tenants });
        self
    }

    /// Accepts ID tokens only in which this claim is one of these texts, or a list that holds one: an organization, a group, a
    /// domain. Several calls add up.
    ///
    /// It holds on every path to an identity, so that `get_identity` needs the whole token of a login.
    pub fn require_claim<S: Into<String>>(
        mut self,
        claim: impl Into<String>,
        values: impl IntoIterator<Item = S>,
    ) -> Self {
        self.required_claims.push((claim.into(), values.into_iter().map(Into::into).collect()));
        self
    }

    /// Asks for these scopes even if the caller names others, where the client is restricted by what an ID token says: the claims
    /// that tell it come with them.
    pub fn restricting_scopes(mut self, scopes: &'static [&'static str]) -> Self {
        self.scopes_always = scopes;
        self
    }

    /// Takes `prompt=login` as a mere request, for a provider that never says in `auth_time` when the user was authenticated. A browser
    /// can then take it out unnoticed.
    pub fn prompt_login_unverified(mut self) -> Self {
        self.prompt_login_unverified = true;
        self
    }

    /// Accepts further audiences beside the client.
    pub fn other_audiences(mut self, others: OtherAudiences) -> Self {
        self.other_audiences = others;
        self
    }

    /// Allows clocks to differ by this much, in place of a minute.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(A_YEAR);
        self
    }

    /// Allows the ID token of a login to have been issued this long before the login began, in place of ten minutes. Some
    /// providers date their tokens back.
    pub fn token_age(mut self, age: Duration) -> Self {
        self.token_age = age.min(A_YEAR);
        self
    }

    /// Takes the time from this clock. [`OpenIDProvider::with_policy`](crate::OpenIDProvider::with_policy) gives it to the client too.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Expects UserInfo in this form.
    pub fn userinfo(mut self, form: UserInfoForm) -> Self {
        self.userinfo = form;
        self
    }

    /// Takes an ID token without a nonce though one was asked for, for a provider that drops it. One with another nonce is
    /// refused all the same.
    pub fn nonce_may_be_missing(mut self) -> Self {
        self.nonce_may_be_missing = true;
        self
    }

    /// Takes a logout token without an `exp`, for a provider that sends none, as Ory Hydra and LemonLDAP::NG do. Its `iat` must be there,
    /// and not be longer ago than [`token_age`](Self::token_age). An `exp` that is there counts all the same.
    pub fn logout_expiry_may_be_missing(mut self) -> Self {
        self.logout_expiry_may_be_missing = true;
        self
    }

    /// Refuses ID tokens of logins that do not say when the user was authenticated, because the client registered
    /// `require_auth_time` (OpenID Connect Core section 2).
    pub fn auth_time_always(mut self) -> Self {
        self.auth_time_always = true;
        self
    }

    /// Asks for authorization details of these types only: what the client registered as `authorization_details_types` (RFC 9396 section
    /// 10). A login that asks for others does not begin.
    pub fn authorization_details_types<S: Into<String>>(
        mut self,
        types: impl IntoIterator<Item = S>,
    ) -> Self {
        self.details_types = Some(types.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts ID tokens whose header has one of these as `typ`, for a provider that writes something of its own there. `JWT`,
    /// `JOSE`, `id_token` and no `typ` at all are accepted in any case; everything else says that the token is for something else.
    pub fn id_token_types<S: Into<String>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.id_token_types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Compares this claim of the ID token with the profile's identifier, for a provider whose profile is an API of its own and
    /// not UserInfo.
    pub fn profile_id_claim(mut self, claim: &'static str) -> Self {
        self.profile_id_claim = Some(claim);
        self
    }

    /// Compares the claim of the ID token, the first argument, with the profile's identifier by this function, for a provider
    /// that writes one identifier in two ways.
    pub fn same_profile_id(mut self, is_same: fn(&str, &str) -> bool) -> Self {
        self.is_same_profile_id = is_same;
        self
    }

    /// Expects an ID token whether the scope `openid` was asked for or not, and asks for a nonce in it.
    pub fn id_token_always(mut self) -> Self {
        self.id_token_always = true;
        self
    }

    /// Asks for the scope `openid` even if the caller names others.
    pub fn openid_always(mut self) -> Self {
        self.openid_always = true;
        self
    }

    /// Decrypts tokens with this, should they come encrypted.
    pub fn decrypter(mut self, decrypter: impl Decrypter + 'static) -> Self {
        self.decrypter = Some(Arc::new(decrypter));
        self
    }

    /// Refuses ID tokens that are not encrypted, because the client registered `id_token_encrypted_response_alg`.
    pub fn encrypted_id_tokens(mut self) -> Self {
        self.encryption.id_token = true;
        self
    }

    /// Refuses UserInfo that is not encrypted, because the client registered `userinfo_encrypted_response_alg`.
    pub fn encrypted_userinfo(mut self) -> Self {
        self.encryption.userinfo = true;
        self
    }

    /// Keeps the provider's metadata this long.
    pub fn metadata_cache(mut self, policy: CachePolicy) -> Self {
        self.metadata_cache = policy;
        self
    }

    /// Keeps the provider's keys this long.
    pub fn key_cache(mut self, policy: CachePolicy) -> Self {
        self.key_cache = policy;
        self
    }

    /// After keys were read anew in vain for a token whose key is unknown, does not do so again this long, in place of a
    /// minute, so that made-up tokens cannot flood the provider.
    pub fn key_pause(mut self, pause: Duration) -> Self {
        self.key_pause = pause.min(A_YEAR);
        self
    }

    /// Verifies with these keys, and never asks the provider for others: for those who want no network, and replace the keys
    /// themselves when the provider does.
    pub fn fixed_keys(mut self, keys: JwkSet) -> Self {
        self.fixed_keys = Some(keys);
        self
    }

    /// Shares metadata and keys with other processes by way of this. What is in it is trusted as the provider itself: whoever
    /// can write to it can sign in as anybody.
    ///
    /// Entries are named by issuer, URL and trust domain. Clients with the default HTTP client are one trust domain, because they
    /// trust the same certificates and reach the same hosts. A client with an HTTP client of its own reads from the cache, and
    /// writes to it, only when [`trust_domain`](Self::trust_domain) says with whom.
    pub fn shared_cache(mut self, cache: Arc<dyn SharedCache>) -> Self {
        self.shared_cache = Some(cache);
        self
    }

    /// Names those with whom this client shares what it reads: clients of one name believe each other's metadata and keys.
    ///
    /// Give one name to clients whose HTTP clients trust the same certificates and reach the same hosts, and to no others: whoever
    /// runs the network of one of them could otherwise sign in at the others. A tenant's own certificates are a trust domain of that tenant.
    pub fn trust_domain(mut self, name: &str) -> Self {
        self.trust_domain = Some(name.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json::json;

    use super::*;

    fn by_claim(tenants: Tenants) -> VerificationPolicy {
        VerificationPolicy::new().tenants_by(|claims| claims["org"].as_str().map(str::to_owned), tenants)
    }

    #[test]
    fn a_user_is_of_a_tenant_that_may_sign_in() {
        let one = by_claim(Tenants::OneOf(vec!["a".to_owned()]));
        assert!(one.check_user(&json!({"org": "a"})).is_ok());
        assert!(one.check_user(&json!({"org": "b"})).is_err());
        assert!(one.check_user(&json!({})).is_err());
        assert!(by_claim(Tenants::Any).check_user(&json!({})).is_ok());
        assert!(by_claim(Tenants::Undecided).check_user(&json!({})).is_err());
    }

    #[test]
    fn a_claim_that_is_required_has_one_of_its_values() {
        let policy = VerificationPolicy::new().require_claim("hd", ["a.example", "b.example"]);
        for (claims, is_good) in [
            (json!({"hd": "a.example"}), true),
            (json!({"hd": ["c.example", "b.example"]}), true),
            (json!({"hd": "c.example"}), false),
            (json!({"hd": []}), false),
            (json!({}), false),
        ] {
            assert_eq!(policy.check_user(&claims).is_ok(), is_good, "{claims}");
        }
    }

    #[test]
    fn a_policy_restricts_once_it_names_who_may_sign_in() {
        assert_eq!(VerificationPolicy::new().restricts(), Ok(false));
        assert_eq!(VerificationPolicy::new().require_claim("hd", ["a.example"]).restricts(), Ok(true));
        assert_eq!(by_claim(Tenants::OneOf(vec!["a".to_owned()])).restricts(), Ok(true));
        assert_eq!(by_claim(Tenants::Any).restricts(), Ok(false));
        assert!(by_claim(Tenants::Undecided).restricts().is_err());
    }

    #[test]
    fn a_policy_tells_what_it_was_told() {
        let policy = VerificationPolicy::new();
        assert_eq!(policy.accepted_algorithms(), Algorithm::WITH_PUBLIC_KEYS);
        assert_eq!(policy.accepted_userinfo_algorithms(), None);
        assert!((policy.is_same_profile_id)("7", "7") && !(policy.is_same_profile_id)("7", "8"));
        let told = policy.algorithms([Algorithm::ES256]).userinfo_algorithms([Algorithm::PS256]);
        assert_eq!(told.accepted_algorithms(), [Algorithm::ES256]);
        assert_eq!(told.accepted_userinfo_algorithms(), Some(&[Algorithm::PS256][..]));
    }
}
