use std::{fmt, sync::OnceLock, time::Duration};

use oauth_core::{
    Identity, JwtCheck, Login, LoginAttempt, OffsetDateTime, Secret, random_token, same_secret,
    serde_json::{Map, Value},
};
use serde::de::DeserializeOwned;

use crate::{
    algorithm::Algorithm,
    claims::{self, ClaimsError, StandardClaims},
    jws::{Refusal, quoted, shown},
    logout::EVENT,
    members::{Claim, Members},
    policy::{OtherAudiences, VerificationPolicy},
};

/// An ID token that passed all checks (OpenID Connect Core section 3.1.3.7).
///
/// It comes from a login and from [`OpenIDProvider::verify_id_token`](crate::OpenIDProvider::verify_id_token), and from nowhere
/// else: nothing turns a text or an `OAuth2Token` into one without the checks.
///
/// ```no_run
/// use oauth_openid::{IdToken, OpenID, oauth_core::{Callback, LoginAttempt, Provider}};
///
/// # async fn f(client: OpenID, attempt: LoginAttempt, callback: Callback) -> Result<(), oauth_core::Error> {
/// let login = client.finish_login(attempt, callback).await?;
/// if let Some(id_token) = IdToken::of(&login) {
///     println!("{} of {}", id_token.subject(), id_token.issuer());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct IdToken {
    raw: Secret,
    pub(crate) claims: Members,
    /// The same once more, for whoever wants a claim as serde_json has it.
    as_json: OnceLock<Map<String, Value>>,
    /// Who signed in, by these claims.
    identity: Identity,
}

impl IdToken {
    /// The ID token of a login, where there was one.
    #[must_use]
    pub fn of(login: &Login) -> Option<&Self> {
        login.get()
    }

    /// Whoever calls this has done all checks.
    pub(crate) fn verified(raw: &str, claims: Members, identity: Identity) -> Self {
        Self { raw: raw.into(), claims, as_json: OnceLock::new(), identity }
    }

    /// The token with an identity that the provider has completed, as it completes those of profiles.
    pub(crate) fn completed(mut self, complete: impl FnOnce(&mut Identity)) -> Self {
        complete(&mut self.identity);
        self.identity = self.identity.without_unusable();
        self
    }

    /// The token itself, for `id_token_hint`. Of one that came encrypted it is what was in it, because a hint is for the provider to
    /// read (OpenID Connect Core section 3.1.2.1).
    #[must_use]
    pub fn raw(&self) -> &str {
        self.raw.expose()
    }

