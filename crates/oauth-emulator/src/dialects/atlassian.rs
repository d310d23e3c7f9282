use http::StatusCode;

use crate::{
    exchange::{Dialect, Exchange},
    refusal::{ProtocolError, Reason},
    reply::ServerReply,
};

/// <https://developer.atlassian.com/cloud/jira/software/oauth-2-3lo-apps/>
pub(super) struct Atlassian;

impl Dialect for Atlassian {
    /// A dead grant has another status than the standard's.
    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        let reply = refusal.standard();
        match refusal.reason {
            Reason::Code | Reason::RefreshToken => ServerReply { status: StatusCode::FORBIDDEN, ..reply },
            _ => reply,
        }
    }
}
