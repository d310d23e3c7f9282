//! The replies.

use oauth_core::serde_json::{Value, json};

/// A token endpoint's answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    pub(crate) name: &'static str,
    pub(crate) status: u16,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: &'static str,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        json!({ "status": self.status, "content_type": self.content_type, "body": self.body })
    }
}

const JSON: Option<&str> = Some("application/json");
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
const TEXT: Option<&str> = Some("text/plain");
const HTML: Option<&str> = Some("text/html");

const fn ok(name: &'static str, body: &'static str) -> Reply {
    Reply { name, status: 200, content_type: JSON, body }
}

const fn typed(name: &'static str, content_type: Option<&'static str>, body: &'static str) -> Reply {
    Reply { name, status: 200, content_type, body }
}

const fn refused(
    name: &'static str,
    status: u16,
    content_type: Option<&'static str>,
    body: &'static str,
) -> Reply {
    Reply { name, status, content_type, body }
}

const TOKEN: &str = r#"{"access_token":"AT","token_type":"Bearer","expires_in":3600,"refresh_token":"RT"}"#;
const FORM_TOKEN: &str = "access_token=AT&token_type=bearer&expires_in=3600&refresh_token=RT";

pub(crate) const REPLIES: &[Reply] = &[
    ok("as RFC 6749 has it", TOKEN),
    ok("type in small letters", r#"{"access_token":"AT","token_type":"bearer"}"#),
    ok("another type", r#"{"access_token":"AT","token_type":"mac"}"#),
    ok("no type", r#"{"access_token":"AT"}"#),
    ok("empty type", r#"{"access_token":"AT","token_type":""}"#),
    ok("type null", r#"{"access_token":"AT","token_type":null}"#),
    ok("type a number", r#"{"access_token":"AT","token_type":1}"#),
    ok("lifetime as text", r#"{"access_token":"AT","token_type":"Bearer","expires_in":"3600"}"#),
    ok("lifetime with a fraction", r#"{"access_token":"AT","token_type":"Bearer","expires_in":3600.0}"#),
    ok("lifetime zero", r#"{"access_token":"AT","token_type":"Bearer","expires_in":0}"#),
    ok("lifetime below zero", r#"{"access_token":"AT","token_type":"Bearer","expires_in":-1}"#),
    ok("lifetime null", r#"{"access_token":"AT","token_type":"Bearer","expires_in":null}"#),
    ok("lifetime a word", r#"{"access_token":"AT","token_type":"Bearer","expires_in":"soon"}"#),
    ok("lifetime empty", r#"{"access_token":"AT","token_type":"Bearer","expires_in":""}"#),
    ok("lifetime true", r#"{"access_token":"AT","token_type":"Bearer","expires_in":true}"#),
    ok(
        "lifetime of a hundred years",
        r#"{"access_token":"AT","token_type":"Bearer","expires_in":3153600000}"#,
    ),
    ok("no access token", r#"{"token_type":"Bearer","expires_in":3600}"#),
    ok("empty access token", r#"{"access_token":"","token_type":"Bearer"}"#),
    ok("access token null", r#"{"access_token":null,"token_type":"Bearer"}"#),
    ok("access token a number", r#"{"access_token":17,"token_type":"Bearer"}"#),
    ok("access token twice", r#"{"access_token":"A1","access_token":"A2","token_type":"Bearer"}"#),
    ok("access token in other case", r#"{"Access_Token":"AT","token_type":"Bearer"}"#),
    ok("access token inside another object", r#"{"data":{"access_token":"AT","token_type":"Bearer"}}"#),
    ok("empty refresh token", r#"{"access_token":"AT","token_type":"Bearer","refresh_token":""}"#),
    ok("refresh token null", r#"{"access_token":"AT","token_type":"Bearer","refresh_token":null}"#),
    ok("refresh token a number", r#"{"access_token":"AT","token_type":"Bearer","refresh_token":17}"#),
    ok("scope as a list", r#"{"access_token":"AT","token_type":"Bearer","scope":["a","b"]}"#),
    ok("scope a number", r#"{"access_token":"AT","token_type":"Bearer","scope":1}"#),
    ok("error beside a token", r#"{"error":"invalid_grant","access_token":"AT","token_type":"Bearer"}"#),
    ok("empty error beside a token", r#"{"error":"","access_token":"AT","token_type":"Bearer"}"#),
    ok("error null beside a token", r#"{"error":null,"access_token":"AT","token_type":"Bearer"}"#),
    ok("error zero beside a token", r#"{"error":0,"access_token":"AT","token_type":"Bearer"}"#),
    ok("error with status 200", r#"{"error":"bad_verification_code","error_description":"spent"}"#),
    ok("unknown members", r#"{"access_token":"AT","token_type":"Bearer","team":{"id":[1,2.5,null]}}"#),
    ok("white space around", " \r\n{\"access_token\":\"AT\",\"token_type\":\"Bearer\"}\n\t"),
    ok("a byte order mark", "\u{feff}{\"access_token\":\"AT\",\"token_type\":\"Bearer\"}"),
    ok("something behind", r#"{"access_token":"AT","token_type":"Bearer"} x"#),
    ok("cut off", r#"{"access_token":"AT","token_type":"Be"#),
    ok("a list", r#"[{"access_token":"AT","token_type":"Bearer"}]"#),
    ok("a text", r#""AT""#),
    ok("null", "null"),
    ok("nothing", ""),
    ok("form, called JSON", FORM_TOKEN),
    typed("form", FORM, FORM_TOKEN),
    typed("form with a charset", Some("application/x-www-form-urlencoded; charset=utf-8"), FORM_TOKEN),
    typed("form, called text", TEXT, FORM_TOKEN),
    typed("form without a type", None, FORM_TOKEN),
    typed("form without a token", FORM, "token_type=bearer"),
    typed("form with an error", FORM, "error=bad_verification_code&error_description=spent"),
    typed(
        "form with a lifetime that is not a number",
        FORM,
        "access_token=AT&token_type=bearer&expires_in=soon",
    ),
    typed("JSON, called text", TEXT, TOKEN),
    typed("JSON, called HTML", HTML, TOKEN),
    typed("JSON, called JavaScript", Some("text/javascript"), TOKEN),
    typed("JSON, called a form", FORM, TOKEN),
    typed("JSON without a type", None, TOKEN),
    typed("JSON with a charset", Some("application/json; charset=utf-8"), TOKEN),
    typed("JSON in capitals", Some("APPLICATION/JSON"), TOKEN),
    typed("JSON of a subtype", Some("application/token+json"), TOKEN),
    typed("a page", HTML, "<!doctype html><title>Sign in</title>"),
    refused("created", 201, JSON, TOKEN),
    refused("accepted", 202, JSON, TOKEN),
    refused("no content", 204, None, ""),
    refused("a redirect", 302, None, ""),
    refused("refused", 400, JSON, r#"{"error":"invalid_grant","error_description":"spent"}"#),
    refused("refused as a form", 400, FORM, "error=invalid_grant&error_description=spent"),
    refused("refused, called text", 400, TEXT, r#"{"error":"invalid_grant"}"#),
    refused("refused without a code", 400, JSON, r#"{"message":"spent"}"#),
    refused("refused with a code that is not text", 400, JSON, r#"{"error":{"code":"spent"}}"#),
    refused("refused with an empty code", 400, JSON, r#"{"error":""}"#),
    refused("refused with a token", 400, JSON, TOKEN),
    refused("unauthorised", 401, JSON, r#"{"error":"invalid_client"}"#),
    refused("a page that refuses", 403, HTML, "<h1>Forbidden</h1>"),
    refused("too many requests", 429, JSON, r#"{"error":"slow_down"}"#),
    refused("the server's fault", 500, JSON, r#"{"error":"server_error"}"#),
    refused("unavailable", 503, HTML, "<h1>Service Unavailable</h1>"),
];
