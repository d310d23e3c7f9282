use std::{
    fmt, io, iter,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    authorization::{ResponseMode, ResponseType},
    crypto::random_token,
    error::Result,
    pkce::CodeVerifier,
    secret::{Secret, SecretBytes},
};

/// Everything that the callback of one login is checked against, in one value.
///
/// It serializes, for a session on the server. It holds the code verifier, so whoever puts it into the browser must
/// encrypt and authenticate it.
#[derive(Clone)]
pub struct LoginAttempt {
    pub(crate) texts: Texts,
    pub(crate) code_verifier: Option<CodeVerifier>,
    pub(crate) response_mode: ResponseMode,
    pub(crate) response_type: ResponseType,
    /// In seconds, as the lifetime.
    pub(crate) max_age: Option<u64>,
    pub(crate) required_acr: Vec<String>,
    pub(crate) started_at: i64,
    pub(crate) lifetime: u64,
    pub(crate) data: Value,
}

impl LoginAttempt {
    /// The name of the provider it was started at.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.texts.get(PROVIDER)
    }

    /// The redirect URI, which the code exchange repeats.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        self.texts.get(REDIRECT_URI)
    }

    /// The state by which a callback finds its attempt.
    #[must_use]
    pub fn state(&self) -> &str {
        self.texts.get(STATE)
    }

    /// The code verifier, unless the provider takes none.
    #[must_use]
    pub fn code_verifier(&self) -> Option<&CodeVerifier> {
        self.code_verifier.as_ref()
    }

    /// The nonce that the ID token must hold, where one is asked for.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.texts.has_nonce.then(|| self.texts.get(NONCE))
    }

    /// Expects this nonce in the ID token, for a provider that sends one without being asked by the scope `openid`. Its
    /// `start_login` sets it before the URL is built.
    #[must_use]
    pub fn with_nonce(mut self, nonce: impl Into<Secret>) -> Self {
        let nonce = nonce.into();
        let named = Named { nonce: Some(nonce.expose()), ..self.texts.named() };
        self.texts = Texts::of(named, self.texts.scopes());
        self
    }

    /// The same with a nonce, if it has none yet.
    ///
    /// # Errors
    ///
    /// A configuration error when the operating system has no random bytes to give.
    pub fn with_random_nonce(self) -> Result<Self> {
        match self.nonce() {
            Some(_) => Ok(self),
            None => {
                let nonce = random_token().map_err(|error| error.at(self.provider().to_owned()))?;
                Ok(self.with_nonce(nonce))
            }
        }
    }

    /// The same with this scope among those that are asked for.
    #[must_use]
    pub fn with_scope(mut self, scope: &str) -> Self {
        if !self.scopes().flat_map(|scopes| scopes.split(' ')).any(|other| other == scope) {
            self.texts = Texts::of(self.texts.named(), iter::once(scope).chain(self.texts.scopes()));
        }
        self
    }

    /// Whether the callback must arrive as a form that another site's page posts, and not in the query of a URL (OAuth 2.0
    /// Form Post Response Mode). A cookie comes with it only if it is `SameSite=None`.
    #[must_use]
    pub fn is_form_post(&self) -> bool {
        self.response_mode == ResponseMode::FormPost
    }

    /// The way in which the callback must arrive.
    #[must_use]
    pub fn response_mode(&self) -> ResponseMode {
        self.response_mode
    }

    /// What was asked for at the authorization endpoint.
    #[must_use]
    pub fn response_type(&self) -> ResponseType {
        self.response_type
    }

    /// The scopes that were asked for.
    pub fn scopes(&self) -> impl Iterator<Item = &str> + Clone {
        self.texts.scopes()
    }

    /// How long ago the user may have been authenticated, if it matters.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age.map(Duration::from_secs)
    }

    /// The authentication contexts of which the ID token must name one; any will do where this is empty.
    #[must_use]
    pub fn required_acr(&self) -> &[String] {
        &self.required_acr
    }

    /// The issuer that the callback and the ID token must name, where it is known.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.texts.has_issuer.then(|| self.texts.get(ISSUER))
    }

    /// Which client began it: two servers can go by one name.
    pub(crate) fn client(&self) -> &str {
        self.texts.get(CLIENT)
    }

    /// When it began.
    #[must_use]
    pub fn started_at(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.started_at).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The application's own data, from [`LoginOptions::data`](crate::LoginOptions::data).
    #[must_use]
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// How long it may take, from when it began.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.lifetime)
    }

    /// Whether it took longer than a sign-in may.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        // Seconds are compared; a calendar would take longer than the clock.
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(now) => i64::try_from(now.as_secs())
                .map_or(true, |seconds| self.is_expired_after(seconds, now.subsec_nanos())),
            Err(_) => true,
        }
    }

    pub(crate) fn is_expired_at(&self, now: OffsetDateTime) -> bool {
        self.is_expired_after(now.unix_timestamp(), now.nanosecond())
    }

    /// The same after so many seconds and nanoseconds since 1970.
    fn is_expired_after(&self, seconds: i64, nanoseconds: u32) -> bool {
        // An attempt from the future was made by a clock that is wrong, or by somebody who wants it to live for ever.
        const CLOCK_SKEW: i64 = -60;
        let age = seconds.saturating_sub(self.started_at);
        match u64::try_from(age) {
            Ok(age) => age > self.lifetime || (age == self.lifetime && nanoseconds > 0),
            Err(_) => age < CLOCK_SKEW,
        }
    }
}

