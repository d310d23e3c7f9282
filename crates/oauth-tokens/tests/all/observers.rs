//! What is told of what happens: the same words everywhere, and no secret.

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use oauth_tokens::{
    Event, MemoryStore, PlainGrant, TokenManager,
    testkit::{RotatingServer, ServerFault},
};

use crate::support::{Hands, Shaky, builder, key};

/// Two processes and each of the four outcomes, as they are told to observers.
async fn all_four(server: &RotatingServer, told: &Arc<Mutex<Vec<String>>>) -> [TokenManager; 2] {
    let (store, clock) = (MemoryStore::new(), Hands::new());
    let managers = [0, 1].map(|process| {
        let told = Arc::clone(told);
        let observer = move |event: &Event| {
            told.lock().unwrap().push(format!("{process} {} {}", event.outcome.name(), event.key));
        };
        builder(store.clone(), server).clock(clock.clone()).observer(observer).build().unwrap()
    });
    let [one, other] = &managers;
    one.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    other.get(&key()).await.unwrap();
    clock.forward(Duration::from_secs(3600));
    one.get(&key()).await.unwrap();
    other.get(&key()).await.unwrap();
    clock.forward(Duration::from_secs(3600));
    server.fail_next(ServerFault::Reply(503, "", None));
    one.get(&key()).await.unwrap_err();
    clock.forward(Duration::from_secs(10));
    server.fail_next(ServerFault::Reply(400, r#"{"error": "invalid_grant"}"#, None));
    one.get(&key()).await.unwrap_err();
    managers
}

#[tokio::test]
async fn observers_are_told_in_a_word_each() {
    let (server, told) = (RotatingServer::new(), Arc::default());
    all_four(&server, &told).await;
    let told = told.lock().unwrap().clone();
    let expected = ["0 put", "0 refreshed", "1 adopted", "0 transient", "0 dead"];
    assert_eq!(told, expected.map(|told| format!("{told} testkit/user-17")));
}

#[tokio::test]
async fn an_imported_grant_is_told_of_once() {
    let (server, told) = (RotatingServer::new(), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&told);
    let observer =
        move |event: &Event| heard.lock().unwrap().push(format!("{:?} {}", event.outcome, event.key));
    let manager = builder(MemoryStore::new(), &server).observer(observer).build().unwrap();
    let grant = PlainGrant::new(&key(), server.sign_in().unwrap());
    assert!(manager.import(&grant).await.unwrap());
    assert!(!manager.import(&grant).await.unwrap());
    assert_eq!(*told.lock().unwrap(), ["Put(WithOwnRefreshToken) testkit/user-17"]);
}

#[tokio::test]
async fn a_name_that_is_no_providers_and_a_closed_manager_are_not_told_of() {
    let (server, told) = (RotatingServer::new(), Arc::new(Mutex::new(0)));
    let count = Arc::clone(&told);
    let observer = move |_: &Event| *count.lock().unwrap() += 1;
    let manager = builder(MemoryStore::new(), &server).observer(observer).build().unwrap();
    let made_up = oauth_tokens::TokenKey::new("made-up", "user-17");
    assert!(matches!(manager.get(&made_up).await, Err(oauth_tokens::TokenError::UnknownProvider { .. })));
    manager.close().await;
    assert!(matches!(manager.get(&key()).await, Err(oauth_tokens::TokenError::Closed)));
    assert_eq!(*told.lock().unwrap(), 0);
}

#[tokio::test]
async fn trouble_says_where_it_is_and_when_it_is_over() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), Shaky::default());
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let process = |told: Arc<Mutex<Vec<String>>>| {
        let observer = move |event: &Event| {
            let trouble = event.outcome.trouble().map_or("", |trouble| trouble.name());
            told.lock().unwrap().push(format!("{} {trouble}", event.outcome.name()).trim_end().to_owned());
        };
        let builder = builder(store.clone(), &server).clock(clock.clone()).observer(observer);
        builder.lease_patience(Duration::from_millis(50)).build().unwrap()
    };
    let manager = process(Arc::clone(&told));
    let told = || std::mem::take(&mut *told.lock().unwrap());
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    told();

    server.fail_next(ServerFault::Reply(500, "", None));
    manager.get(&key()).await.unwrap_err();
    clock.forward(Duration::from_secs(2));
    manager.get(&key()).await.unwrap();
    assert_eq!(told(), ["transient provider", "recovered provider", "refreshed"]);

    clock.forward(Duration::from_secs(3600));
    // The lease is given back a little later than the token.
    tokio::time::sleep(Duration::from_millis(20)).await;
    store.set_down(true);
    manager.get(&key()).await.unwrap_err();
    store.set_down(false);
    manager.get(&key()).await.unwrap();
    assert_eq!(told(), ["transient store", "recovered store", "refreshed"]);

    clock.forward(Duration::from_secs(3600));
    let held =
        oauth_tokens::TokenStore::acquire(&store, &key(), "another", Duration::from_secs(60)).await.unwrap();
    let oauth_tokens::Acquired::Granted(lease) = held else { panic!("{held:?}") };
    manager.get(&key()).await.unwrap_err();
    assert_eq!(told(), ["transient waiting"]);
    oauth_tokens::TokenStore::release(&store, &key(), &lease).await.unwrap();

    // An audit trail.
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    manager.revoke(&key()).await.unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    manager.delete(&key()).await.unwrap();
    manager.delete(&key()).await.unwrap();
    assert_eq!(told(), ["put", "revoked", "put", "deleted"]);
}