    /// `iss`: who vouches for all this.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.text("iss").unwrap_or_default()
    }

    /// `sub`: the user, at this issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.text("sub").unwrap_or_default()
    }

    /// `aud`: whom it is for.
    #[must_use]
    pub fn audiences(&self) -> Vec<&str> {
        audiences(&self.claims).unwrap_or_default()
    }

    /// `exp`: when it stops being good.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.moment("exp")
    }

    /// `iat`: when it was made.
    #[must_use]
    pub fn issued_at(&self) -> Option<OffsetDateTime> {
        self.moment("iat")
    }

    /// `auth_time`: when the user was authenticated.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<OffsetDateTime> {
        self.moment("auth_time")
    }

    /// `acr`: in which context.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.text("acr")
    }

    /// `amr`: by which methods.
    #[must_use]
    pub fn amr(&self) -> Vec<&str> {
        self.claims
            .get("amr")
            .and_then(|methods| methods.other()?.as_array())
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// `sid`: the session at the provider, by which a logout names it.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.text("sid")
    }

    /// A claim as it came.
    ///
    /// The first call makes a map of all claims, which verification does without; the methods for single claims do without it too.
    #[must_use]
    pub fn get(&self, claim: &str) -> Option<&Value> {
        self.as_json().get(claim)
    }

    /// The claims as a type of the application's own. A text is taken for a boolean or a number where the type wants one,
    /// because providers send `"true"` and `"1"`; the claims that decide something were checked strictly before.
    ///
    /// ```no_run
    /// # fn f(id_token: oauth_openid::IdToken) -> Result<(), oauth_openid::ClaimsError> {
    /// #[derive(serde::Deserialize)]
    /// struct MyClaims {
    ///     groups: Vec<String>,
    ///     email_verified: Option<bool>,
    /// }
    ///
    /// let claims: MyClaims = id_token.claims()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What does not fit the type.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, ClaimsError> {
        claims::read(&Value::Object(self.claims.to_map()))
    }

    /// The claims of OpenID Connect Core section 5.1, as far as they are there and of the right type.
    #[must_use]
    pub fn standard_claims(&self) -> StandardClaims {
        StandardClaims::of(self.as_json())
    }

    /// Who signed in, by this token alone. Its key is the token's `iss` and `sub`, but for an issuer that goes by several names
    /// ([`Issuers::Aliases`](crate::Issuers::Aliases)), and it is that of `get_identity`. An address is verified here if
    /// `get_identity` would call it so. Where the profile is an API that knows users by another identifier, as Microsoft Graph
    /// is, the keys differ: an application that uses both keeps to one of them.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity.clone()
    }

    fn text(&self, claim: &str) -> Option<&str> {
        self.claims.text(claim)
    }

    fn as_json(&self) -> &Map<String, Value> {
        self.as_json.get_or_init(|| self.claims.to_map())
    }

    fn moment(&self, claim: &str) -> Option<OffsetDateTime> {
        claims::moment(self.claims.get(claim)?)
    }
}

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The other claims are personal data.
        f.debug_struct("IdToken")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .finish_non_exhaustive()
    }
}

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
    /// The client's own id stands for it where this is empty.
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

    /// The same for a token that the browser brought, with a code.
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
    pub(crate) fn check_kind(&self, claims: &Members) -> Result<(), Refusal> {
        const KIND: &[&str] = &["typ", "token_use", "token_type"];
        const ID_TOKEN: &[&str] = &["id", "id_token", "id-token", "idtoken", "jwt"];
        const SCOPES: &[&str] = &["scope", "scp", "scopes"];
        for name in KIND {
            let Some(kind) = claims.get(name) else { continue };
            let text = kind.as_str().unwrap_or_default().trim();
            if !ID_TOKEN.iter().any(|own| own.eq_ignore_ascii_case(text)) {
                let reason = format!("its {name} is {}, which is not that of an ID token", shown(Some(kind)));
                return Err((JwtCheck::Type, reason));
            }
        }
        if let Some(name) = SCOPES.iter().find(|name| claims.has(name) && !self.scopes_allowed) {
            let reason = format!(
                "it has {name}, as an access token has; see Expectations::scopes_allowed if this provider's ID tokens have it too"
            );
            return Err((JwtCheck::Type, reason));
        }
        if claims.has("events") {
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
        claims: &Members,
        algorithm: Algorithm,
        client_id: &str,
        policy: &VerificationPolicy,
    ) -> Result<(), Refusal> {
        // A logout token has all that an ID token must have, and may come without a type (Back-Channel Logout section 2.4).
        if claims.get("events").and_then(|events| events.other()?.get(EVENT)).is_some() {
            return Err((JwtCheck::Type, "it is a logout token".to_owned()));
        }
        self.check_audience(claims, client_id, &policy.other_audiences)?;
        check_subject(claims)?;
        check_times(claims, policy, self.may_be_expired)?;
        if let (Some(not_before), Some(issued)) = (self.not_before, claims.date("iat"))
            && issued + leeway(policy) < seconds(not_before)
        {
            let reason = "its iat is too long ago: it was not made for this".to_owned();
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
        claims: &Members,
        client_id: &str,
        others: &OtherAudiences,
    ) -> Result<(), Refusal> {
        let wrong = |reason: String| Err((JwtCheck::Audience, reason));
        let found = audiences(claims).unwrap_or_default();
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
            return wrong(format!("it is also for {}, which is not a trusted audience", quoted(stranger)));
        }
        match claims.get("azp") {
            Some(Claim::Text(party)) if is_ours(party) => Ok(()),
            None if found.iter().all(|audience| is_ours(audience))
                && (found.len() == 1 || self.client_ids.len() > 1) =>
            {
                Ok(())
            }
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

    fn check_nonce(&self, claims: &Members, policy: &VerificationPolicy) -> Result<(), Refusal> {
        let Some(expected) = &self.nonce else { return Ok(()) };
        if policy.nonce_may_be_missing && !self.nonce_always && !claims.has("nonce") {
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
                let [hex, base64] = claims::sha256(nonce.expose());
                same_secret(found, &hex) | same_secret(found, &base64)
            }
        };
        match same {
            true => Ok(()),
            false => Err((JwtCheck::Nonce, "its nonce belongs to another sign-in".to_owned())),
        }
    }

    /// OpenID Connect Core sections 3.1.3.6 and 3.3.2.11.
    fn check_hashes(&self, claims: &Members, algorithm: Algorithm) -> Result<(), Refusal> {
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
                Some(Claim::Text(found)) if same_secret(found, &algorithm.left_half_hash(value.expose())) => {
                }
                Some(_) => return Err((check, format!("its {claim} is not that of {of} that came with it"))),
            }
        }
        Ok(())
    }

    fn check_auth_time(&self, claims: &Members, policy: &VerificationPolicy) -> Result<(), Refusal> {
        if self.max_age.is_none() && !self.auth_time_required {
            return Ok(());
        }
        let wrong = |what: &str| Err((JwtCheck::AuthTime, what.to_owned()));
        let Some(authenticated) = claims.date("auth_time") else {
            return wrong("it has no auth_time that is a date, though one was asked for");
        };
        let now = seconds(policy.clock.now());
        if authenticated > now + leeway(policy) {
            return wrong("its auth_time is in the future");
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

    fn check_acr(&self, claims: &Members) -> Result<(), Refusal> {
        let found = claims.get("acr");
        if self.acr.is_empty()
            || found.and_then(Claim::as_str).is_some_and(|acr| self.acr.iter().any(|one| one == acr))
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

/// The audiences of a token, if they are what the specification allows: a text, or a list of texts.
pub(crate) fn audiences(claims: &Members) -> Option<Vec<&str>> {
    match claims.get("aud")? {
        Claim::Text(one) => Some(vec![one]),
        Claim::Other(Value::Array(several)) => several.iter().map(Value::as_str).collect(),
        Claim::Other(_) => None,
    }
}

/// OpenID Connect Core section 2.
fn check_subject(claims: &Members) -> Result<(), Refusal> {
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

/// `exp`, `iat` and `nbf`: OpenID Connect Core section 3.1.3.7 items 9 and 10, RFC 7519 section 4.1.5.
pub(crate) fn check_times(
    claims: &Members,
    policy: &VerificationPolicy,
    may_be_expired: bool,
) -> Result<(), Refusal> {
    let now = seconds(policy.clock.now());
    let leeway = leeway(policy);
    let no_date = |name: &str| {
        format!("its {name} is {}; it must be a date in seconds since 1970", shown(claims.get(name)))
    };
    let Some(expires) = claims.date("exp") else { return Err((JwtCheck::Expiry, no_date("exp"))) };
    if !may_be_expired && expires + leeway <= now {
        return Err((JwtCheck::Expiry, "it has expired".to_owned()));
    }
    let Some(issued) = claims.date("iat") else { return Err((JwtCheck::IssuedAt, no_date("iat"))) };
    if issued > now + leeway {
        return Err((JwtCheck::IssuedAt, "its iat is in the future; compare the clocks".to_owned()));
    }
    match (claims.has("nbf"), claims.date("nbf")) {
        (false, _) => Ok(()),
        (true, Some(start)) if start <= now + leeway => Ok(()),
        (true, Some(_)) => Err((JwtCheck::NotBefore, "its nbf is in the future".to_owned())),
        (true, None) => Err((JwtCheck::NotBefore, no_date("nbf"))),
    }
}

pub(crate) fn seconds(moment: OffsetDateTime) -> f64 {
    (moment - OffsetDateTime::UNIX_EPOCH).as_seconds_f64()
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
