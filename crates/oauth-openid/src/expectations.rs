//! What the claims of an ID token are checked against (OpenID Connect Core sections 3.1.3.7 and 3.3.2.11).

use std::{fmt, time::Duration};

use oauth_core::{
    JwtCheck, LoginAttempt, OffsetDateTime, Secret, random_token, same_secret, serde_json::Value,
};

use crate::{
    algorithm::Algorithm,
    claims::{Claims, ClaimsExt, LOGOUT_EVENT, seconds},
    hash::sha256,
    jws::{JwtRefusal, quoted, shown},
    policy::{OtherAudiences, VerificationPolicy},
};

/// What an ID token that came from elsewhere must hold: one that a mobile application obtained itself, or one that is checked
/// again.
///
/// ```
/// use oauth_openid::Expectations;
///
/// // The nonce that this server gave to the application, which hands it on as its SHA-256.
/// let expected = Expectations::new().client_ids(["ios-app", "android-app"]).hashed_nonce("af0ifjsldkj");
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Expectations {
    /// The client's own id where this is empty.
    pub(crate) client_ids: Vec<String>,
    nonce: Option<Nonce>,
    /// Whether the nonce counts even where the client's policy let it be missing.
    nonce_always: bool,
    without_nonce: bool,
    scopes_allowed: bool,
    max_age: Option<Duration>,
    auth_time_required: bool,
    acr: Vec<String>,
    access_token: Option<Secret>,
    at_hash_required: bool,
    code: Option<Secret>,
    pub(crate) not_before: Option<OffsetDateTime>,
    /// When the login began; who was authenticated since then was so recently enough.
    began: Option<OffsetDateTime>,
    pub(crate) may_be_expired: bool,
    /// Whether `at_hash` and `c_hash` must be there, because the browser brought the token.
    front_channel: bool,
}

#[derive(Clone)]
enum Nonce {
    Plain(Secret),
    /// The token holds the SHA-256 of this in hexadecimal digits, or base64url.
    Hashed(Secret),
}

impl Expectations {
    /// The client's own id as the audience, and nothing else in particular.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts tokens for any of these clients, in place of the client's own id, which must be among them if it counts too: the
    /// applications on different systems, and the server's own id where a kit names it as the audience.
    pub fn client_ids<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Self {
        self.client_ids = ids.into_iter().map(Into::into).collect();
        self
    }

    /// The nonce must be this one.
    pub fn nonce(self, nonce: impl Into<Secret>) -> Self {
        self.set_nonce(Nonce::Plain(nonce.into()))
    }

    /// The nonce must be the SHA-256 of this one, in lower-case hexadecimal digits or as base64url: what mobile kits make of it.
    pub fn hashed_nonce(self, nonce: impl Into<Secret>) -> Self {
        self.set_nonce(Nonce::Hashed(nonce.into()))
    }

    fn set_nonce(mut self, nonce: Nonce) -> Self {
        self.nonce = Some(nonce);
        self.nonce_always = true;
        self.without_nonce = false;
        self
    }

    /// Takes the token without a nonce. Whoever steals such a token can sign in with it until it expires, so this is for kits that
    /// cannot pass a nonce on, and for tokens whose nonce was checked before.
    pub fn without_nonce(mut self) -> Self {
        self.nonce = None;
        self.without_nonce = true;
        self
    }

    /// Takes a token with the claim `scope`, `scp` or `scopes`, for a provider that puts one into its ID tokens. Elsewhere it is by
    /// these that an access token is told from an ID token.
    pub fn scopes_allowed(mut self) -> Self {
        self.scopes_allowed = true;
        self
    }

