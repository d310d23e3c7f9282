//! Spans and metrics of a sign-in, sent to an OpenTelemetry collector by OTLP over HTTP: to `http://localhost:4318`, or where
//! `OTEL_EXPORTER_OTLP_ENDPOINT` says. `cargo run`, and open the address that it prints; Ctrl-C sends what is left.
//!
//! The emulator plays GitHub unless the environment has `GITHUB_CLIENT_ID` and `GITHUB_CLIENT_SECRET`: those of an OAuth app whose callback
//! URL is `http://127.0.0.1:3000/auth/github/callback`.

use std::{env, error::Error};

use axum::{
    Router,
    extract::Request,
    response::{Html, Redirect},
    routing::get,
};
use metrics::KeyName;
use metrics_exporter_otel::OpenTelemetryRecorder;
use oauth_clients::{
    Sealer, SealingKey,
    axum::{SetupError, SignIn, SignInRoutes, SignedIn},
    emulator::Emulator,
    github::GitHubOAuth2,
    telemetry::metric,
};
use opentelemetry::{metrics::MeterProvider as _, trace::TracerProvider as _};
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider, trace::SdkTracerProvider};
use tower_http::trace::TraceLayer;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let resource = Resource::builder().with_service_name("my-site").build();
    let spans = SdkTracerProvider::builder()
        .with_batch_exporter(SpanExporter::builder().with_http().build()?)
        .with_resource(resource.clone())
        .build();
    let meters = SdkMeterProvider::builder()
        .with_periodic_exporter(MetricExporter::builder().with_http().build()?)
        .with_resource(resource)
        .build();
    record(&spans, &meters)?;

    let emulator = Emulator::start().await?;
    let github = match env::var("GITHUB_CLIENT_ID") {
        Ok(id) => GitHubOAuth2::new(id, env::var("GITHUB_CLIENT_SECRET")?),
        Err(_) => emulator.connect(GitHubOAuth2::new("github-client-id", "github-client-secret")).await?,
    };
    let app = site(github, "http://127.0.0.1:3000", SealingKey::random()?)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://127.0.0.1:3000");
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    spans.shutdown()?;
    meters.shutdown()?;
    Ok(())
}

/// Hands the spans and events of `tracing` and the figures of `metrics` on to OpenTelemetry.
fn record(spans: &SdkTracerProvider, meters: &SdkMeterProvider) -> Result<(), Box<dyn Error>> {
    // The spans of the library are at the level debug. `RUST_LOG` changes that.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,oauth_core=debug,oauth_openid=debug,oauth_web=debug"));
    tracing_subscriber::registry()
        .with(filter)
        .with(tracing_opentelemetry::layer().with_tracer(spans.tracer("my-site")))
        .try_init()?;

    let recorder = OpenTelemetryRecorder::new(meters.meter("my-site"));
    // In seconds. OpenTelemetry's own buckets are for milliseconds.
    let seconds = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
    for name in [metric::REQUEST_SECONDS, metric::TOKENS_SECONDS] {
        recorder.set_histogram_bounds(&KeyName::from_const_str(name), seconds.clone());
    }
    metrics::set_global_recorder(recorder)?;
    Ok(())
}

fn site(github: GitHubOAuth2, address: &str, key: SealingKey) -> Result<Router, SetupError> {
    let sign_in = SignIn::new(Sealer::new(key)).at(address)?.provider(github)?;
    Ok(Router::new()
        .route("/", get(async || Html(r#"<a href="/auth/github/login">Sign in with GitHub</a>"#)))
        .nest(
            "/auth",
            SignInRoutes::new(sign_in)
                .router(async |user: SignedIn| Redirect::to(user.return_to.as_deref().unwrap_or("/"))),
        )
        // Not the span that tower-http makes by itself: that has the whole address, and a callback's has the code and the state.
        .layer(TraceLayer::new_for_http().make_span_with(|request: &Request| {
            let (method, path) = (request.method().as_str(), request.uri().path());
            tracing::info_span!("request", http.request.method = method, url.path = path)
        })))
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::{metrics::InMemoryMetricExporter, trace::InMemorySpanExporter};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_sign_in_is_exported_without_its_secrets() {
        let (sent_spans, sent_metrics) = (InMemorySpanExporter::default(), InMemoryMetricExporter::default());
        let spans = SdkTracerProvider::builder().with_simple_exporter(sent_spans.clone()).build();
        let meters = SdkMeterProvider::builder().with_periodic_exporter(sent_metrics.clone()).build();
        record(&spans, &meters).unwrap();

        let emulator = Emulator::start().await.unwrap();
        let github = emulator.connect(GitHubOAuth2::new("github-client-id", "github-client-secret"));
        let app =
            site(github.await.unwrap(), "https://app.example", SealingKey::from_bytes([1; 32])).unwrap();
        let mut browser = emulator.browser().unwrap().in_process("https://app.example", app).unwrap();
        let page = browser.get("/auth/github/login").await.unwrap();
        assert!(page.text.contains("Sign in with GitHub"), "{page:?}");

        meters.force_flush().unwrap();
        let sent = sent_spans.get_finished_spans().unwrap();
        let told = format!("{sent:?} {:?}", sent_metrics.get_finished_metrics().unwrap());
        for name in
            ["oauth.request", "oauth.http", "oauth.sign_in.completed", metric::REQUESTS, metric::SIGN_INS]
        {
            assert!(told.contains(name), "{name} is not in {told}");
        }
        let callback =
            sent.iter().find(|span| format!("{span:?}").contains("/auth/github/callback")).unwrap();
        let request = sent.iter().find(|span| span.name == "oauth.request").unwrap();
        assert_eq!(request.span_context.trace_id(), callback.span_context.trace_id(), "one trace");

        let mut secrets = vec!["github-client-secret".to_owned()];
        for request in emulator.requests() {
            let names = ["code", "state", "code_verifier", "code_challenge"];
            secrets.extend(names.iter().filter_map(|name| request.field(name)).map(ToString::to_string));
        }
        assert!(secrets.len() >= 3, "{}", secrets.len());
        for secret in &secrets {
            assert!(!told.contains(&**secret), "{secret} is in {told}");
        }
    }
}
