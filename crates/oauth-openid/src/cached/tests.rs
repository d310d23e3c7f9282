use oauth_core::{
    ErrorClass, MemoryCache, Provider, SystemClock, async_trait,
    http::{Request, Response},
};

use super::*;

/// Answers with an empty object.
#[derive(Debug)]
struct Empty;

#[async_trait]
impl HttpClient for Empty {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        Ok(Response::new("{}".into()))
    }
}

fn reading() -> Reading<Value> {
    Reading {
        operation: Operation::DISCOVER,
        url: "https://op.example/document".to_owned(),
        supplements: Vec::new(),
        issuer: String::new(),
        policy: CachePolicy::METADATA,
        pause_after_failure: Duration::ZERO,
        clock: Arc::new(SystemClock),
        shared: None,
        parse: Arc::new(|_: &JsonText, value| Ok(value)),
    }
}

#[tokio::test]
async fn a_request_of_a_process_that_was_frozen_is_given_up() {
    let client = OAuth2::new("id", "secret", "https://op.example/auth", "https://op.example/token")
        .with_http_client(Empty);
    let reading = reading();
    let cached = Arc::new(Cached::<Value>::default());
    let (sender, _) = watch::channel(None);
    // It was begun long ago, and its task does not run.
    let began = Instant::now().checked_sub(LONGEST_REQUEST + Duration::from_secs(1)).unwrap();
    cached.state().under_way = Some(Arc::new(UnderWay { began, outcome: sender }));
    let read = task::within(Duration::from_secs(5), cached.get(&client, &reading)).await;
    assert_eq!(*read.unwrap().unwrap(), json!({}));
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

#[test]
fn a_document_ages_by_the_second() {
    let kept = KeptDocument {
        url: String::new(),
        issuer: String::new(),
        document: JsonText::of(&json!({})),
        read_at: 1_000,
        fresh_for: 100,
    };
    let policy = CachePolicy { stale: Duration::from_secs(50), ..CachePolicy::METADATA };
    // Fresh, due to be read anew, usable.
    for (now, expected) in [
        (999, [false, true, false]),
        (1_000, [true, false, true]),
        (1_074, [true, false, true]),
        (1_075, [true, true, true]),
        (1_099, [true, true, true]),
        (1_100, [false, true, true]),
        (1_149, [false, true, true]),
        (1_150, [false, true, false]),
    ] {
        let found = [kept.is_fresh(at(now)), kept.is_due(at(now)), kept.is_usable(at(now), &policy)];
        assert_eq!(found, expected, "{now}");
    }
}

#[test]
fn a_failure_is_the_answer_for_a_while() {
    let cached = Cached::<Value>::default();
    assert!(!cached.state().rests_for(Duration::from_secs(10), at(1_000)));
    cached.state().failure = Some((at(1_000), Error::configuration("openid", "no")));
    for (now, rests) in [(999, false), (1_000, true), (1_009, true), (1_010, false)] {
        assert_eq!(cached.state().rests_for(Duration::from_secs(10), at(now)), rests, "{now}");
    }
}

#[test]
fn only_what_passes_by_itself_is_tried_twice() {
    let client = OAuth2::new("id", "secret", "https://op.example/auth", "https://op.example/token");
    for (kind, is_tried_twice) in
        [(HttpErrorKind::Connect, true), (HttpErrorKind::Other, true), (HttpErrorKind::Timeout, false)]
    {
        let error = client.error(Operation::DISCOVER, ErrorKind::Transport(HttpError::new(kind)));
        assert_eq!(is_hiccup(&error), is_tried_twice, "{error}");
    }
    assert!(!is_hiccup(&Error::configuration("openid", "no")));
}

#[test]
fn documents_belong_to_those_who_were_told_them() {
    // Not an empty one: two of those could have one address.
    #[derive(Debug)]
    struct Other(u8);

    #[async_trait]
    impl HttpClient for Other {
        async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
            Ok(Response::new(vec![self.0].into()))
        }
    }

    let http = |client: &Arc<dyn HttpClient>| Reader::Http(Some(client.clone()));
    let (one, other): (Arc<dyn HttpClient>, Arc<dyn HttpClient>) = (Arc::new(Other(1)), Arc::new(Other(2)));
    assert!(http(&one) == http(&one));
    assert!(http(&one) != http(&other));
    assert!(http(&one) != Reader::Http(None));
    assert!(Reader::Http(None) == Reader::Http(None));
    assert!(Reader::Named("a".into()) == Reader::Named("a".into()));
    assert!(Reader::Named("a".into()) != Reader::Named("b".into()));
    assert!(Reader::Named("a".into()) != http(&one));
}

