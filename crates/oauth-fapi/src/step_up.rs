//! Step-up authentication (RFC 9470): what an API says when a token is not enough, and the login that answers it.

use std::time::Duration;

use oauth_core::{
    Challenge, ErrorClass, LoginOptions, OffsetDateTime,
    http::{HeaderMap, StatusCode},
    parse_json,
};
use serde::{Deserialize, Serialize};

/// Why an API refused an access token (RFC 6750 section 3.1, RFC 9449 section 7.1, RFC 9470 section 3).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiRefusal {
    /// The token has expired or was revoked. Of the three this is the only one that a refresh can mend.
    #[error("the API does not accept the access token (invalid_token): refresh it")]
    InvalidToken,
    /// The user was authenticated too long ago, or not well enough: a login that [answers](StepUp::answer) it is needed.
    #[error(
        "the API wants the user to be authenticated anew or better (insufficient_user_authentication): start a login that answers it"
    )]
    InsufficientUserAuthentication(StepUp),
    /// The token does not allow it: the user must grant more.
    #[error("the API wants further scopes (insufficient_scope): {0:?}")]
    InsufficientScope(Vec<String>),
}

/// What an API demands of the user's authentication (RFC 9470 section 3).
///
/// ```
/// use oauth_fapi::{AnsweredStepUp, ApiRefusal, oauth_core::{LoginOptions, OffsetDateTime, Provider, http}};
///
/// # async fn f(bank: &dyn Provider, status: http::StatusCode, headers: http::HeaderMap, answered: Option<AnsweredStepUp>)
/// #     -> Result<(), Box<dyn std::error::Error>> {
/// if let Some(ApiRefusal::InsufficientUserAuthentication(challenge)) = ApiRefusal::of(status, &headers) {
///     // `answered` is what the user's session keeps of the last login that answered this API.
///     let answer = challenge.answer(LoginOptions::new(), answered.as_ref(), OffsetDateTime::now_utc())?;
///     let started = bank.start_login("https://app.example/callback", answer.options).await?;
///     // Keep `answer.answered` in the session until the API has accepted the new token; send the browser to `started.url`.
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepUp {
    /// `acr_values`: the authentication contexts that will do, the best first. Empty where any will.
    #[serde(default)]
    pub acr_values: Vec<String>,
    /// `max_age`: how many seconds ago the user may have been authenticated.
    #[serde(default)]
    pub max_age: Option<u64>,
    /// `scope`: the scopes that the token must have.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// A login that answers a challenge.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepUpLogin {
    /// The options to start the login with.
    pub options: LoginOptions,
    /// What to keep until the API has accepted the token of the login.
    pub answered: AnsweredStepUp,
}

/// A challenge that a login has answered. While it is kept, the same challenge ends the attempt in place of another login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredStepUp {
    challenge: StepUp,
    /// As a Unix time in seconds.
    at: i64,
}

/// Why a challenge is not answered by another login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepUpError {
    /// The user has signed in for the same challenge already, and the API does not accept the new token either.
    #[error(
        "the API sent the same challenge for the token of the login that answered it: another login would not help"
    )]
    SameChallengeAgain,
    /// The API accepts none of the authentication contexts that the application insists on for this login.
    #[error(
        "the API accepts none of the authentication contexts that the application insists on (require_acr, or claims)"
    )]
    Contradiction,
}

/// More values than these are not a list that somebody wrote.
const MOST_VALUES: usize = 32;
/// The most characters of one value.
const LONGEST_VALUE: usize = 256;
/// A login takes the user a while, in which the same challenge is the same attempt.
const LEAST_ATTEMPT: Duration = Duration::from_secs(5 * 60);

impl ApiRefusal {
    /// What the challenges of a reply say, by the schemes `Bearer` and `DPoP`, among whatever others there are. `None` if the reply is
    /// neither 401 nor 403, or says nothing of the kind.
    #[must_use]
    pub fn of(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        if ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
            return None;
        }
        let challenges = Challenge::all(headers);
        let mut challenges = challenges.iter().filter(|challenge| challenge.is_for_tokens());
        challenges.find_map(|challenge| match challenge.get_once("error")? {
            "invalid_token" => Some(Self::InvalidToken),
            "insufficient_user_authentication" => {
                Some(Self::InsufficientUserAuthentication(StepUp::of(challenge)))
            }
            "insufficient_scope" => Some(Self::InsufficientScope(values(challenge, "scope"))),
            _ => None,
        })
    }

    /// What to do about it. None of them is solved by waiting.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Reauthorize
    }
}

