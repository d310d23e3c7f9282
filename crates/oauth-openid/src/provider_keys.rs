//! The provider's keys, read when they are needed, and anew when a token names one that is not among them.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oauth_core::{Endpoint, ErrorKind, OAuth2, OffsetDateTime, Operation, Result, serde_json::Value};

use crate::{
    cached::{self, Cached, KeptDocument, Reader, Reading, SharedDocuments},
    keys::{KeySet, WantedKey},
    policy::VerificationPolicy,
};

/// How long keys are not asked for after that failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// The most names of keys that are remembered after they were taken out of the set.
const MOST_RETIRED: usize = 64;

/// The most places from which a client and its clones read keys: one for each tenant.
const MOST_PLACES: usize = 1024;

/// The keys of one provider, for all clones of a client, by the place where they are read and by who reads them: clones can be for
/// different tenants, and have HTTP clients of their own.
#[derive(Debug, Default)]
pub(crate) struct ProviderKeys(Mutex<Vec<Arc<KeysAt>>>);

/// The keys at one place.
#[derive(Debug)]
struct KeysAt {
    reader: Reader,
    issuer: String,
    url: String,
    keys: Arc<Cached<KeySet>>,
    pauses: Mutex<Pauses>,
}

/// Until when nothing is asked for, though a token wants a key that is not there.
#[derive(Debug, Default)]
struct Pauses {
    /// The keys that were seen last.
    seen: Option<Arc<KeySet>>,
    /// Keys that were there once. A token that names one was most likely signed before it was taken out.
    retired: HashSet<String>,
    /// Until when unknown keys are not asked for.
    for_unknown: Option<OffsetDateTime>,
    /// Until when keys are not asked for that were there once. It is a pause of its own, because late tokens must not hide new
    /// keys.
    for_retired: Option<OffsetDateTime>,
}

impl Pauses {
    fn pause_for(&mut self, wanted: &WantedKey) -> &mut Option<OffsetDateTime> {
        match wanted.id() {
            Some(id) if self.retired.contains(id) => &mut self.for_retired,
            _ => &mut self.for_unknown,
        }
    }

    /// Remembers which keys are gone.
    fn see(&mut self, keys: &Arc<KeySet>) {
        if let Some(seen) = &self.seen
            && !Arc::ptr_eq(seen, keys)
        {
            if self.retired.len() > MOST_RETIRED {
                self.retired.clear();
            }
            self.retired.retain(|id| !keys.has_id(id));
            self.retired.extend(seen.ids().filter(|id| !keys.has_id(id)).map(str::to_owned));
        }
        self.seen = Some(keys.clone());
    }
}

impl ProviderKeys {
    /// The keys, if they are fresh and one of them fits the token: what a call costs most of the time.
    pub(crate) fn fresh(
        &self,
        client: &OAuth2,
        policy: &VerificationPolicy,
        wanted: &WantedKey,
    ) -> Result<Option<Arc<KeySet>>> {
        let place = self.at(client, policy, jwks_url(client)?);
        let keys = place.keys.fresh(policy.clock.now()).filter(|keys| keys.fits(wanted));
        Ok(keys.map(|keys| place.seen(keys)))
    }

    /// The keys, among them one that fits the token, if the provider has it.
    pub(crate) async fn of(
        &self,
        client: &OAuth2,
        policy: &VerificationPolicy,
        wanted: &WantedKey,
    ) -> Result<Arc<KeySet>> {
        let place = self.at(client, policy, jwks_url(client)?);
        let reading = reading(client, policy)?;
        let came = place.keys.asked();
        let keys = place.seen(place.keys.get(client, &reading).await?);
        match keys.fits(wanted) || !wanted.can_be_found() {
            true => Ok(keys),
            false => place.search(client, &reading, policy.key_pause, came, wanted).await,
        }
    }

    /// Reads the keys, unless they are there.
    pub(crate) async fn read(&self, client: &OAuth2, policy: &VerificationPolicy) -> Result<()> {
        let reading = reading(client, policy)?;
        self.at(client, policy, &reading.url).keys.get(client, &reading).await.map(drop)
    }

    /// What is kept, for another process.
    pub(crate) fn export(&self, client: &OAuth2, policy: &VerificationPolicy) -> Vec<KeptDocument> {
        let reader = Reader::of(client, policy);
        let own = |place: &&Arc<KeysAt>| place.reader == reader;
        self.places().iter().filter(own).filter_map(|place| place.keys.export()).collect()
    }

