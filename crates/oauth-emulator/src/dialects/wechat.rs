use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    reply::ServerReply,
    state::{Issued, UserGrant},
};

/// <https://developers.weixin.qq.com/doc/oplatform/Website_App/WeChat_Login/Wechat_Login.html>
pub(super) struct WeChat;

impl Dialect for WeChat {
    /// The token reply tells who signed in.
    fn token_reply(&self, _exchange: &Exchange<'_>, issued: &Issued, reply: &mut Map<String, Value>) {
        reply.insert("openid".to_owned(), json!(openid(&issued.grant)));
        reply.insert("unionid".to_owned(), json!(issued.grant.user.id));
    }

    fn token_success(&self, _exchange: &Exchange<'_>, members: Map<String, Value>) -> ServerReply {
        plain(members)
    }

    /// The profile is that of an `openid`, which must be the token's.
    fn check_api(&self, exchange: &Exchange<'_>, grant: &UserGrant) -> Result<(), ServerReply> {
        match exchange.request.query.get("openid") == Some(&*openid(grant)) {
            true => Ok(()),
            false => {
                let error = json!({"errcode": 40003, "errmsg": "invalid openid"});
                Err(ServerReply::text(StatusCode::OK, error.to_string()))
            }
        }
    }

    fn profile(
        &self,
        _exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        body.insert("openid".to_owned(), json!(openid(grant)));
        body.insert("privilege".to_owned(), json!([]));
        plain(body)
    }
}

/// Of one application, where `unionid` is of the person.
fn openid(grant: &UserGrant) -> String {
    format!("o6_bm-{}", grant.user.id)
}

/// WeChat calls its JSON plain text.
fn plain(members: Map<String, Value>) -> ServerReply {
    ServerReply::text(StatusCode::OK, Value::Object(members).to_string())
}
