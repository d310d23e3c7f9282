//! The states of a grant: what logins, refreshes, refusals, time and the application do to it in any order, beside a few lines that say what
//! must come of that.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use oauth_core::{
    Clock, HttpClient, HttpError, OAuth2, OAuth2Token, OffsetDateTime, Provider, Sealer, SealingKey,
    async_trait,
    bytes::Bytes,
    http,
    serde_json::{self, Value, json},
};
use oauth_properties::{NOW, block_on, cases};
use oauth_tokens::{DeadMark, Filter, MemoryStore, PlainGrant, TokenError, TokenKey, TokenManager};
use proptest::prelude::*;

/// What happens to a grant.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The user signs in, and may not get a refresh token.
    Login {
        with_refresh_token: bool,
    },
    /// The access token has lived for a second more.
    ASecond,
    /// It has expired.
    Expiry,
    /// From here on the provider refuses refresh tokens, or takes them again.
    Refusals(bool),
    MarkDead,
    Revive,
    Delete,
    /// Another process goes on.
    Restart,
    /// The grant moves to another store.
    Move,
    Get,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<bool>().prop_map(|with_refresh_token| Step::Login { with_refresh_token }),
        2 => Just(Step::ASecond),
        4 => Just(Step::Expiry),
        2 => any::<bool>().prop_map(Step::Refusals),
        2 => Just(Step::MarkDead),
        3 => Just(Step::Revive),
        1 => Just(Step::Delete),
        2 => Just(Step::Restart),
        1 => Just(Step::Move),
        6 => Just(Step::Get),
    ]
}

/// A provider that rotates refresh tokens, and takes none for the second time.
#[derive(Debug, Default)]
struct Issued {
    number: u32,
    /// The refresh token that is good.
    refresh_token: String,
    refuses: bool,
    refreshes: u32,
    /// Refresh tokens that came again.
    spent: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Issuer(Arc<Mutex<Issued>>);

impl Issuer {
    fn issued(&self) -> MutexGuard<'_, Issued> {
        self.0.lock().unwrap()
    }

    fn issue(&self, lifetime: u32, with_refresh_token: bool) -> Value {
        let mut issued = self.issued();
        issued.number += 1;
        let number = issued.number;
        let mut reply =
            json!({ "access_token": format!("A{number}"), "token_type": "Bearer", "expires_in": lifetime });
        if with_refresh_token {
            issued.refresh_token = format!("R{number}");
            reply["refresh_token"] = json!(issued.refresh_token);
        }
        reply
    }
}

/// Gives each token this lifetime.
#[derive(Clone, Debug)]
struct Endpoint(Issuer, u32);

#[async_trait]
impl HttpClient for Endpoint {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let form: Vec<(String, String)> = form_urlencoded::parse(request.body()).into_owned().collect();
        let sent = form.into_iter().find(|(name, _)| name == "refresh_token").unwrap().1;
        let is_good = {
            let mut issued = self.0.issued();
            issued.refreshes += 1;
            if sent != issued.refresh_token {
                issued.spent.push(sent);
            }
            !issued.refuses
        };
        let (status, reply) = match is_good {
            true => (200, self.0.issue(self.1, true)),
            false => (400, json!({ "error": "invalid_grant" })),
        };
        let reply = http::Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(Bytes::from(reply.to_string()));
        Ok(reply.unwrap())
    }
}

/// A clock that goes on when it is told to.
#[derive(Clone, Debug)]
struct Hands(Arc<Mutex<OffsetDateTime>>);

impl Clock for Hands {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap()
    }
}

impl Hands {
    fn go_on(&self, seconds: u32) {
        *self.0.lock().unwrap() += Duration::from_secs(seconds.into());
    }
}

/// What must be true of the grant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Grant {
    has_refresh_token: bool,
    is_live: bool,
    is_dead: bool,
}

fn manager(store: &MemoryStore, issuer: &Issuer, lifetime: u32, clock: &Hands) -> TokenManager {
    let client = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_refresh_endpoint("https://as.example/token")
        .with_http_client(Endpoint(issuer.clone(), lifetime));
    TokenManager::builder(store.clone(), Sealer::new(SealingKey::from_bytes([1; 32])))
        .provider(Arc::new(client))
        .clock(clock.clone())
        .recover_every(Duration::MAX)
        .build()
        .unwrap()
}

async fn exported(tokens: &TokenManager) -> Vec<Value> {
    let page = tokens.export(&Filter::all(), None, 2).await.unwrap();
    page.grants.into_iter().map(|grant| serde_json::to_value(grant.unwrap()).unwrap()).collect()
}