#[test]
fn the_unsaved_tokens_are_a_gauge() {
    let counters = Counters::default();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&counters, || {
        runtime.block_on(async {
            let (server, store) = (RotatingServer::new(), Shaky::default());
            let manager = builder(store.clone(), &server).build().unwrap();
            manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
            store.take_no_more_saves_after(1);
            manager.get(&key()).await.unwrap_err();
            assert_eq!(manager.unsaved(), [key()]);
            store.takes_saves_again();
            tokio::time::sleep(Duration::from_secs(10)).await;
            assert!(manager.unsaved().is_empty());
        });
    });
    let shown = counters.0.lock().unwrap().clone();
    let shown: Vec<_> = shown.iter().filter(|line| line.starts_with("oauth_tokens_unsaved")).collect();
    assert!(shown.contains(&&"oauth_tokens_unsaved = 1".to_owned()), "{shown:?}");
    assert_eq!(shown.last().unwrap().as_str(), "oauth_tokens_unsaved = 0");
}

/// Writes every span and event down with all its fields.
struct Scribe(Arc<Mutex<String>>, Mutex<Vec<&'static tracing::Metadata<'static>>>);

struct Fields<'a>(&'a mut String);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl tracing::Subscriber for Scribe {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("oauth_tokens")
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        let mut text = self.0.lock().unwrap();
        text.push_str(span.metadata().name());
        self.1.lock().unwrap().push(span.metadata());
        span.record(&mut Fields(&mut text));
        text.push('\n');
        tracing::span::Id::from_u64(self.1.lock().unwrap().len() as u64)
    }

    fn record(&self, _span: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        let mut text = self.0.lock().unwrap();
        text.push_str("record");
        values.record(&mut Fields(&mut text));
        text.push('\n');
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = self.0.lock().unwrap();
        text.push_str("event");
        event.record(&mut Fields(&mut text));
        text.push('\n');
    }

    fn record_follows_from(&self, _span: &tracing::span::Id, _follows: &tracing::span::Id) {}

    /// The newest: here one refresh follows another.
    fn current_span(&self) -> tracing_core::span::Current {
        let spans = self.1.lock().unwrap();
        match spans.last() {
            Some(span) => {
                tracing_core::span::Current::new(tracing::span::Id::from_u64(spans.len() as u64), span)
            }
            None => tracing_core::span::Current::none(),
        }
    }

    fn enter(&self, _span: &tracing::span::Id) {}
    fn exit(&self, _span: &tracing::span::Id) {}
}