    /// The user must have been authenticated not longer ago than this.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// The authentication context must be one of these.
    pub fn acr<S: Into<String>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        self.acr = values.into_iter().map(Into::into).collect();
        self
    }

    /// `at_hash`, if it is there, must be this access token's.
    pub fn access_token(mut self, access_token: impl Into<Secret>) -> Self {
        self.access_token = Some(access_token.into());
        self
    }

    /// `at_hash` must be there, so that the [`access_token`](Self::access_token) is known to have come with the ID token.
    pub fn at_hash_required(mut self) -> Self {
        self.at_hash_required = true;
        self
    }

    /// The token must not have been issued before this, less the leeway.
    pub fn issued_after(mut self, moment: OffsetDateTime) -> Self {
        self.not_before = Some(moment);
        self
    }

    /// What the ID token of a login must hold.
    pub(crate) fn of_login(attempt: &LoginAttempt, policy: &VerificationPolicy) -> Self {
        let mut expected = Self::new().acr(attempt.required_acr());
        expected.nonce = attempt.nonce().map(|nonce| Nonce::Plain(nonce.into()));
        expected.max_age = attempt.max_age();
        expected.auth_time_required = policy.auth_time_always;
        expected.began = Some(attempt.started_at());
        expected.not_before = Some(attempt.started_at() - policy.token_age);
        expected
    }

    /// What an ID token must hold that the browser brought, with a code.
    pub(crate) fn with_code(mut self, code: &str) -> Self {
        self.code = Some(code.into());
        self.front_channel = true;
        self
    }

    /// Checks that all is said which a token that came from elsewhere must be checked against.
    pub(crate) fn check_complete(&self) -> Result<(), &'static str> {
        if self.nonce.is_none() && !self.without_nonce {
            return Err(
                "no nonce is expected of the ID token, so a stolen one would do; give the one that you handed out with \
                        Expectations::nonce or hashed_nonce, or waive it with without_nonce",
            );
        }
        if self.at_hash_required && self.access_token.is_none() {
            return Err(
                "at_hash_required needs the access token whose hash it is; give it with Expectations::access_token",
            );
        }
        Ok(())
    }

    /// Checks that a token which came from elsewhere is an ID token by what is in it.
    ///
    /// The provider signs access tokens, refresh tokens and others with the same keys, and some for the same audience.
    pub(crate) fn check_kind(&self, claims: &Claims) -> Result<(), JwtRefusal> {
        const KIND: &[&str] = &["typ", "token_use", "token_type"];
        const ID_TOKEN: &[&str] = &["id", "id_token", "id-token", "idtoken", "jwt"];
        const SCOPES: &[&str] = &["scope", "scp", "scopes"];
        for name in KIND {
            let Some(kind) = claims.get(*name) else { continue };
            let text = kind.as_str().unwrap_or_default().trim();
            if !ID_TOKEN.iter().any(|own| own.eq_ignore_ascii_case(text)) {
                let reason = format!("its {name} is {}, which is not that of an ID token", shown(Some(kind)));
                return Err((JwtCheck::Type, reason));
            }
        }
        if let Some(name) = SCOPES.iter().find(|name| claims.contains_key(**name) && !self.scopes_allowed) {
            let reason = format!(
                "it has {name}, as an access token has; see Expectations::scopes_allowed if this provider's ID tokens have it too"
            );
            return Err((JwtCheck::Type, reason));
        }
        if claims.contains_key("events") {
            return Err((
                JwtCheck::Type,
                "it has events, as a security event or a logout token has".to_owned(),
            ));
        }
        Ok(())
    }

    /// Checks claims whose signature is verified.
    pub(crate) fn check(
        &self,
        claims: &Claims,
        algorithm: Algorithm,
        client_id: &str,
        policy: &VerificationPolicy,
    ) -> Result<(), JwtRefusal> {
        // A logout token has all that an ID token must have, and may come without a type (Back-Channel Logout section 2.4).
        if claims.get("events").is_some_and(|events| events.get(LOGOUT_EVENT).is_some()) {
            return Err((JwtCheck::Type, "it is a logout token".to_owned()));
        }
        self.check_audience(claims, client_id, &policy.other_audiences)?;
        check_subject(claims)?;
        let expiry = if self.may_be_expired { Expiry::MayHavePassed } else { Expiry::Required };
        check_times(claims, policy, expiry)?;
        if let (Some(not_before), Some(issued)) = (self.not_before, claims.date("iat"))
            && issued + leeway(policy) < seconds(not_before)
        {
            let reason = format!(
                "it was issued {} ago (iat), before what it is for; is this machine's clock right?",
                span(seconds(policy.clock.now()) - issued)
            );
            return Err((JwtCheck::IssuedAt, reason));
        }
        self.check_nonce(claims, policy)?;
        self.check_hashes(claims, algorithm)?;
        self.check_auth_time(claims, policy)?;
        self.check_acr(claims)
    }

    /// OpenID Connect Core section 3.1.3.7 items 3 to 5.
    fn check_audience(
        &self,
        claims: &Claims,
        client_id: &str,
        others: &OtherAudiences,
    ) -> Result<(), JwtRefusal> {
        let wrong = |reason: String| Err((JwtCheck::Audience, reason));
        let found = claims.audiences().unwrap_or_default();
        let is_ours = |audience: &str| match &*self.client_ids {
            [] => audience == client_id,
            ids => ids.iter().any(|id| id == audience),
        };
        if !found.iter().any(|audience| is_ours(audience)) {
            return wrong(format!("its aud is {}, which is not this client", shown(claims.get("aud"))));
        }
        let stranger = found.iter().find(|audience| {
            !is_ours(audience)
                && match others {
                    OtherAudiences::None => true,
                    OtherAudiences::Trusted(trusted) => !trusted.iter().any(|one| one == *audience),
                    OtherAudiences::AnyWithAuthorizedParty => false,
                }
        });
        if let Some(stranger) = stranger {
            return wrong(format!(
                "it is also for {}, which is not a trusted audience; if this provider's tokens are, see OtherAudiences",
                quoted(stranger)
            ));
        }
        match claims.get("azp") {
            Some(Value::String(party)) if is_ours(party) => Ok(()),
            // Several of these are there only where several client ids are ours.
            None if found.iter().all(|audience| is_ours(audience)) => Ok(()),
            None => Err((
                JwtCheck::AuthorizedParty,
                "it is for several audiences, and has no azp to say who asked for it".to_owned(),
            )),
            Some(party) => Err((
                JwtCheck::AuthorizedParty,
                format!("its azp is {}, which is not this client", shown(Some(party))),
            )),
        }
    }

    fn check_nonce(&self, claims: &Claims, policy: &VerificationPolicy) -> Result<(), JwtRefusal> {
        let Some(expected) = &self.nonce else { return Ok(()) };
        if policy.nonce_may_be_missing && !self.nonce_always && !claims.contains_key("nonce") {
            return Ok(());
        }
        let Some(found) = claims.text("nonce") else {
            let reason = "it has no nonce, though one was asked for".to_owned();
            return Err((JwtCheck::Nonce, reason));
        };
        let same = match expected {
            // Everybody knows it, and its hash.
            Nonce::Plain(nonce) | Nonce::Hashed(nonce) if nonce.expose().is_empty() => false,
            Nonce::Plain(nonce) => same_secret(found, nonce.expose()),
            Nonce::Hashed(nonce) => {
                let [hex, base64] = sha256(nonce.expose());
                same_secret(found, &hex) | same_secret(found, &base64)
            }
        };
        match same {
            true => Ok(()),
            false => Err((JwtCheck::Nonce, "its nonce belongs to another sign-in".to_owned())),
        }
    }

    /// OpenID Connect Core sections 3.1.3.6 and 3.3.2.11.
    fn check_hashes(&self, claims: &Claims, algorithm: Algorithm) -> Result<(), JwtRefusal> {
        let hashes = [
            ("at_hash", JwtCheck::AccessTokenHash, &self.access_token, "the access token"),
            ("c_hash", JwtCheck::CodeHash, &self.code, "the code"),
        ];
        for (claim, check, value, of) in hashes {
            let Some(value) = value else { continue };
            match claims.get(claim) {
                None if self.front_channel || (self.at_hash_required && claim == "at_hash") => {
                    return Err((check, format!("it has no {claim}, so nothing ties {of} to it")));
                }
                None => {}
                Some(Value::String(found))
                    if same_secret(found, &algorithm.left_half_hash(value.expose())) => {}
                Some(_) => return Err((check, format!("its {claim} is not that of {of} that came with it"))),
            }
        }
        Ok(())
    }

    fn check_auth_time(&self, claims: &Claims, policy: &VerificationPolicy) -> Result<(), JwtRefusal> {
        if self.max_age.is_none() && !self.auth_time_required {
            return Ok(());
        }
        let wrong = |what: &str| Err((JwtCheck::AuthTime, what.to_owned()));
        let Some(authenticated) = claims.date("auth_time") else {
            return wrong("it has no auth_time that is a date, though one was asked for");
        };
        let now = seconds(policy.clock.now());
        if authenticated > now + leeway(policy) {
            return wrong("its auth_time is in the future; is this machine's clock right?");
        }
        // Reading the consent page takes the user's time, and does not make the authentication older than was asked for.
        let since_it_began = self.began.is_some_and(|began| authenticated + leeway(policy) >= seconds(began));
        let is_older = |max_age: Duration| {
            now - authenticated > max_age.as_secs_f64() + leeway(policy) && !since_it_began
        };
        if self.max_age.is_some_and(is_older) {
            return wrong("the user was authenticated longer ago than max_age allows");
        }
        Ok(())
    }

    fn check_acr(&self, claims: &Claims) -> Result<(), JwtRefusal> {
        let found = claims.get("acr");
        if self.acr.is_empty()
            || found.and_then(Value::as_str).is_some_and(|acr| self.acr.iter().any(|one| one == acr))
        {
            return Ok(());
        }
        Err((JwtCheck::Acr, format!("its acr is {}, and it must be one of {:?}", shown(found), self.acr)))
    }
}

