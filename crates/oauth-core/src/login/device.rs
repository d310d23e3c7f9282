//! Sign-in on another device (RFC 8628): what the user is shown, and the states of the login.

use std::{fmt, time::Duration};

use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    error::Error,
    login::{Login, attempt::LoginAttempt, polling::Polling},
    secret::Secret,
    text::printable::is_printable,
    token::OAuth2Token,
};

/// A login on another device that has begun: what to show the user, and what the provider is asked about until the user is done.
///
/// All that it shows is text that the provider chose. The URLs are https or of this machine, and nothing in it is a control
/// character, so that it can be printed in a terminal; a page has to escape it.
#[non_exhaustive]
pub struct DeviceLogin {
    /// The code that the user types in at [`verification_uri`](Self::verification_uri).
    pub user_code: String,
    /// The page that the user opens on another device.
    pub verification_uri: String,
    /// The address of that page with the code in it, for a QR code. Show the code beside it, so that the user can compare (RFC 8628 section 3.3.1).
    pub verification_uri_complete: Option<String>,
    /// When the code expires, by this machine's clock.
    pub expires_at: OffsetDateTime,
    pub(crate) device_code: Secret,
    pub(crate) attempt: LoginAttempt,
    pub(crate) polling: Polling,
    /// The tokens that came for the device code, until their checks are done: the code is spent, so nothing else brings them again.
    pub(crate) received: Option<OAuth2Token>,
}

impl DeviceLogin {
    /// The code by which the provider is asked. It is as good as the tokens once the user has agreed, so it is never shown.
    #[must_use]
    pub fn device_code(&self) -> &Secret {
        &self.device_code
    }

    /// What the end of the login is checked against: scopes, restrictions, the application's own data.
    #[must_use]
    pub fn attempt(&self) -> &LoginAttempt {
        &self.attempt
    }

    /// The time to wait between two polls, as it is now.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.polling.interval()
    }

    /// Whether it has ended, so that the provider is asked no more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.polling.is_over() && self.received.is_none()
    }

    /// Changes how it is polled: by another timer, or another clock.
    #[must_use]
    pub fn with_polling(mut self, change: impl FnOnce(Polling) -> Polling) -> Self {
        self.polling = change(self.polling);
        self.expires_at = self.polling.expires_at();
        self
    }
}

impl fmt::Debug for DeviceLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither code: whoever has the user's can have the user's device signed in as somebody else.
        f.debug_struct("DeviceLogin")
            .field("verification_uri", &self.verification_uri)
            .field("expires_at", &self.expires_at)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// The state of a login on another device after a poll.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DeviceState {
    /// The user has not decided yet.
    Pending,
    /// The provider wants to be asked less often: this long from now on.
    SlowedDown(Duration),
    /// The provider could not be reached, or could not answer. It is asked again. Where the user had agreed already and the outage came
    /// between the tokens and their checks, the next poll repeats the checks: nothing is lost.
    Failed(Error),
    /// The user has agreed, and everything was checked.
    Done(Box<Login>),
}

/// What a provider answers when it is asked for a code (RFC 8628 section 3.2), as the servers bend it.
pub(crate) struct DeviceReply {
    pub(crate) device_code: Secret,
    pub(crate) user_code: String,
    pub(crate) verification_uri: String,
    pub(crate) verification_uri_complete: Option<String>,
    pub(crate) expires_in: Duration,
    pub(crate) interval: Option<Duration>,
}