impl fmt::Debug for LoginAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginAttempt")
            .field("provider", &self.provider())
            .field("redirect_uri", &self.redirect_uri())
            .field("scopes", &self.scopes().collect::<Vec<_>>())
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}

/// The texts of an attempt, one after the other in one piece of memory, which is wiped when it is dropped. A sealed attempt
/// that was decrypted is such a piece, so that nothing of it is copied.
#[derive(Clone)]
pub(crate) struct Texts {
    whole: Secret,
    /// Where each of them ends: those with a name, then the scopes.
    ends: Vec<usize>,
    has_issuer: bool,
    has_nonce: bool,
}

/// The texts of an attempt that have names.
#[derive(Clone, Copy)]
pub(crate) struct Named<'t> {
    pub(crate) provider: &'t str,
    pub(crate) redirect_uri: &'t str,
    pub(crate) client: &'t str,
    pub(crate) state: &'t str,
    pub(crate) issuer: Option<&'t str>,
    pub(crate) nonce: Option<&'t str>,
}

// Their places among the texts.
const PROVIDER: usize = 0;
const REDIRECT_URI: usize = 1;
const CLIENT: usize = 2;
const STATE: usize = 3;
const ISSUER: usize = 4;
const NONCE: usize = 5;
const NAMED: usize = 6;

impl Texts {
    pub(crate) fn of<'t>(named: Named<'t>, scopes: impl Iterator<Item = &'t str> + Clone) -> Self {
        let Named { provider, redirect_uri, client, state, issuer, nonce } = named;
        // The order of their places.
        let texts: [&str; NAMED] =
            [provider, redirect_uri, client, state, issuer.unwrap_or_default(), nonce.unwrap_or_default()];
        let texts = texts.into_iter().chain(scopes);
        let (count, length) =
            texts.clone().fold((0, 0), |(count, length), text| (count + 1, length + text.len()));
        // It has the right size from the start, because one that grows leaves a copy behind.
        let mut whole = String::with_capacity(length);
        let mut ends = Vec::with_capacity(count);
        for text in texts {
            whole.push_str(text);
            ends.push(whole.len());
        }
        Self { whole: Secret::new(whole), ends, has_issuer: issuer.is_some(), has_nonce: nonce.is_some() }
    }

    fn named(&self) -> Named<'_> {
        Named {
            provider: self.get(PROVIDER),
            redirect_uri: self.get(REDIRECT_URI),
            client: self.get(CLIENT),
            state: self.get(STATE),
            issuer: self.has_issuer.then(|| self.get(ISSUER)),
            nonce: self.has_nonce.then(|| self.get(NONCE)),
        }
    }

    fn scopes(&self) -> impl Iterator<Item = &str> + Clone {
        (NAMED..self.ends.len()).map(|place| self.get(place))
    }

    /// The text at a place; all of them stand within the whole, and between characters.
    fn get(&self, place: usize) -> &str {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.whole.expose()[start..self.ends[place]]
    }

    fn lengths(&self) -> impl Iterator<Item = usize> {
        (0..self.ends.len()).map(|place| self.get(place).len())
    }
}