impl fmt::Debug for Expectations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expectations").field("client_ids", &self.client_ids).finish_non_exhaustive()
    }
}

/// OpenID Connect Core section 2.
fn check_subject(claims: &Claims) -> Result<(), JwtRefusal> {
    match claims.text("sub") {
        Some(subject) if subject.is_ascii() && oauth_core::provider_kit::check_subject(subject).is_ok() => {
            Ok(())
        }
        _ => Err((
            JwtCheck::Subject,
            format!(
                "its sub is {}; it must be 1 to 255 printable ASCII characters, without white space at the ends",
                shown(claims.get("sub"))
            ),
        )),
    }
}

/// What is asked of an `exp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    Required,
    MayHavePassed,
    MayBeMissing,
}

/// `exp`, `iat` and `nbf`: OpenID Connect Core section 3.1.3.7 items 9 and 10, RFC 7519 section 4.1.5.
pub(crate) fn check_times(
    claims: &Claims,
    policy: &VerificationPolicy,
    expiry: Expiry,
) -> Result<(), JwtRefusal> {
    check_unexpired(claims, policy, expiry)?;
    let now = seconds(policy.clock.now());
    let leeway = leeway(policy);
    let no_date = |name: &str| no_date(claims, name);
    let Some(issued) = claims.date("iat") else { return Err((JwtCheck::IssuedAt, no_date("iat"))) };
    if issued > now + leeway {
        let reason = format!(
            "it was issued {} in the future (iat); is this machine's clock right?",
            span(issued - now)
        );
        return Err((JwtCheck::IssuedAt, reason));
    }
    match (claims.contains_key("nbf"), claims.date("nbf")) {
        (false, _) => Ok(()),
        (true, Some(start)) if start <= now + leeway => Ok(()),
        (true, Some(start)) => {
            let reason = format!(
                "it must not be used for {} yet (nbf); is this machine's clock right?",
                span(start - now)
            );
            Err((JwtCheck::NotBefore, reason))
        }
        (true, None) => Err((JwtCheck::NotBefore, no_date("nbf"))),
    }
}