async fn play(steps: &[Step], lifetime: u32) {
    let (issuer, clock) =
        (Issuer::default(), Hands(Arc::new(Mutex::new(OffsetDateTime::from_unix_timestamp(NOW).unwrap()))));
    let mut store = MemoryStore::new();
    let mut tokens = manager(&store, &issuer, lifetime, &clock);
    let key = TokenKey::new("oauth2", "user-1");
    let mut grant: Option<Grant> = None;
    for step in steps {
        match *step {
            Step::Login { with_refresh_token } => {
                let with_refresh_token = with_refresh_token || grant.is_some();
                let token: OAuth2Token =
                    serde_json::from_value(issuer.issue(lifetime, with_refresh_token)).unwrap();
                tokens.put(&key, &token).await.unwrap();
                let is_live = true;
                grant = Some(Grant { has_refresh_token: with_refresh_token, is_live, ..Grant::default() });
            }
            Step::ASecond => clock.go_on(1),
            Step::Expiry => {
                clock.go_on(lifetime + 2);
                grant.iter_mut().for_each(|grant| grant.is_live = false);
            }
            Step::Refusals(refuses) => issuer.issued().refuses = refuses,
            Step::MarkDead => {
                let was_alive = tokens.mark_dead(&key, &DeadMark::new("consent_revoked")).await.unwrap();
                assert_eq!(was_alive, grant.is_some_and(|grant| !grant.is_dead));
                if let Some(grant) = &mut grant {
                    grant.is_dead = true;
                }
            }
            Step::Revive => match &mut grant {
                None => assert!(matches!(tokens.revive(&key).await, Err(TokenError::NotFound { .. }))),
                Some(grant) if !grant.has_refresh_token => {}
                Some(grant) => {
                    assert_eq!(tokens.revive(&key).await.unwrap(), grant.is_dead);
                    grant.is_dead = false;
                }
            },
            Step::Delete => {
                assert_eq!(tokens.delete(&key).await.unwrap(), grant.is_some());
                grant = None;
            }
            Step::Restart => {
                assert!(tokens.close().await.is_empty());
                tokens = manager(&store, &issuer, lifetime, &clock);
            }
            Step::Move => {
                let (moved, all) = (MemoryStore::new(), exported(&tokens).await);
                assert_eq!(all.len(), usize::from(grant.is_some()));
                let there = manager(&moved, &issuer, lifetime, &clock);
                for one in &all {
                    let plain: PlainGrant = serde_json::from_value(one.clone()).unwrap();
                    assert!(there.import(&plain).await.unwrap());
                    assert!(!there.import(&plain).await.unwrap(), "it is there already");
                }
                assert_eq!(exported(&there).await, all);
                (store, tokens) = (moved, there);
            }
            Step::Get => get(&tokens, &key, &issuer, &mut grant).await,
        }
        assert_eq!(issuer.issued().spent, Vec::<String>::new());
    }
}

/// Asks for a token, and judges what comes.
async fn get(tokens: &TokenManager, key: &TokenKey, issuer: &Issuer, grant: &mut Option<Grant>) {
    let before = issuer.issued().refreshes;
    let found = tokens.get_token(key).await;
    let refreshes = issuer.issued().refreshes - before;
    let Some(grant) = grant else {
        assert!(matches!(found, Err(TokenError::NotFound { .. })), "{found:?}");
        return assert_eq!(refreshes, 0);
    };
    let newest = format!("A{}", issuer.issued().number);
    let refuses = issuer.issued().refuses;
    match (&found, *grant) {
        (Err(TokenError::Dead { .. }), Grant { is_dead: true, .. }) => assert_eq!(refreshes, 0),
        (Ok(token), Grant { is_dead: false, is_live: true, .. }) => {
            assert_eq!((token.access_token(), refreshes), (&*newest, 0));
        }
        (Err(TokenError::Dead { .. }), Grant { has_refresh_token: false, is_live: false, .. }) => {
            // So it is found each time, and nobody has noted it.
            assert_eq!(refreshes, 0);
        }
        (Err(TokenError::Dead { .. }), Grant { has_refresh_token: true, .. }) => {
            assert!(refuses);
            assert_eq!(refreshes, 1);
            grant.is_dead = true;
        }
        (Ok(token), Grant { is_dead: false, has_refresh_token: true, .. }) => {
            assert!(!refuses);
            assert_eq!((token.access_token(), refreshes), (&*newest, 1));
            grant.is_live = true;
        }
        _ => panic!("{found:?} of {grant:?}"),
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_grant_is_in_the_state_that_its_history_says(
        steps in proptest::collection::vec(step(), 1..24),
        lifetime in 600_u32..1_000_000,
    ) {
        block_on(play(&steps, lifetime));
    }
}