#[test]
fn spans_and_counters_say_the_same_and_no_secret() {
    let written: Arc<Mutex<String>> = Arc::default();
    let counters = Counters::default();
    let server = RotatingServer::new();
    // One thread, because what listens is set for a thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // While there is one subscriber only, a thread that has none switches events off for all.
    let scribe = || tracing::Dispatch::new(Scribe(Arc::clone(&written), Mutex::default()));
    let (scribe, _second) = (scribe(), scribe());
    tracing::dispatcher::with_default(&scribe, || {
        metrics::with_local_recorder(&counters, || {
            let [one, _] = runtime.block_on(all_four(&server, &Arc::default()));
            let told = format!("{one:?} {:?}", runtime.block_on(one.get(&key())));
            assert!(!told.contains("access_token"), "{told}");
        });
    });
    let written = written.lock().unwrap();
    let outcomes: Vec<_> = written.lines().filter_map(|line| line.strip_prefix("record outcome=")).collect();
    assert_eq!(outcomes, [r#""refreshed""#, r#""adopted""#, r#""transient""#, r#""dead""#]);
    let span = r#"oauth_tokens.refresh provider="testkit" tenant="" label="""#;
    assert!(written.lines().any(|line| line == span), "{written}");
    // The subject is often an e-mail address.
    assert!(!written.contains("user-17"), "{written}");

    let mut counted = counters.0.lock().unwrap().clone();
    // Those of the core count requests.
    counted.retain(|name| name.starts_with("oauth_tokens"));
    let one_of = |outcome: &str| format!("oauth_tokens_total provider=testkit outcome={outcome}");
    let mut expected = ["put", "refreshed", "adopted", "transient", "dead"].map(one_of).to_vec();
    expected.insert(4, "oauth_tokens_trouble_total provider=testkit trouble=provider".to_owned());
    assert_eq!(counted, expected);
    for secret in server.secrets() {
        assert!(!written.contains(&secret), "{written}");
    }
}

/// Writes down which counter was counted up.
#[derive(Clone, Default)]
struct Counters(Arc<Mutex<Vec<String>>>);

struct Counter(String, Counters);

impl metrics::CounterFn for Counter {
    fn increment(&self, _by: u64) {
        self.1.0.lock().unwrap().push(self.0.clone());
    }

    fn absolute(&self, _value: u64) {}
}

struct Gauge(String, Counters);

impl metrics::GaugeFn for Gauge {
    fn increment(&self, _by: f64) {}

    fn decrement(&self, _by: f64) {}

    fn set(&self, value: f64) {
        self.1.0.lock().unwrap().push(format!("{} = {value}", self.0));
    }
}

impl metrics::Recorder for Counters {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        let labels: String =
            key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        metrics::Counter::from_arc(Arc::new(Counter(format!("{}{labels}", key.name()), self.clone())))
    }

    fn register_gauge(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(Arc::new(Gauge(key.name().to_owned(), self.clone())))
    }

    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}

#[tokio::test]
async fn a_record_that_has_not_changed_is_no_news() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
    let told = Arc::<Mutex<Vec<&'static str>>>::default();
    let manager = builder(store.clone(), &server)
        .clock(clock.clone())
        .reread_after(Duration::from_secs(10))
        .observer({
            let told = Arc::clone(&told);
            move |event: &Event| told.lock().unwrap().push(event.outcome.name())
        })
        .build()
        .unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let look_again = async || {
        clock.forward(Duration::from_secs(11));
        manager.get(&key()).await.unwrap();
        std::mem::take(&mut *told.lock().unwrap())
    };
    assert_eq!(look_again().await, ["put"]);
    assert_eq!(look_again().await, [""; 0]);
    let other = builder(store, &server).build().unwrap();
    other.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    assert_eq!(look_again().await, ["adopted"]);
    assert_eq!(look_again().await, [""; 0]);
}