impl StepUp {
    /// A demand of a resource server's own, for [`challenge`](Self::challenge).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Demands one of these authentication contexts, the best first.
    #[must_use]
    pub fn with_acr_values<S: Into<String>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        self.acr_values = values.into_iter().map(Into::into).collect();
        self
    }

    /// Demands that the user was authenticated not longer ago than this, in whole seconds.
    #[must_use]
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age.as_secs());
        self
    }

    /// Demands these scopes.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// The options of a login that answers the challenge. The ID token of that login must then say that the user was authenticated so.
    ///
    /// Give it the options that the last login for this API had: its `resource` and `authorization_details` among them. Scopes of the
    /// challenge replace theirs, because the new token is for this API, and replaces the old one there only. What the application itself
    /// insists on stays: of two ages the shorter one counts, and of the authentication contexts those that both accept. The client's other
    /// settings hold as ever: a request that is pushed or signed is so here too.
    ///
    /// # Errors
    ///
    /// [`StepUpError::SameChallengeAgain`] when this challenge was answered already, and the user's authentication cannot have become too
    /// old again since; [`StepUpError::Contradiction`] when no authentication context satisfies both the API and the application.
    pub fn answer(
        &self,
        options: LoginOptions,
        answered: Option<&AnsweredStepUp>,
        now: OffsetDateTime,
    ) -> Result<StepUpLogin, StepUpError> {
        if answered.is_some_and(|answered| answered.is_same(self, now)) {
            return Err(StepUpError::SameChallengeAgain);
        }
        let mut options = options;
        if !self.acr_values.is_empty() {
            let own = required_acr(&options);
            let accepted: Vec<_> = match &own {
                None => self.acr_values.iter().collect(),
                Some(own) => self.acr_values.iter().filter(|acr| own.contains(acr)).collect(),
            };
            if accepted.is_empty() {
                return Err(StepUpError::Contradiction);
            }
            let values = || accepted.iter().map(|acr| acr.as_str());
            // Both, because this is what the standard says to send, and only a claim can be essential.
            options = options.acr_values(values()).require_acr(values());
        }
        if let Some(max_age) = self.max_age {
            let own = options.parameter("max_age").and_then(|own| own.parse().ok()).unwrap_or(max_age);
            options = options.max_age(Duration::from_secs(max_age.min(own)));
        }
        if !self.scopes.is_empty() {
            options = options.scopes(self.scopes.clone());
        }
        let answered = AnsweredStepUp { challenge: self.clone(), at: now.unix_timestamp() };
        Ok(StepUpLogin { options, answered })
    }

    /// The value of `WWW-Authenticate` by which a resource server makes this demand, under the status 401; the scheme is `Bearer` or
    /// `DPoP`. What no header can carry is left out.
    #[must_use]
    pub fn challenge(&self, scheme: &str) -> String {
        let mut challenge = format!("{scheme} error=\"insufficient_user_authentication\"");
        let mut add = |name: &str, values: &[String]| {
            let values: Vec<_> = values.iter().map(String::as_str).filter(|value| is_value(value)).collect();
            if !values.is_empty() {
                challenge.push_str(&format!(", {name}=\"{}\"", values.join(" ")));
            }
        };
        add("acr_values", &self.acr_values);
        add("scope", &self.scopes);
        if let Some(max_age) = self.max_age {
            challenge.push_str(&format!(", max_age=\"{max_age}\""));
        }
        challenge
    }

    fn of(challenge: &Challenge) -> Self {
        let max_age = challenge.get_once("max_age");
        // `parse` would take a plus sign.
        let max_age = max_age.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        Self {
            acr_values: values(challenge, "acr_values"),
            max_age: max_age.and_then(|text| text.parse::<u32>().ok()).map(u64::from),
            scopes: values(challenge, "scope"),
        }
    }
}

impl AnsweredStepUp {
    /// Whether another challenge is this one again, and not a new one because time has passed.
    fn is_same(&self, challenge: &StepUp, now: OffsetDateTime) -> bool {
        let sorted = |values: &[String]| {
            let mut values = values.to_vec();
            values.sort_unstable();
            values
        };
        let is_alike = sorted(&self.challenge.acr_values) == sorted(&challenge.acr_values)
            && sorted(&self.challenge.scopes) == sorted(&challenge.scopes)
            && self.challenge.max_age == challenge.max_age;
        let is_of_then = challenge.max_age.is_none_or(|max_age| {
            let attempt = max_age.max(LEAST_ATTEMPT.as_secs());
            now.unix_timestamp() < self.at.saturating_add(i64::try_from(attempt).unwrap_or(i64::MAX))
        });
        is_alike && is_of_then
    }
}

/// The authentication contexts that a login insists on already: by `require_acr`, or as an essential claim.
fn required_acr(options: &LoginOptions) -> Option<Vec<String>> {
    if let Some(required) = options.required_acr() {
        return Some(required.to_vec());
    }
    let claims = parse_json(options.parameter("claims")?.as_bytes()).ok()?;
    let acr = &claims["id_token"]["acr"];
    if acr["essential"] != true {
        return None;
    }
    let values = acr["values"].as_array().into_iter().flatten().chain(acr.get("value"));
    let values: Vec<_> = values.filter_map(|acr| acr.as_str().map(str::to_owned)).collect();
    (!values.is_empty()).then_some(values)
}

/// A list with spaces between its values, without those that nobody can have meant.
fn values(challenge: &Challenge, name: &str) -> Vec<String> {
    let list = challenge.get_once(name).unwrap_or_default();
    let mut values = Vec::new();
    for value in list.split(' ').filter(|value| is_value(value)).take(MOST_VALUES) {
        if !values.iter().any(|known| known == value) {
            values.push(value.to_owned());
        }
    }
    values
}

/// Whether a text can be a scope (RFC 6749 section 3.3) or the name of an authentication context.
fn is_value(text: &str) -> bool {
    (1..=LONGEST_VALUE).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}