impl DeviceReply {
    /// Reads the reply, and checks what the user will see.
    pub(crate) fn read(
        reply: &Value,
        check_url: impl Fn(&str) -> Result<(), String>,
    ) -> Result<Self, String> {
        // As long as any provider's code lives, for those that do not say.
        const LONGEST_UNSAID: Duration = Duration::from_secs(15 * 60);
        let text = |names: &[&str]| {
            let texts = names.iter().filter_map(|name| reply.get(*name)?.as_str());
            texts.map(str::to_owned).find(|text| !text.is_empty())
        };
        let page = |url: String| {
            check_url(&url).map_err(|problem| format!("the page to open: {problem}"))?;
            let has_odd_characters =
                !url.chars().all(is_printable) || url.contains([' ', '"', '<', '>', '\\']);
            // What no browser would open is not shown as something to open.
            if has_odd_characters || url::Url::parse(&url).is_err() {
                return Err("the page to open is not a URL".to_owned());
            }
            Ok(url)
        };
        // Facebook calls it `code`.
        let device_code = text(&["device_code", "code"]).ok_or("there is no device_code")?;
        let user_code = text(&["user_code"]).ok_or("there is no user_code")?;
        if user_code.chars().count() > 200 || !user_code.chars().all(is_printable) {
            return Err("the user_code is not a text that can be shown".to_owned());
        }
        // Google and Trakt have the name of a draft.
        let verification_uri = text(&["verification_uri", "verification_url"]);
        let verification_uri = page(verification_uri.ok_or("there is no verification_uri")?)?;
        let complete =
            text(&["verification_uri_complete", "verification_url_complete"]).map(page).transpose()?;
        let expires_in = seconds_at(reply, "expires_in")?.unwrap_or(LONGEST_UNSAID);
        if expires_in.is_zero() {
            return Err("expires_in is 0: the code has expired as it comes".to_owned());
        }
        Ok(Self {
            device_code: device_code.into(),
            user_code,
            verification_uri,
            verification_uri_complete: complete,
            expires_in,
            interval: seconds_at(reply, "interval")?,
        })
    }
}

/// A number of seconds, which may be a text; `None` where it is missing or null.
pub(crate) fn seconds_at(reply: &Value, name: &str) -> Result<Option<Duration>, String> {
    let seconds = match &reply[name] {
        Value::Null => return Ok(None),
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    let seconds = seconds.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    seconds.map(Some).ok_or_else(|| format!("{name} is not a number of seconds"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(reply: &Value) -> Result<DeviceReply, String> {
        DeviceReply::read(reply, |url| match url.starts_with("https://") {
            true => Ok(()),
            false => Err("not https".to_owned()),
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut reply = json!({
            "device_code": "DC", "user_code": "WDJB-MJHT", "verification_uri": "https://as.example/device",
            "expires_in": 1800, "interval": 5,
        });
        reply[name] = value;
        reply
    }

    #[test]
    fn dg_01_names_of_drafts_and_numbers_as_texts_are_understood() {
        let google = json!({
            "device_code": "DC", "user_code": "GQVQ-JKEC", "verification_url": "https://www.google.com/device",
            "expires_in": "1800", "interval": "5",
        });
        let read_google = read(&google).unwrap();
        assert_eq!(read_google.verification_uri, "https://www.google.com/device");
        assert_eq!(read_google.expires_in, Duration::from_secs(1800));
        assert_eq!(read_google.interval, Some(Duration::from_secs(5)));
        let least = json!({"code": "DC", "user_code": "U", "verification_uri": "https://as.example/"});
        let read_least = read(&least).unwrap();
        assert_eq!((read_least.expires_in, read_least.interval), (Duration::from_secs(900), None));
        assert_eq!(read_least.device_code.expose(), "DC");
    }

    #[test]
    fn dv_01_what_a_user_cannot_use_is_no_reply() {
        for missing in ["device_code", "user_code", "verification_uri"] {
            for nothing in [Value::Null, json!(""), json!(7)] {
                assert!(read(&with(missing, nothing.clone())).is_err(), "{missing} {nothing}");
            }
        }
        for (name, value) in [
            ("user_code", json!("\u{1b}[2J")),
            ("user_code", json!("A\u{202e}B")),
            ("user_code", json!("A".repeat(201))),
            ("verification_uri", json!("javascript:alert(1)")),
            ("verification_uri", json!("https://as.example/\u{7}")),
            ("verification_uri_complete", json!("file:///etc/passwd")),
            ("expires_in", json!("soon")),
            ("expires_in", json!(-1)),
            ("expires_in", json!(0)),
            ("interval", json!([5])),
            ("interval", json!(1e300)),
        ] {
            assert!(read(&with(name, value.clone())).is_err(), "{name} {value}");
        }
    }

    #[test]
    fn times_may_have_fractions_and_codes_be_long() {
        let reply = read(&with("user_code", json!("Ä".repeat(200)))).unwrap();
        assert_eq!(reply.user_code, "Ä".repeat(200));
        assert_eq!(
            (reply.expires_in, reply.interval),
            (Duration::from_secs(1800), Some(Duration::from_secs(5)))
        );
        let reply = read(&with("interval", json!(2.5))).unwrap();
        assert_eq!(reply.interval, Some(Duration::from_millis(2500)));
        assert_eq!(read(&with("expires_in", json!(" 60 "))).unwrap().expires_in, Duration::from_secs(60));
    }
}