    /// Takes what another process kept of this client's keys.
    pub(crate) fn import(
        &self,
        kept: Vec<KeptDocument>,
        client: &OAuth2,
        policy: &VerificationPolicy,
    ) -> Result<()> {
        let reading = reading(client, policy)?;
        for kept in kept.into_iter().filter(|kept| kept.url == reading.url) {
            self.at(client, policy, &reading.url).keys.import(kept, &reading);
        }
        Ok(())
    }

    fn at(&self, client: &OAuth2, policy: &VerificationPolicy, url: &str) -> Arc<KeysAt> {
        let (reader, issuer) = (Reader::of(client, policy), client.issuer().unwrap_or_default());
        let mut places = self.places();
        let is_it =
            |place: &Arc<KeysAt>| place.url == url && place.issuer == issuer && place.reader == reader;
        if let Some(at) = places.iter().position(is_it) {
            // The one that was not asked for longest is the first to be forgotten.
            places[at..].rotate_left(1);
            return places[places.len() - 1].clone();
        }
        if places.len() == MOST_PLACES {
            places.remove(0);
        }
        let place = Arc::new(KeysAt {
            reader,
            issuer: issuer.to_owned(),
            url: url.to_owned(),
            keys: Arc::default(),
            pauses: Mutex::default(),
        });
        places.push(place.clone());
        place
    }

    fn places(&self) -> MutexGuard<'_, Vec<Arc<KeysAt>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeysAt {
    /// Asks for the key of a token that came when the provider had been asked this often, if that is worth a request.
    async fn search(
        self: &Arc<Self>,
        client: &OAuth2,
        reading: &Reading<KeySet>,
        pause: Duration,
        came: u64,
        wanted: &WantedKey,
    ) -> Result<Arc<KeySet>> {
        for _ in 0..cached::MOST_TRIES {
            let now = reading.clock.now();
            let may_ask = || !self.pauses().pause_for(wanted).is_some_and(|until| now < until);
            let ended = {
                let (place, wanted, clock) = (self.clone(), wanted.clone(), reading.clock.clone());
                move |outcome: &Result<Arc<KeySet>>| place.pause_after(outcome, &wanted, pause, clock.now())
            };
            let Some(waiting) = self.keys.search(client, reading, came, may_ask, Box::new(ended))? else {
                break;
            };
            match waiting.outcome(client, reading, None).await {
                Some(Ok(keys)) if !keys.fits(wanted) => drop(self.seen(keys)),
                Some(found) => return found.map(|keys| self.seen(keys)),
                None => {}
            }
        }
        // The provider does not have it, or is not asked now.
        self.keys.get(client, reading).await.map(|keys| self.seen(keys))
    }

    /// Sets the pause by how a search ended, even if whoever sent the token has hung up.
    ///
    /// A token whose key the provider does not have was made up, and so may be the next. What else is in the key set does not
    /// matter: servers behind one address that know different keys would otherwise be asked for each of them.
    fn pause_after(
        &self,
        outcome: &Result<Arc<KeySet>>,
        wanted: &WantedKey,
        pause: Duration,
        now: OffsetDateTime,
    ) {
        let pause = match outcome {
            Ok(keys) if keys.fits(wanted) => None,
            Ok(_) => Some(pause),
            Err(_) => Some(PAUSE_AFTER_FAILURE),
        };
        *self.pauses().pause_for(wanted) = pause.map(|pause| now + pause);
    }

    fn seen(&self, keys: Arc<KeySet>) -> Arc<KeySet> {
        self.pauses().see(&keys);
        keys
    }

    fn pauses(&self) -> MutexGuard<'_, Pauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn jwks_url(client: &OAuth2) -> Result<&str> {
    client.endpoints().get(Endpoint::Jwks).ok_or_else(|| {
        let problem = "the provider's metadata has no jwks_uri, so no signature can be verified".to_owned();
        client.error(Operation::GET_KEYS, ErrorKind::Configuration(problem))
    })
}