/// An attempt in few bytes, which is what [`Sealer`](crate::Sealer) encrypts.
///
/// ```text
/// flags ‖ started_at ‖ lifetime ‖ [max_age] ‖ [length of the code verifier]
///   ‖ number of texts ‖ the length of each ‖ number of ACRs ‖ the length of each ‖ length of the data
///   ‖ texts ‖ code verifier ‖ ACRs ‖ data: nothing if it is null, a text as it is, else JSON
/// ```
///
/// `started_at` has eight bytes, the smallest first; all other numbers are as long as they need to be (LEB128).
impl LoginAttempt {
    const FORM_POST: u8 = 1;
    const FRAGMENT: u8 = 2;
    const CODE_ID_TOKEN: u8 = 4;
    const MAX_AGE: u8 = 8;
    const CODE_VERIFIER: u8 = 16;
    const ISSUER: u8 = 32;
    const NONCE: u8 = 64;
    /// The data is a text, as it is for most: where to return to.
    const TEXT: u8 = 128;

    /// How many bytes the data will have in the packed attempt.
    pub(crate) fn data_len(&self) -> Result<usize, serde_json::Error> {
        let mut length = Counter(0);
        match &self.data {
            Value::Null => {}
            Value::String(text) => length.0 = text.len(),
            other => serde_json::to_writer(&mut length, other)?,
        }
        Ok(length.0)
    }

    /// More bytes than [`pack`](Self::pack) will write with data of this length.
    pub(crate) fn packed_len(&self, data: usize) -> usize {
        /// A number has ten bytes at most.
        const NUMBER: usize = 10;
        let numbers = 8 + self.texts.ends.len() + self.required_acr.len();
        let acrs: usize = self.required_acr.iter().map(String::len).sum();
        let verifier = self.code_verifier.as_ref().map_or(0, |verifier| verifier.expose().len());
        numbers * NUMBER + self.texts.whole.expose().len() + verifier + acrs + data
    }

    /// Writes it, with data of the length that [`data_len`](Self::data_len) said.
    pub(crate) fn pack(&self, data: usize, to: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let mode = match self.response_mode {
            ResponseMode::Query => 0,
            ResponseMode::FormPost => Self::FORM_POST,
            ResponseMode::Fragment => Self::FRAGMENT,
        };
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        to.push(
            mode | flag(Self::CODE_ID_TOKEN, self.response_type == ResponseType::CodeIdToken)
                | flag(Self::MAX_AGE, self.max_age.is_some())
                | flag(Self::CODE_VERIFIER, self.code_verifier.is_some())
                | flag(Self::ISSUER, self.texts.has_issuer)
                | flag(Self::NONCE, self.texts.has_nonce)
                | flag(Self::TEXT, self.data.is_string()),
        );
        to.extend_from_slice(&self.started_at.to_le_bytes());
        push_number(to, self.lifetime);
        if let Some(max_age) = self.max_age {
            push_number(to, max_age);
        }
        let verifier = self.code_verifier.as_ref().map(CodeVerifier::expose);
        if let Some(verifier) = verifier {
            push_number(to, verifier.len() as u64);
        }
        push_number(to, self.texts.ends.len() as u64);
        for length in self.texts.lengths() {
            push_number(to, length as u64);
        }
        push_number(to, self.required_acr.len() as u64);
        for acr in &self.required_acr {
            push_number(to, acr.len() as u64);
        }
        push_number(to, data as u64);
        to.extend_from_slice(self.texts.whole.expose().as_bytes());
        to.extend_from_slice(verifier.unwrap_or_default().as_bytes());
        for acr in &self.required_acr {
            to.extend_from_slice(acr.as_bytes());
        }
        match &self.data {
            Value::Null => {}
            Value::String(text) => to.extend_from_slice(text.as_bytes()),
            other => serde_json::to_writer(to, other)?,
        }
        Ok(())
    }