/// `exp` alone.
pub(crate) fn check_unexpired(
    claims: &Claims,
    policy: &VerificationPolicy,
    expiry: Expiry,
) -> Result<(), JwtRefusal> {
    let now = seconds(policy.clock.now());
    match claims.date("exp") {
        None if expiry == Expiry::MayBeMissing && !claims.contains_key("exp") => Ok(()),
        None => Err((JwtCheck::Expiry, no_date(claims, "exp"))),
        Some(expires) if expiry != Expiry::MayHavePassed && expires + leeway(policy) <= now => {
            let reason =
                format!("it expired {} ago (exp); is this machine's clock right?", span(now - expires));
            Err((JwtCheck::Expiry, reason))
        }
        Some(_) => Ok(()),
    }
}

fn no_date(claims: &Claims, name: &str) -> String {
    format!("its {name} is {}; it must be a date in seconds since 1970", shown(claims.get(name)))
}

/// A number of seconds in words.
pub(crate) fn span(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds < 172_800.0 => format!("{:.0} h", seconds / 3600.0),
        seconds => format!("{:.0} days", seconds / 86_400.0),
    }
}

pub(crate) fn leeway(policy: &VerificationPolicy) -> f64 {
    policy.leeway.as_secs_f64()
}

/// A nonce for an application that obtains the ID token itself: hand it out, keep it for a while, and expect it once.
///
/// # Errors
///
/// A configuration error when the operating system has no random bytes to give.
pub fn new_nonce() -> oauth_core::Result<String> {
    random_token()
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json::json;

    use super::*;
    use crate::testing::{LEEWAY, NOW, at, claims, policy};

    fn check(expected: &Expectations, others: Value) -> Option<JwtCheck> {
        let checked = expected.check(&claims(others), Algorithm::RS256, "app", &policy());
        checked.err().map(|(check, _)| check)
    }

    #[test]
    fn id_08_the_last_second_of_a_token_is_told_apart() {
        let any = Expectations::new();
        assert_eq!(check(&any, json!({"exp": NOW - LEEWAY + 1})), None);
        assert_eq!(check(&any, json!({"exp": NOW - LEEWAY})), Some(JwtCheck::Expiry));
        let (_, reason) =
            any.check(&claims(json!({"exp": NOW - 90})), Algorithm::RS256, "app", &policy()).unwrap_err();
        assert!(reason.contains("it expired 90 s ago"), "{reason}");
        let expired = Expectations { may_be_expired: true, ..Expectations::new() };
        assert_eq!(check(&expired, json!({"exp": NOW - 1_000})), None);
        assert_eq!(check(&expired, json!({"exp": null})), Some(JwtCheck::Expiry));
        for (claims, is_good) in [(json!({"exp": null}), true), (json!({"exp": "soon"}), false)] {
            let checked = check_unexpired(&crate::testing::claims(claims), &policy(), Expiry::MayBeMissing);
            assert_eq!(checked.is_ok(), is_good);
        }
        let (_, reason) =
            any.check(&claims(json!({"exp": "soon"})), Algorithm::RS256, "app", &policy()).unwrap_err();
        assert_eq!(reason, r#"its exp is "soon"; it must be a date in seconds since 1970"#);
    }

    #[test]
    fn id_09_the_first_second_of_a_token_is_told_apart() {
        let any = Expectations::new();
        for (claim, check_of_it) in [("iat", JwtCheck::IssuedAt), ("nbf", JwtCheck::NotBefore)] {
            assert_eq!(check(&any, json!({ claim: NOW + LEEWAY })), None);
            assert_eq!(check(&any, json!({ claim: NOW + LEEWAY + 1 })), Some(check_of_it), "{claim}");
            let late = claims(json!({ claim: NOW + 90 }));
            let (_, reason) = any.check(&late, Algorithm::RS256, "app", &policy()).unwrap_err();
            assert!(reason.contains("90 s "), "{reason}");
        }
        let after = Expectations::new().issued_after(at(NOW - 100));
        assert_eq!(check(&after, json!({"iat": NOW - 100 - LEEWAY})), None);
        assert_eq!(check(&after, json!({"iat": NOW - 100 - LEEWAY - 1})), Some(JwtCheck::IssuedAt));
        let old = claims(json!({"iat": NOW - 7_200}));
        let (_, reason) = after.check(&old, Algorithm::RS256, "app", &policy()).unwrap_err();
        assert!(reason.contains("it was issued 2 h ago"), "{reason}");
    }

    #[test]
    fn id_15_the_last_second_of_an_authentication_is_told_apart() {
        let recent = Expectations::new().max_age(Duration::from_secs(300));
        let oldest = NOW - 300 - LEEWAY;
        assert_eq!(check(&recent, json!({"auth_time": oldest})), None);
        assert_eq!(check(&recent, json!({"auth_time": oldest - 1})), Some(JwtCheck::AuthTime));
        assert_eq!(check(&recent, json!({"auth_time": NOW + LEEWAY})), None);
        assert_eq!(check(&recent, json!({"auth_time": NOW + LEEWAY + 1})), Some(JwtCheck::AuthTime));
        assert_eq!(check(&recent, json!({})), Some(JwtCheck::AuthTime));
        // Since the login began is recent enough, however long the user took.
        let began = Expectations { began: Some(at(NOW - 1_000)), ..recent };
        assert_eq!(check(&began, json!({"auth_time": NOW - 1_000 - LEEWAY})), None);
        assert_eq!(check(&began, json!({"auth_time": NOW - 1_000 - LEEWAY - 1})), Some(JwtCheck::AuthTime));
        let required = Expectations { auth_time_required: true, ..Expectations::new() };
        assert_eq!(check(&required, json!({})), Some(JwtCheck::AuthTime));
        assert_eq!(check(&required, json!({"auth_time": 1})), None);
    }

    #[test]
    fn id_06_several_audiences_need_an_authorized_party_unless_all_are_ours() {
        let both = Expectations::new().client_ids(["ios", "android"]);
        assert_eq!(check(&both, json!({"aud": ["ios", "android"]})), None);
        assert_eq!(check(&both, json!({"aud": ["ios"], "azp": "android"})), None);
        assert_eq!(check(&both, json!({"aud": "app"})), Some(JwtCheck::Audience));
        assert_eq!(check(&both, json!({"aud": ["ios"], "azp": "app"})), Some(JwtCheck::AuthorizedParty));
        let one = Expectations::new();
        assert_eq!(check(&one, json!({"aud": ["app", "other"]})), Some(JwtCheck::Audience));
        let others = policy().other_audiences(OtherAudiences::Trusted(vec!["other".to_owned()]));
        let trusted = |claims: Value| {
            let checked = one.check(&crate::testing::claims(claims), Algorithm::RS256, "app", &others);
            checked.err().map(|(check, _)| check)
        };
        assert_eq!(trusted(json!({"aud": ["app", "other"]})), Some(JwtCheck::AuthorizedParty));
        assert_eq!(trusted(json!({"aud": ["app", "other"], "azp": "app"})), None);
        assert_eq!(trusted(json!({"aud": ["app", "third"], "azp": "app"})), Some(JwtCheck::Audience));
        // Nor do several client ids of ours make up for one that is not.
        let beside = claims(json!({"aud": ["ios", "other"]}));
        let checked = both.check(&beside, Algorithm::RS256, "app", &others);
        assert_eq!(checked.unwrap_err().0, JwtCheck::AuthorizedParty);
    }

    #[test]
    fn id_12_a_nonce_that_is_empty_is_never_the_right_one() {
        for expected in [Expectations::new().nonce(""), Expectations::new().hashed_nonce("")] {
            let [hex, base64] = sha256("");
            for found in ["", &*hex, &*base64] {
                assert_eq!(check(&expected, json!({"nonce": found})), Some(JwtCheck::Nonce), "{found}");
            }
        }
        let hashed = Expectations::new().hashed_nonce("n");
        for found in sha256("n") {
            assert_eq!(check(&hashed, json!({"nonce": found})), None);
        }
        assert_eq!(check(&hashed, json!({"nonce": "n"})), Some(JwtCheck::Nonce));
    }

    #[test]
    fn a_nonce_that_was_asked_for_is_not_waived_by_the_policy() {
        let lenient = policy().nonce_may_be_missing();
        let checked = |expected: &Expectations, claims: Value| {
            expected.check(&crate::testing::claims(claims), Algorithm::RS256, "app", &lenient).is_ok()
        };
        assert!(!checked(&Expectations::new().nonce("n"), json!({})));
        let of_login = Expectations { nonce: Some(Nonce::Plain("n".into())), ..Expectations::new() };
        assert!(checked(&of_login, json!({})));
        assert!(!checked(&of_login, json!({"nonce": "m"})));
    }

    #[test]
    fn id_16_a_hash_that_is_required_is_there_and_right() {
        let hash = Algorithm::RS256.left_half_hash("token");
        let expected = Expectations::new().access_token("token");
        assert_eq!(check(&expected, json!({})), None);
        assert_eq!(check(&expected, json!({"at_hash": hash})), None);
        assert_eq!(check(&expected, json!({"at_hash": "x"})), Some(JwtCheck::AccessTokenHash));
        assert_eq!(check(&expected, json!({"at_hash": 1})), Some(JwtCheck::AccessTokenHash));
        assert_eq!(check(&expected.clone().at_hash_required(), json!({})), Some(JwtCheck::AccessTokenHash));
        let code = Algorithm::RS256.left_half_hash("code");
        let front = expected.with_code("code");
        assert_eq!(check(&front, json!({"at_hash": hash, "c_hash": code})), None);
        assert_eq!(check(&front, json!({"c_hash": code})), Some(JwtCheck::AccessTokenHash));
        assert_eq!(check(&front, json!({"at_hash": hash})), Some(JwtCheck::CodeHash));
        // Only `at_hash` is demanded by `at_hash_required`.
        let demanding = Expectations { code: Some("code".into()), ..Expectations::new().at_hash_required() };
        assert_eq!(check(&demanding, json!({})), None);
    }

    #[test]
    fn what_a_token_from_elsewhere_is_checked_against_is_said_in_full() {
        let said = |expected: Expectations| expected.check_complete().err();
        assert!(said(Expectations::new()).unwrap().contains("no nonce is expected"));
        assert_eq!(said(Expectations::new().without_nonce()), None);
        assert_eq!(said(Expectations::new().nonce("n")), None);
        // The last word counts.
        assert!(said(Expectations::new().nonce("n").without_nonce()).is_none());
        assert_eq!(check(&Expectations::new().nonce("n").without_nonce(), json!({})), None);
        let without_token = Expectations::new().nonce("n").at_hash_required();
        assert!(said(without_token.clone()).unwrap().contains("needs the access token"));
        assert_eq!(said(without_token.access_token("token")), None);
    }

    #[test]
    fn another_kind_of_token_is_told_by_what_is_in_it() {
        let kind = |expected: &Expectations, others: Value| expected.check_kind(&claims(others)).is_ok();
        let any = Expectations::new();
        assert!(kind(&any, json!({"typ": "ID", "token_use": "id", "token_type": " id_token "})));
        assert!(!kind(&any, json!({"typ": "Bearer"})));
        assert!(!kind(&any, json!({"token_use": "access"})));
        for scope in ["scope", "scp", "scopes"] {
            assert!(!kind(&any, json!({ scope: "openid" })), "{scope}");
            assert!(kind(&Expectations::new().scopes_allowed(), json!({ scope: "openid" })), "{scope}");
        }
        assert!(!kind(&any, json!({"events": {}})));
        assert_eq!(check(&any, json!({"events": {LOGOUT_EVENT: {}}})), Some(JwtCheck::Type));
        assert_eq!(check(&any, json!({"events": {}})), None);
    }

    #[test]
    fn an_authentication_context_is_one_of_those_that_were_demanded() {
        let expected = Expectations::new().acr(["gold", "silver"]);
        assert_eq!(check(&expected, json!({"acr": "silver"})), None);
        for wrong in [json!("bronze"), json!(["gold"]), json!(null)] {
            assert_eq!(check(&expected, json!({ "acr": wrong })), Some(JwtCheck::Acr), "{wrong}");
        }
    }

    #[test]
    fn a_span_of_time_is_told_in_words() {
        for (seconds, words) in [
            (119.0, "119 s"),
            (120.0, "2 min"),
            (7_199.0, "120 min"),
            (7_200.0, "2 h"),
            (172_799.0, "48 h"),
            (172_800.0, "2 days"),
            (864_000.0, "10 days"),
        ] {
            assert_eq!(span(seconds), words);
        }
    }

    #[test]
    fn expectations_show_no_nonce_and_no_token() {
        let expected = Expectations::new().client_ids(["ios"]).nonce("secret-1").access_token("secret-2");
        let shown = format!("{expected:?}");
        assert!(shown.contains("ios") && !shown.contains("secret"), "{shown}");
    }
}