fn reading(client: &OAuth2, policy: &VerificationPolicy) -> Result<Reading<KeySet>> {
    Ok(Reading {
        operation: Operation::GET_KEYS,
        url: jwks_url(client)?.to_owned(),
        supplements: Vec::new(),
        issuer: client.issuer().unwrap_or_default().to_owned(),
        policy: policy.key_cache,
        pause_after_failure: PAUSE_AFTER_FAILURE,
        clock: policy.clock.clone(),
        shared: SharedDocuments::of(client, policy),
        parse: Arc::new(|_, document: Value| KeySet::read(&document)),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Condvar,
        atomic::{AtomicUsize, Ordering},
    };

    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use oauth_core::{
        Clock, HttpClient, HttpError, Provider, SystemClock, async_trait,
        bytes::Bytes,
        http::{Request, Response},
        serde_json::json,
    };

    use super::*;
    use crate::{algorithm::Algorithm, jws::Jws};

    /// A provider that has one key at first, and two from the second request on, which takes a while.
    #[derive(Debug, Default)]
    struct Rotating {
        requests: AtomicUsize,
        second: (Mutex<bool>, Condvar),
    }

    impl Rotating {
        /// Waits until the second request is under way.
        fn wait_for_second(&self) {
            let (came, changed) = &self.second;
            drop(changed.wait_while(came.lock().unwrap(), |came| !*came).unwrap());
        }
    }

    #[derive(Debug)]
    struct Http(Arc<Rotating>);

    #[async_trait]
    impl HttpClient for Http {
        async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
            let key = |id: &str| json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": URL_SAFE_NO_PAD.encode([1; 32])});
            let keys = match self.0.requests.fetch_add(1, Ordering::SeqCst) {
                0 => vec![key("old")],
                _ => {
                    *self.0.second.0.lock().unwrap() = true;
                    self.0.second.1.notify_all();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    vec![key("new"), key("old")]
                }
            };
            Ok(Response::new(Bytes::from(json!({ "keys": keys }).to_string())))
        }
    }

    /// A provider that publishes one more key with each request.
    #[derive(Debug, Default)]
    struct Growing(AtomicUsize);

    #[derive(Debug)]
    struct GrowingHttp(Arc<Growing>);

    #[async_trait]
    impl HttpClient for GrowingHttp {
        async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
            let count = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
            // Time for others to come.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let key = |id: usize| json!({"kty": "OKP", "crv": "Ed25519", "kid": id.to_string(), "x": URL_SAFE_NO_PAD.encode([1; 32])});
            let keys: Vec<_> = (1..=count).map(key).collect();
            Ok(Response::new(Bytes::from(json!({ "keys": keys }).to_string())))
        }
    }

    fn wanted(id: &str) -> WantedKey {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let header = json!({"alg": "EdDSA", "kid": id}).to_string();
        let token = format!("{}.{}.{}", part(&header), part("{}"), part("0"));
        WantedKey::by(&Jws::parse(&token).unwrap(), Algorithm::EdDSA)
    }

    /// A clock that does something once before it tells the time.
    struct Late(Mutex<Option<Box<dyn FnOnce() + Send>>>);

    impl Clock for Late {
        fn now(&self) -> OffsetDateTime {
            let once = self.0.lock().unwrap().take();
            if let Some(once) = once {
                once();
            }
            SystemClock.now()
        }
    }

    impl std::fmt::Debug for Late {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Late")
        }
    }

    struct Fixture {
        provider: Arc<Rotating>,
        client: OAuth2,
        store: Arc<ProviderKeys>,
    }

    impl Fixture {
        async fn new() -> Self {
            let provider = Arc::new(Rotating::default());
            let client = OAuth2::new("id", "secret", "https://op.example/auth", "https://op.example/token")
                .with_http_client(Http(provider.clone()))
                .with_endpoints(|all| all.with(Endpoint::Jwks, "https://op.example/jwks"));
            let store = Arc::new(ProviderKeys::default());
            store.read(&client, &VerificationPolicy::new()).await.unwrap();
            Self { provider, client, store }
        }

        /// Asks for the key of a token that the provider signed with its new one.
        fn ask(&self, policy: VerificationPolicy) -> impl Future<Output = bool> + Send + 'static {
            let (client, store) = (self.client.clone(), self.store.clone());
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            let token = format!("{}.{}.{}", part(r#"{"alg":"EdDSA","kid":"new"}"#), part("{}"), part("0"));
            async move {
                let wanted = WantedKey::by(&Jws::parse(&token).unwrap(), Algorithm::EdDSA);
                store.of(&client, &policy, &wanted).await.unwrap().fits(&wanted)
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn jk_03_whoever_waits_for_a_request_under_way_makes_no_second_one() {
        let fixture = Fixture::new().await;
        let first = tokio::spawn(fixture.ask(VerificationPolicy::new()));
        let provider = fixture.provider.clone();
        tokio::task::spawn_blocking(move || provider.wait_for_second()).await.unwrap();
        let second = tokio::spawn(fixture.ask(VerificationPolicy::new()));
        assert!(first.await.unwrap() && second.await.unwrap());
        assert_eq!(fixture.provider.requests.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn jk_03_a_request_that_somebody_else_has_just_begun_is_waited_for() {
        let fixture = Fixture::new().await;
        let other = fixture.ask(VerificationPolicy::new());
        let provider = fixture.provider.clone();
        let runtime = tokio::runtime::Handle::current();
        // Between the moment in which the token comes and the look at the keys.
        let meanwhile = Late(Mutex::new(Some(Box::new(move || {
            // From another thread: what a worker spawns may wait for that worker, which is about to wait.
            std::thread::spawn(move || runtime.spawn(other)).join().unwrap();
            provider.wait_for_second();
        }))));
        assert!(tokio::spawn(fixture.ask(VerificationPolicy::new().clock(meanwhile))).await.unwrap());
        assert_eq!(fixture.provider.requests.load(Ordering::SeqCst), 2);
    }

    fn on(http: impl HttpClient + 'static) -> OAuth2 {
        OAuth2::new("id", "secret", "https://op.example/auth", "https://op.example/token")
            .with_http_client(http)
            .with_endpoints(|all| all.with(Endpoint::Jwks, "https://op.example/jwks"))
    }

    #[tokio::test]
    async fn jk_03_a_key_that_a_request_under_way_does_not_bring_is_asked_for_once_more() {
        let provider = Arc::new(Growing::default());
        let (client, policy, store) =
            (on(GrowingHttp(provider.clone())), VerificationPolicy::new(), ProviderKeys::default());
        store.read(&client, &policy).await.unwrap();
        // Both wait for the second request, which began before the provider had the third key.
        let (second, third) = (wanted("2"), wanted("3"));
        let (one, other) = tokio::join!(store.of(&client, &policy, &second), async {
            tokio::task::yield_now().await;
            store.of(&client, &policy, &third).await
        });
        assert!(one.unwrap().fits(&second) && other.unwrap().fits(&third));
        assert_eq!(provider.0.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn jk_04_an_unknown_key_is_asked_for_again_once_the_pause_is_over() {
        for (pause, requests) in [(Duration::ZERO, 3), (Duration::from_secs(1), 2)] {
            let provider = Arc::new(Growing::default());
            // The clock stands still, so that no pause at all ends in the moment in which it begins.
            let (client, policy) =
                (on(GrowingHttp(provider.clone())), crate::testing::policy().key_pause(pause));
            let store = ProviderKeys::default();
            store.read(&client, &policy).await.unwrap();
            for _ in 0..2 {
                assert!(!store.of(&client, &policy, &wanted("x")).await.unwrap().fits(&wanted("x")));
            }
            assert_eq!(provider.0.load(Ordering::SeqCst), requests, "{pause:?}");
        }
    }

    #[test]
    fn keys_that_were_taken_out_are_remembered_until_they_are_back() {
        let set = |ids: &[&str]| {
            let key = |id: &&str| json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": URL_SAFE_NO_PAD.encode([1; 32])});
            let keys: Vec<_> = ids.iter().map(key).collect();
            Arc::new(KeySet::read(&json!({ "keys": keys })).unwrap())
        };
        let mut pauses = Pauses::default();
        let first = set(&["a", "b"]);
        pauses.see(&first);
        pauses.see(&first);
        assert!(pauses.retired.is_empty());
        pauses.see(&set(&["b", "c"]));
        assert_eq!(pauses.retired, HashSet::from(["a".to_owned()]));
        pauses.see(&set(&["a", "c"]));
        assert_eq!(pauses.retired, HashSet::from(["b".to_owned()]));
        // The memory is bounded.
        pauses.retired = (0..MOST_RETIRED).map(|number| format!("old-{number}")).collect();
        pauses.see(&set(&["a"]));
        assert_eq!(pauses.retired.len(), MOST_RETIRED + 1);
        pauses.see(&set(&["a", "d"]));
        assert!(pauses.retired.is_empty());
    }
}