    /// Reads what [`pack`](Self::pack) wrote, from this place on. `None` if it is anything else, or more, or less.
    pub(crate) fn unpack(packed: SecretBytes, from: usize) -> Option<Self> {
        let mut numbers = Numbers { rest: packed.expose().get(from..)? };
        let flags = numbers.byte()?;
        let has = |flag: u8| flags & flag != 0;
        let response_mode = match flags & (Self::FORM_POST | Self::FRAGMENT) {
            0 => ResponseMode::Query,
            Self::FORM_POST => ResponseMode::FormPost,
            Self::FRAGMENT => ResponseMode::Fragment,
            _ => return None,
        };
        let response_type =
            if has(Self::CODE_ID_TOKEN) { ResponseType::CodeIdToken } else { ResponseType::Code };
        let started_at = numbers.timestamp()?;
        let lifetime = numbers.next()?;
        let max_age = if has(Self::MAX_AGE) { Some(numbers.next()?) } else { None };
        let verifier = if has(Self::CODE_VERIFIER) { Some(numbers.length()?) } else { None };
        let ends = numbers.ends(0)?;
        let texts_end = *ends.get(NAMED - 1).and(ends.last())?;
        let verifier_end = texts_end.checked_add(verifier.unwrap_or_default())?;
        let acr_ends = numbers.ends(verifier_end)?;
        let data_start = acr_ends.last().copied().unwrap_or(verifier_end);
        let data_end = data_start.checked_add(numbers.length()?)?;

        let from = packed.expose().len() - numbers.rest.len();
        let mut whole = packed.into_text(from)?;
        let text = whole.expose();
        if text.len() != data_end || !ends.iter().all(|&end| text.is_char_boundary(end)) {
            return None;
        }
        let code_verifier = match verifier {
            Some(_) => Some(CodeVerifier::new(text.get(texts_end..verifier_end)?).ok()?),
            None => None,
        };
        let mut start = verifier_end;
        let acrs = acr_ends.iter().map(|&end| text.get(std::mem::replace(&mut start, end)..end));
        let required_acr = acrs.map(|acr| acr.map(str::to_owned)).collect::<Option<_>>()?;
        let data = match text.get(data_start..)? {
            data if has(Self::TEXT) => data.into(),
            "" => Value::Null,
            data => serde_json::from_str(data).ok()?,
        };
        whole.truncate(texts_end);
        let texts = Texts { whole, ends, has_issuer: has(Self::ISSUER), has_nonce: has(Self::NONCE) };
        // What is not there has no length.
        let fits = |is_there: bool, place| is_there || texts.get(place).is_empty();
        if !fits(texts.has_issuer, ISSUER) || !fits(texts.has_nonce, NONCE) {
            return None;
        }
        Some(Self {
            texts,
            code_verifier,
            response_mode,
            response_type,
            max_age,
            required_acr,
            started_at,
            lifetime,
            data,
        })
    }
}

fn push_number(to: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// What is left of the numbers of a packed attempt.
struct Numbers<'p> {
    rest: &'p [u8],
}

impl Numbers<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn timestamp(&mut self) -> Option<i64> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(i64::from_le_bytes(*bytes))
    }

    fn next(&mut self) -> Option<u64> {
        // Most are small.
        if let Some((&byte @ ..0x80, rest)) = self.rest.split_first() {
            self.rest = rest;
            return Some(u64::from(byte));
        }
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            number |= bits << shift;
            if byte < 0x80 {
                // Neither bits that have no place nor a longer form than needed.
                let is_shortest = (number >> shift == bits) && (bits > 0 || shift == 0);
                return is_shortest.then_some(number);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        self.next()?.try_into().ok()
    }

    /// A number of lengths, and the lengths, as the places where what is so long ends if the first starts here.
    fn ends(&mut self, start: usize) -> Option<Vec<usize>> {
        let count = self.length()?;
        // Each takes a byte at least, so that no number makes us reserve more than a multiple of what there is.
        if count > self.rest.len() {
            return None;
        }
        let mut ends = Vec::with_capacity(count);
        let mut end = start;
        for _ in 0..count {
            end = self.length()?.checked_add(end)?;
            ends.push(end);
        }
        Some(ends)
    }
}

/// Counts what is written.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An attempt as it serializes; borrowed to be written, owned to be read.
#[derive(Serialize, Deserialize)]
struct Stored<T, S, D> {
    provider: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<T>,
    redirect_uri: T,
    state: S,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_verifier: Option<S>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<S>,
    #[serde(skip_serializing_if = "is_default", default)]
    response_mode: ResponseMode,
    #[serde(skip_serializing_if = "is_default", default)]
    response_type: ResponseType,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    required_acr: Vec<T>,
    scopes: Vec<T>,
    client: T,
    started_at: i64,
    lifetime: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<D>,
}

