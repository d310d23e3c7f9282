//! What the site remembers of each browser: in memory, under a random id in a cookie.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::http::{HeaderMap, HeaderValue, header};
use oauth_clients::{Identity, OAuth2Token, Provider, Result, random_token, same_secret};

use crate::explain::Explanation;

/// More than one person has browsers for. A request without a cookie makes a session, so there must be an end.
const MOST: usize = 1000;

/// All sessions.
pub(crate) struct Sessions {
    cookie_name: String,
    by_id: Mutex<HashMap<String, BrowserSession>>,
}

/// One browser.
#[derive(Clone)]
pub(crate) struct BrowserSession {
    pub(crate) id: String,
    /// What each form carries, to show that it is this site's.
    pub(crate) csrf: String,
    pub(crate) person: Option<Person>,
    /// What came of the button that was pressed last; shown once.
    pub(crate) notice: Option<SessionNotice>,
    made: Instant,
}

/// Somebody who signed in.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) identity: Identity,
    pub(crate) token: OAuth2Token,
    pub(crate) is_revoked: bool,
    pub(crate) shows_profile: bool,
}

#[derive(Clone)]
pub(crate) enum SessionNotice {
    Done(String),
    Failed(Explanation),
}

impl Sessions {
    /// Cookies are shared by all ports of a host, so the name holds the port: two demos do not disturb each other.
    pub(crate) fn new(port: u16) -> Self {
        Self { cookie_name: format!("demo-session-{port}"), by_id: Mutex::default() }
    }

    /// The session of a request.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<BrowserSession> {
        let id = self.id(headers)?;
        self.lock().get(id).cloned()
    }

    /// The session of a request, or a new one with the cookie to set.
    pub(crate) fn find_or_begin(&self, headers: &HeaderMap) -> Result<(BrowserSession, Option<HeaderValue>)> {
        match self.find(headers) {
            Some(session) => Ok((session, None)),
            None => self.begin(None),
        }
    }

    /// A new session in place of the request's own. Its id is new, because somebody else may have put the old one into the
    /// browser (session fixation).
    pub(crate) fn renew(
        &self,
        headers: &HeaderMap,
        person: Option<Person>,
    ) -> Result<(BrowserSession, Option<HeaderValue>)> {
        if let Some(id) = self.id(headers) {
            self.lock().remove(id);
        }
        self.begin(person)
    }

    /// Changes a session, unless it has ended meanwhile.
    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut BrowserSession)) {
        if let Some(session) = self.lock().get_mut(id) {
            change(session);
        }
    }

    fn begin(&self, person: Option<Person>) -> Result<(BrowserSession, Option<HeaderValue>)> {
        let session = BrowserSession {
            id: random_token()?,
            csrf: random_token()?,
            person,
            notice: None,
            made: Instant::now(),
        };
        let mut by_id = self.lock();
        if by_id.len() >= MOST {
            let oldest = by_id.values().min_by_key(|session| session.made).map(|session| session.id.clone());
            oldest.and_then(|id| by_id.remove(&id));
        }
        by_id.insert(session.id.clone(), session.clone());
        let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Lax", self.cookie_name, session.id);
        Ok((session, HeaderValue::try_from(cookie).ok()))
    }

    fn id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|one| one.trim().split_once('='));
        cookies.find(|(name, _)| *name == self.cookie_name).map(|(_, id)| id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, BrowserSession>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BrowserSession {
    /// Whether a form with this field was made for this session.
    pub(crate) fn made_form(&self, csrf: Option<&str>) -> bool {
        csrf.is_some_and(|csrf| same_secret(csrf, &self.csrf))
    }
}
