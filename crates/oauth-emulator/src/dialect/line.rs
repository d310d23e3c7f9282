use http::{Method, StatusCode};

use super::Dialect;
use crate::{
    client_auth::form,
    reply::{Reason, Refusal, Reply},
    server::Call,
};

/// <https://developers.line.biz/en/reference/line-login/>
pub(super) struct Line;

impl Dialect for Line {
    /// The token is called `access_token` here, and the secret may be left out.
    fn revoke(&self, call: &Call<'_>) -> Reply {
        if call.request.method != Method::POST {
            return Reply::method_not_allowed("POST");
        }
        match revoke(call) {
            Ok(()) => Reply::empty(StatusCode::OK),
            Err(refusal) => self.refuse(call, &refusal),
        }
    }
}

fn revoke(call: &Call<'_>) -> Result<(), Refusal> {
    let form = form(call)?;
    let id = form.get("client_id").ok_or_else(|| Reason::Request.because("client_id is missing"))?;
    let token = form.get("access_token").ok_or_else(|| Reason::Request.because("access_token is missing"))?;
    let mut state = call.shared.state();
    let app = state.app(&call.provider.family, id);
    let app = app.ok_or_else(|| Reason::Client.because("the channel is unknown"))?;
    if form.get("client_secret").is_some_and(|secret| Some(secret) != app.client_secret.as_deref()) {
        return Err(Reason::Client.because("the channel secret is wrong"));
    }
    // What it does with a refresh token is not documented; nothing, to be on the safe side.
    let owned = state.owner(token).is_some_and(|(_, grant, is_refresh)| {
        !is_refresh && grant.provider == call.provider.name && grant.request.app.client_id == app.client_id
    });
    if owned {
        state.revoke(token, false);
    }
    Ok(())
}
