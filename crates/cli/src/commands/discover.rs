//! `discover`: where an issuer's metadata are, and what they say.

use serde_json::json;

use crate::{
    arguments::{Common, Discover},
    exit::{Failure, Outcome},
    metadata,
    output::{Output, to_json},
    provider,
};

pub(crate) async fn run(discover: &Discover, common: &Common, output: Output) -> Outcome {
    let http = provider::http_client(common)?;
    let mut asked = Vec::new();
    for place in metadata::places(&discover.url) {
        asked.push(metadata::ask(&*http, &place).await);
    }
    let found = asked.iter().find(|asked| asked.document.is_some());
    for place in &asked {
        let wins = found.is_some_and(|found| found.url == place.url);
        output.progress(&format!(
            "{} {}",
            if wins { output.green("✓") } else { " ".to_owned() },
            place.line()
        ));
    }
    let Some(document) = found.and_then(|found| found.document.as_ref()) else {
        let issuer = &discover.url;
        return Err(Failure::Other(format!("no metadata for {issuer}. Is the issuer right, with its path?")));
    };
    let pretty = to_json(document)?;
    output.result(&json!({ "asked": asked, "document": document }), || pretty)
}