impl Serialize for LoginAttempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stored = Stored {
            provider: self.provider(),
            issuer: self.issuer(),
            redirect_uri: self.redirect_uri(),
            state: self.state(),
            code_verifier: self.code_verifier.as_ref().map(CodeVerifier::expose),
            nonce: self.nonce(),
            response_mode: self.response_mode,
            response_type: self.response_type,
            max_age: self.max_age,
            required_acr: self.required_acr.iter().map(String::as_str).collect(),
            scopes: self.scopes().collect(),
            client: self.client(),
            started_at: self.started_at,
            lifetime: self.lifetime,
            data: Some(&self.data).filter(|data| !data.is_null()),
        };
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LoginAttempt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::<String, Secret, Value>::deserialize(deserializer)?;
        let named = Named {
            provider: &stored.provider,
            redirect_uri: &stored.redirect_uri,
            client: &stored.client,
            state: stored.state.expose(),
            issuer: stored.issuer.as_deref(),
            nonce: stored.nonce.as_ref().map(Secret::expose),
        };
        let texts = Texts::of(named, stored.scopes.iter().map(String::as_str));
        let code_verifier =
            stored.code_verifier.map(|verifier| CodeVerifier::new(verifier.expose())).transpose();
        Ok(Self {
            texts,
            code_verifier: code_verifier.map_err(de::Error::custom)?,
            response_mode: stored.response_mode,
            response_type: stored.response_type,
            max_age: stored.max_age,
            required_acr: stored.required_acr,
            started_at: stored.started_at,
            lifetime: stored.lifetime,
            data: stored.data.unwrap_or_default(),
        })
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn packed(attempt: &LoginAttempt) -> Vec<u8> {
        let data = attempt.data_len().unwrap();
        let mut packed = Vec::with_capacity(attempt.packed_len(data));
        let place = packed.as_ptr();
        attempt.pack(data, &mut packed).unwrap();
        assert_eq!(packed.as_ptr(), place, "it was moved, which leaves a copy of the secrets behind");
        packed
    }

    fn unpacked(packed: &[u8]) -> Option<LoginAttempt> {
        LoginAttempt::unpack(SecretBytes::new(packed.to_vec()), 0)
    }

    /// Attempts in which each part is there, is not there, or is unusual.
    fn attempts() -> Vec<LoginAttempt> {
        let least = json!({
            "provider": "oauth2", "redirect_uri": "https://app.example/callback", "state": "s", "scopes": [],
            "client": "0123456789abcdef", "started_at": 1_700_000_000, "lifetime": 600,
        });
        let variations = [
            json!({}),
            json!({"issuer": "https://as.example"}),
            json!({"issuer": ""}),
            json!({"nonce": "n-0S6_WzA2Mj"}),
            json!({"nonce": ""}),
            json!({"code_verifier": VERIFIER}),
            json!({"code_verifier": "~".repeat(128)}),
            json!({"response_mode": "form_post", "response_type": "code id_token"}),
            json!({"response_mode": "fragment"}),
            json!({"max_age": 0}),
            json!({"max_age": u64::MAX, "lifetime": u64::MAX, "started_at": i64::MIN}),
            json!({"started_at": i64::MAX, "lifetime": 0}),
            json!({"required_acr": ["phr", "", "urn:ä"]}),
            json!({"scopes": ["openid", "a b", "", "ü", "x".repeat(300)]}),
            json!({"provider": "", "redirect_uri": "", "state": "", "client": "läuft"}),
            json!({"data": "/where/the/user/was?page=2"}),
            json!({"data": ""}),
            json!({"data": "null"}),
            json!({"data": "\"\u{0}ß\n"}),
            json!({"data": {"return_to": "/", "n": [1, 2.5, null, true]}}),
            json!({"data": [], "issuer": "i", "nonce": "n", "code_verifier": VERIFIER, "required_acr": ["a"],
                   "scopes": ["openid"], "max_age": 1, "response_mode": "fragment"}),
            json!({"data": false}),
        ];
        let with = |variation: &Value| {
            let mut whole = least.clone();
            whole.as_object_mut().unwrap().extend(variation.as_object().unwrap().clone());
            let attempt: LoginAttempt = serde_json::from_value(whole.clone()).unwrap();
            assert_eq!(serde_json::to_value(&attempt).unwrap(), whole);
            attempt
        };
        variations.iter().map(with).collect()
    }

    #[test]
    fn a_packed_attempt_unpacks_to_itself() {
        for attempt in attempts() {
            let again = unpacked(&packed(&attempt)).unwrap();
            assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(&attempt).unwrap());
            assert_eq!(again.nonce(), attempt.nonce());
            assert_eq!(again.issuer(), attempt.issuer());
        }
    }

    #[test]
    fn an_attempt_keeps_the_piece_of_memory_that_was_decrypted() {
        let attempt = &attempts()[0];
        let bytes = SecretBytes::new([&[0xff; 17][..], &packed(attempt)].concat());
        let place = bytes.expose().as_ptr();
        assert_eq!(LoginAttempt::unpack(bytes, 17).unwrap().provider().as_ptr(), place);
    }

    #[test]
    fn nothing_may_be_missing_or_left_over() {
        for attempt in attempts() {
            let mut packed = packed(&attempt);
            for length in 0..packed.len() {
                assert!(unpacked(&packed[..length]).is_none(), "{length} of {attempt:?}");
            }
            packed.push(b'x');
            assert!(unpacked(&packed).is_none(), "{attempt:?}");
        }
    }

    /// The parts of the least attempt, to be put together wrongly.
    fn by_hand(flags: u8, lengths: &[u8], texts: &str) -> Vec<u8> {
        let mut packed = vec![flags];
        packed.extend(1_700_000_000_i64.to_le_bytes());
        packed.push(100);
        packed.extend(lengths);
        packed.extend(texts.as_bytes());
        packed
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let good = [6, 1, 1, 1, 1, 0, 0, 0, 0];
        assert!(unpacked(&by_hand(0, &good, "prcs")).is_some());
        let with_max_age =
            |last: u8| [&[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, last], &good[..]].concat();
        let large = unpacked(&by_hand(8, &with_max_age(1), "prcs")).unwrap();
        assert_eq!(large.max_age(), Some(Duration::from_secs((1 << 63) + 1)));
        let refused: &[(&str, Vec<u8>)] = &[
            ("two response modes", by_hand(3, &good, "prcs")),
            ("no nonce, but its text", by_hand(0, &[6, 1, 1, 1, 1, 0, 1, 0, 0], "prcsn")),
            ("no issuer, but its text", by_hand(0, &[6, 1, 1, 1, 1, 1, 0, 0, 0], "prcsi")),
            ("too few texts", by_hand(0, &[5, 1, 1, 1, 1, 0, 0, 0], "prcs")),
            ("no texts", by_hand(0, &[0, 0, 0], "")),
            ("a text that ends within a character", by_hand(0, &[6, 1, 1, 2, 1, 0, 0, 0, 0], "päcs")),
            ("a short code verifier", by_hand(16, &[1, 6, 1, 1, 1, 1, 0, 0, 0, 0], "prcsv")),
            ("data that is no JSON", by_hand(0, &[6, 1, 1, 1, 1, 0, 0, 0, 1], "prcs{")),
            ("a number in more bytes than it needs", by_hand(0, &[0x86, 0, 1, 1, 1, 1, 0, 0, 0, 0], "prcs")),
            ("a number without an end", by_hand(0, &[0xff; 12], "prcs")),
            ("a number of more than 64 bits", by_hand(8, &with_max_age(2), "prcs")),
            (
                "more texts than there are bytes",
                by_hand(0, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "prcs"),
            ),
            (
                "lengths that overflow",
                by_hand(
                    0,
                    &[6, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1, 0, 0, 0, 0],
                    "prcs",
                ),
            ),
            ("no UTF-8", [&by_hand(0, &good, "prc")[..], &[0xff]].concat()),
        ];
        for (what, packed) in refused {
            assert!(unpacked(packed).is_none(), "{what}");
        }
    }

    #[test]
    fn an_attempt_lives_for_its_lifetime_and_a_minute_before() {
        let attempts = attempts();
        let attempt = &attempts[0];
        let start = attempt.started_at;
        for (seconds, nanoseconds, expired) in [
            (start, 0, false),
            (start + 600, 0, false),
            (start + 600, 1, true),
            (start + 601, 0, true),
            (start - 60, 0, false),
            (start - 61, 999_999_999, true),
            (i64::MAX, 0, true),
            (i64::MIN, 0, true),
        ] {
            assert_eq!(attempt.is_expired_after(seconds, nanoseconds), expired, "{seconds}.{nanoseconds}");
        }
        // Times that no clock shows.
        assert!(
            attempts.iter().filter(|attempt| attempt.started_at == i64::MAX).all(LoginAttempt::is_expired)
        );
        assert!(attempt.is_expired());
    }

    #[test]
    fn a_nonce_and_a_scope_can_be_added() {
        let attempt = attempts().pop().unwrap().with_nonce("other").with_scope("openid").with_scope("email");
        assert_eq!(attempt.nonce(), Some("other"));
        assert_eq!(attempt.scopes().collect::<Vec<_>>(), ["email", "openid"]);
        assert_eq!((attempt.state(), attempt.issuer()), ("s", None));
        let attempt = attempt.with_random_nonce().unwrap();
        assert_eq!(attempt.nonce(), Some("other"));
        assert_eq!(attempts()[0].clone().with_random_nonce().unwrap().nonce().map(str::len), Some(43));
    }
}
