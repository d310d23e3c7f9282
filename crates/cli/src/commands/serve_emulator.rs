//! `serve-emulator`: the emulator, for programs in any language.

use oauth_emulator::Emulator;
use serde_json::json;

use crate::{
    arguments::ServeEmulator,
    exit::{CommandResult, Failure},
    output::Output,
};

pub(crate) async fn run(serve: &ServeEmulator, output: Output) -> CommandResult {
    let mut builder = Emulator::builder().port(serve.port);
    if serve.lenient {
        builder = builder.any_redirect_uri().any_scope();
    }
    let emulator = builder.start().await.map_err(|error| {
        Failure::Other(format!("cannot listen on port {}: {error}; choose another with --port", serve.port))
    })?;
    let mut providers = serde_json::Map::new();
    for name in emulator.providers() {
        let Some(app) = emulator.apps(name).ok().and_then(|apps| apps.into_iter().next()) else { continue };
        providers.insert(
            name.to_owned(),
            json!({
                "client_id": app.client_id, "client_secret": app.client_secret, "redirect_uris": app.redirect_uris,
                "endpoints": emulator.endpoints(name).unwrap_or_default(),
            }),
        );
    }
    output.result(&json!({ "origin": emulator.origin(), "providers": providers }), || {
        format!(
            "emulator at {}\neach provider's URLs are under it, such as {}\n--json prints the client and the endpoints of each; ctrl-c ends it",
            emulator.origin(),
            emulator.local("https://github.com/login/oauth/authorize"),
        )
    })?;
    // Until it is interrupted.
    std::future::pending::<()>().await;
    Ok(())
}
