//! The device grant, at a server that answers whatever it likes (RFC 8628 sections 3.2 to 3.5).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use oauth_core::{
    Clock, DeviceState, Endpoint, Error, HttpClient, HttpError, LoginOptions, OAuth2, OffsetDateTime,
    Provider, Spec, Timer, async_trait,
    bytes::Bytes,
    http,
    serde_json::{self, Value},
};
use url::{Host, Url};

use crate::{
    server::{CLIENT_SECRET, Script, answer, block_on},
    shown::shows_none,
    signer_key::NOW,
};

const DEVICE_CODE: &str = "the-device-code-40b6";

const SPEC: Spec = Spec {
    name: "acme",
    endpoints: &[
        (Endpoint::Authorization, "https://as.example/authorize"),
        (Endpoint::Token, "https://as.example/token"),
        (Endpoint::DeviceAuthorization, "https://as.example/device"),
    ],
    ..Spec::RFC6749
};

/// RFC 8628 section 3.5.
const SLOWER_BY: Duration = Duration::from_secs(5);

/// Whatever interval a server names, it is no longer than this.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const A_DAY: u64 = 24 * 60 * 60;

/// Time that passes when somebody sleeps, and not otherwise.
#[derive(Clone, Debug, Default)]
struct Time(Arc<Mutex<Duration>>);

impl Time {
    fn passed(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for Time {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(NOW).unwrap() + self.passed()
    }
}

#[async_trait]
impl Timer for Time {
    async fn sleep(&self, duration: Duration) -> Result<(), HttpError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += duration;
        Ok(())
    }
}

/// A server that notes when it was asked.
#[derive(Clone, Debug)]
struct Timed {
    script: Script,
    time: Time,
    asked: Arc<Mutex<Vec<Duration>>>,
}

impl Timed {
    fn asked(&self) -> Vec<Duration> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl HttpClient for Timed {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(self.time.passed());
        self.script.send(request).await
    }
}

/// Answers with a `|` between them, each a status, a `Retry-After` and a body with a `;` between them: the first is that of the device
/// authorization endpoint, the others come from the token endpoint. However the server answers, it is not asked sooner than it wants,
/// nor after the code has expired or the login has ended.
pub(crate) fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input).replace("$DEVICE", DEVICE_CODE);
    let parts: Vec<Vec<&str>> = text.split('|').map(|answer| answer.splitn(3, ';').collect()).collect();
    let part = |of: &[&'_ str], index: usize| of.get(index).map_or(String::new(), |part| (*part).to_owned());
    let answers = parts.iter().map(|of| {
        let retry_after = part(of, 1);
        let header = Some(("retry-after", &*retry_after)).filter(|(_, value)| !value.is_empty());
        answer(&part(of, 0), header, &part(of, 2))
    });
    let time = Time::default();
    let server = Timed { script: Script::new(answers), time: time.clone(), asked: Arc::default() };
    let client = OAuth2::from_spec(&SPEC, "client-1", CLIENT_SECRET).with_http_client(server.clone());
    block_on(async {
        let login = match client.start_device_login(LoginOptions::new()).await {
            Ok(login) => login,
            // Whatever else the server calls by that text is none.
            Err(error) if gives_the_code(&part(&parts[0], 2)) => return says_none(&error, &[DEVICE_CODE]),
            Err(error) => return says_none(&error, &[]),
        };
        let is_shown = |text: &str| !text.chars().any(|shown| shown.is_control() || shown == '\u{202e}');
        assert!(is_shown(&login.user_code) && !login.user_code.is_empty(), "{:?}", login.user_code);
        for page in login.verification_uri_complete.iter().chain([&login.verification_uri]) {
            assert!(is_shown(page) && is_safe(page), "{page:?}");
        }
        let code = login.device_code().expose().to_owned();
        // What else the server calls by that text is none.
        let secrets = [&*code].into_iter().filter(|code| *code == DEVICE_CODE).collect::<Vec<_>>();
        shows_none(&format!("{login:?}"), secrets.iter().copied());
        let says_no_secret = |error: &Error| says_none(error, &secrets);
        let (clock, timer) = (Arc::new(time.clone()), Arc::new(time.clone()));
        let mut login = login.with_polling(|polling| polling.with_clock(clock).with_timer(timer));
        // By the client's own clock, so that nobody waits for a time that has none.
        let (expires_at, mut last) = (login.expires_at, Duration::ZERO);
        assert!(expires_at > time.now() && expires_at <= time.now() + A_YEAR);
        let mut wanted = Duration::ZERO;
        for _ in 0..24 {
            let (interval, before) = (login.interval(), server.asked().len());
            let outcome = client.poll_device_login(&mut login).await;
            let asked = server.asked();
            if let Some(at) = asked.get(before) {
                assert_eq!(asked.len(), before + 1, "a poll is one request");
                let waited = *at - last;
                assert!(waited >= interval && waited >= wanted, "{waited:?} of {interval:?} and {wanted:?}");
                assert!(time.now() < expires_at, "the code has expired");
                last = *at;
                let of = &parts[before.min(parts.len() - 1)];
                wanted = seconds(&part(of, 1)).unwrap_or_default();
            }
            assert!(login.interval() >= interval && login.interval() <= A_YEAR);
            match outcome {
                Ok(DeviceState::Pending) => {}
                Ok(DeviceState::SlowedDown(slower)) => {
                    assert!(slower >= (interval + SLOWER_BY).min(A_YEAR) && slower == login.interval());
                }
                Ok(DeviceState::Failed(error)) => says_no_secret(&error),
                Ok(_) => break,
                Err(error) => {
                    says_no_secret(&error);
                    let before = server.asked().len();
                    assert!(client.poll_device_login(&mut login).await.is_err());
                    assert_eq!(server.asked().len(), before, "it has ended");
                    break;
                }
            }
        }
    });
}

/// Whether an answer has the device code where it should be, and nowhere else.
fn gives_the_code(answer: &str) -> bool {
    let members = serde_json::from_str::<Value>(answer).unwrap_or_default();
    members["device_code"] == DEVICE_CODE && answer.matches(DEVICE_CODE).count() == 1
}

fn says_none(error: &Error, secrets: &[&str]) {
    let shown = format!("{error} {error:?}");
    shows_none(&shown, secrets.iter().copied().chain([CLIENT_SECRET]));
    assert!(!error.to_string().contains(['\n', '\r', '\u{202e}']), "{shown:?}");
}

/// A number of seconds as `Retry-After` has it (RFC 9110 section 10.2.3). Nobody waits for longer than a day.
fn seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.len() < 19 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(text.parse::<u64>().unwrap().min(A_DAY)))
}

/// A page that a user may be sent to: https, or at this machine.
fn is_safe(page: &str) -> bool {
    let page = Url::parse(page).unwrap();
    let is_here = match page.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    page.scheme() == "https" || (page.scheme() == "http" && is_here)
}