#[test]
fn what_another_process_kept_is_taken_if_it_is_newer_and_of_the_same_document() {
    let now = SystemClock.now().unix_timestamp();
    let kept = |url: &str, issuer: &str, read_at: i64| KeptDocument {
        url: url.to_owned(),
        issuer: issuer.to_owned(),
        document: JsonText::of(&json!({ "read_at": read_at })),
        read_at,
        fresh_for: 3_600,
    };
    let url = "https://op.example/document";
    let cached = Cached::<Value>::default();
    assert!(cached.export().is_none());
    for (import, expected) in [
        (kept("https://op.example/other", "", now), None),
        (kept(url, "https://other.example", now), None),
        (kept(url, "", now - 100), Some(now - 100)),
        (kept(url, "", now - 200), Some(now - 100)),
        (kept(url, "", now - 50), Some(now - 50)),
    ] {
        cached.import(import.clone(), &reading());
        assert_eq!(cached.export().map(|kept| kept.read_at), expected, "{import:?}");
    }
    // One that was read at the same time changes nothing.
    let same = KeptDocument { document: JsonText::of(&json!({})), ..kept(url, "", now - 50) };
    cached.import(same, &reading());
    assert_eq!(*cached.fresh(SystemClock.now()).unwrap(), json!({ "read_at": now - 50 }));
}

fn client_on(http: impl HttpClient + 'static) -> OAuth2 {
    OAuth2::new("id", "secret", "https://op.example/auth", "https://op.example/token").with_http_client(http)
}

/// A provider that is down.
#[derive(Debug)]
struct Down;

#[async_trait]
impl HttpClient for Down {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        Err(HttpError::new(HttpErrorKind::Timeout))
    }
}

#[tokio::test]
async fn while_the_provider_is_down_the_newest_document_serves_that_anybody_kept() {
    let now = SystemClock.now().unix_timestamp();
    let kept = |whose: &str, age: i64| KeptDocument {
        url: reading().url,
        issuer: String::new(),
        document: JsonText::of(&json!(whose)),
        read_at: now - age,
        fresh_for: 100,
    };
    // Each is stale, and may be used for an hour.
    for (own, shared, newest) in [
        (None, Some(200), Some("shared")),
        (Some(300), Some(200), Some("shared")),
        (Some(200), Some(300), Some("own")),
        (Some(200), Some(200), Some("own")),
        (Some(200), None, Some("own")),
        (None, Some(90_000), None),
        (None, None, None),
    ] {
        let cache: Arc<dyn SharedCache> = Arc::new(MemoryCache::default());
        let documents = SharedDocuments { cache, trust_domain: "default".to_owned() };
        let policy = CachePolicy { stale: Duration::from_secs(3_600), ..CachePolicy::METADATA };
        let reading = Reading { shared: Some(documents.clone()), policy, ..reading() };
        if let Some(age) = shared {
            documents.put(&reading, &kept("shared", age)).await;
        }
        let cached = Arc::new(Cached::<Value>::default());
        if let Some(age) = own {
            cached.import(kept("own", age), &reading);
        }
        // Whoever waited for the provider is told what there is; the next one, what is the newest.
        let client = client_on(Down);
        let read = cached.get(&client, &reading).await;
        assert_eq!(read.is_ok(), newest.is_some(), "{own:?} {shared:?}");
        let read = cached.get(&client, &reading).await.ok();
        assert_eq!(read.as_deref(), newest.map(|newest| json!(newest)).as_ref(), "{own:?} {shared:?}");
    }
}

#[tokio::test]
async fn a_request_that_was_given_up_changes_nothing_any_more() {
    let (client, reading) = (client_on(Empty), reading());
    let cached = Arc::new(Cached::<Value>::default());
    let late = cached.begin(&mut cached.state(), &client, &reading, ReadFrom::Provider, None);
    let next = cached.begin(&mut cached.state(), &client, &reading, ReadFrom::Provider, None);
    // Whoever waited for it has the answer all the same.
    assert_eq!(*late.outcome(&client, &reading, None).await.unwrap().unwrap(), json!({}));
    assert!(cached.export().is_none() && cached.state().in_progress().is_some());
    next.outcome(&client, &reading, None).await.unwrap().unwrap();
    assert!(cached.export().is_some() && cached.state().in_progress().is_none());
}

#[test]
fn those_who_wait_for_one_document_are_bounded() {
    let (client, reading) = (client_on(Empty), reading());
    let cached = Arc::new(Cached::<Value>::default());
    // The state is never locked for longer, because the request locks it when it is dropped.
    let join = || cached.state().join(&client, &reading);
    assert!(join().is_none());
    let _first = cached.begin(&mut cached.state(), &client, &reading, ReadFrom::Provider, None);
    let others: Vec<_> = (1..MOST_WAITING).map(|_| join().unwrap().unwrap()).collect();
    let error = join().unwrap().err().unwrap();
    assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
    drop(others);
    assert!(join().unwrap().is_ok());
}

#[test]
fn documents_are_not_shown() {
    assert_eq!(format!("{:?}", Cached::<Value>::default()), "Cached(…)");
    assert_eq!(format!("{:?}", Reader::Http(None)), "Reader(…)");
    assert!(format!("{:?}", reading()).contains("https://op.example/document"));
}
