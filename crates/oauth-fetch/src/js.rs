//! One exchange by the Fetch API, in terms of JavaScript.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};
use js_sys::{Array, Function, Promise, Reflect, Uint8Array};
use oauth_core::{HttpError, HttpErrorKind, MAX_REPLY_BYTES};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, Request, RequestCredentials, RequestInit,
    RequestRedirect, Response, ResponseType,
};

use crate::redaction::without_secrets;

/// Sends a request and reads the reply.
pub(crate) async fn exchange(
    request: http::Request<Bytes>,
    limit: Duration,
) -> Result<http::Response<Bytes>, HttpError> {
    let deadline = Deadline::start(limit)?;
    let request = request_of(&request, &deadline.controller)?;
    let sent = call("fetch", &[request.as_ref()])?;
    let response = settled(sent).await.map_err(|error| deadline.failure(HttpErrorKind::Connect, &error))?;
    let response: Response = response
        .dyn_into()
        .map_err(|_| HttpError::new(HttpErrorKind::Other).caused_by("fetch gave no Response"))?;
    read(&response, &deadline).await
}

/// What `fetch` is given.
fn request_of(request: &http::Request<Bytes>, controller: &AbortController) -> Result<Request, HttpError> {
    let invalid = |error: JsValue| HttpError::new(HttpErrorKind::InvalidRequest).caused_by(text_of(&error));
    let headers = Headers::new().map_err(invalid)?;
    for (name, value) in request.headers() {
        // JavaScript writes a header's bytes as the characters of the same numbers (ISO 8859-1).
        let value: String = value.as_bytes().iter().copied().map(char::from).collect();
        headers.append(name.as_str(), &value).map_err(invalid)?;
    }
    let init = RequestInit::new();
    init.set_method(request.method().as_str());
    init.set_headers(&headers);
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(&controller.signal()));
    // A request of these methods has no body, not even an empty one.
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        init.set_body(Uint8Array::from(&request.body()[..]).as_ref());
    }
    let url = request.uri().to_string();
    init.set_credentials(RequestCredentials::Omit);
    match Request::new_with_str_and_init(&url, &init) {
        Ok(request) => Ok(request),
        Err(error) => {
            // Cloudflare Workers refuse the word. They keep no cookies, and their requests do not know it.
            let _ = Reflect::delete_property(&init, &"credentials".into());
            let request = Request::new_with_str_and_init(&url, &init).map_err(|_| invalid(error.clone()))?;
            match Reflect::get(&request, &"credentials".into()) {
                Ok(credentials) if credentials.is_undefined() => Ok(request),
                _ => Err(invalid(error)),
            }
        }
    }
}

/// Reads a reply to its end.
async fn read(response: &Response, deadline: &Deadline) -> Result<http::Response<Bytes>, HttpError> {
    if response.type_() == ResponseType::Opaqueredirect {
        return Err(HttpError::new(HttpErrorKind::Other).caused_by(
            "the server answered with a redirect, which is not followed, and the browser hides it",
        ));
    }
    let status = StatusCode::from_u16(response.status())
        .map_err(|_| HttpError::new(HttpErrorKind::Other).caused_by("the reply has no status"))?;
    let failed = |kind| HttpError::new(kind).with_status(status);
    let mut reply = http::Response::new(Bytes::new());
    *reply.status_mut() = status;
    let mut length: Option<u64> = None;
    for entry in response.headers().entries().into_iter() {
        let Ok(entry) = entry else { continue };
        let entry = Array::from(&entry);
        let (Some(name), Some(value)) = (entry.get(0).as_string(), entry.get(1).as_string()) else {
            continue;
        };
        let (Ok(name), Some(value)) = (HeaderName::try_from(name), header_value(&value)) else { continue };
        if name == CONTENT_LENGTH {
            length = value.to_str().ok().and_then(|length| length.parse().ok());
        }
        // The platform has undone it, and the length is that of before.
        if name != CONTENT_ENCODING && name != CONTENT_LENGTH {
            reply.headers_mut().append(name, value);
        }
    }
    if length.is_some_and(|length| length > MAX_REPLY_BYTES as u64) {
        return Err(failed(HttpErrorKind::TooLarge));
    }
    let Some(stream) = response.body() else { return Ok(reply) };
    let broken = |error: JsValue| deadline.failure(HttpErrorKind::Other, &error).with_status(status);
    let reader: ReadableStreamDefaultReader = stream
        .get_reader()
        .dyn_into()
        .map_err(|_| failed(HttpErrorKind::Other).caused_by("the reply cannot be read"))?;
    let mut body = BytesMut::new();
    loop {
        let part = JsFuture::from(reader.read()).await.map_err(broken)?;
        if Reflect::get(&part, &"done".into()).map_err(broken)?.is_truthy() {
            break;
        }
        let part: Uint8Array = Reflect::get(&part, &"value".into())
            .map_err(broken)?
            .dyn_into()
            .map_err(|_| failed(HttpErrorKind::Other).caused_by("the reply has no bytes"))?;
        if part.length() as usize > MAX_REPLY_BYTES - body.len() {
            return Err(failed(HttpErrorKind::TooLarge));
        }
        body.extend_from_slice(&part.to_vec());
    }
    *reply.body_mut() = body.freeze();
    Ok(reply)
}

/// A value from the characters that JavaScript has for its bytes.
fn header_value(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(character).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

/// Aborts the request when its time has passed, and when it is dropped before.
struct Deadline {
    controller: AbortController,
    timer: JsValue,
    /// What the request is aborted with when its time has passed.
    reason: JsValue,
}

impl Deadline {
    fn start(limit: Duration) -> Result<Self, HttpError> {
        let failed = |error: JsValue| HttpError::new(HttpErrorKind::Other).caused_by(text_of(&error));
        let controller = AbortController::new().map_err(failed)?;
        let reason: JsValue = js_sys::Error::new("the time limit passed").into();
        let abort: Function =
            Reflect::get(&controller, &"abort".into()).map_err(failed)?.dyn_into().map_err(failed)?;
        let abort = abort.bind1(&controller, &reason);
        // Timers hold 31 bits; what is longer would end at once.
        let limit = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
        let timer = call("setTimeout", &[abort.as_ref(), &limit.into()])?;
        Ok(Self { controller, timer, reason })
    }

    /// The error of what failed: a time-out, if that is why.
    fn failure(&self, kind: HttpErrorKind, error: &JsValue) -> HttpError {
        match self.controller.signal().reason() == self.reason {
            true => HttpError::new(HttpErrorKind::Timeout),
            false => HttpError::new(kind).caused_by(text_of(error)),
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let _ = call("clearTimeout", &[&self.timer]);
        // It ends what is under way; after the end of a reply it does nothing.
        self.controller.abort();
    }
}

/// Calls a global function: `window` and `self` are not everywhere.
fn call(name: &str, arguments: &[&JsValue]) -> Result<JsValue, HttpError> {
    let global = js_sys::global();
    let function =
        Reflect::get(&global, &name.into()).ok().and_then(|value| value.dyn_into::<Function>().ok());
    let Some(function) = function else {
        let missing = format!("there is no function {name} here");
        return Err(HttpError::new(HttpErrorKind::Other).caused_by(missing));
    };
    let list = Array::new();
    for argument in arguments {
        list.push(argument);
    }
    function
        .apply(&global, &list)
        .map_err(|error| HttpError::new(HttpErrorKind::Other).caused_by(text_of(&error)))
}

/// What a promise comes to.
async fn settled(value: JsValue) -> Result<JsValue, JsValue> {
    JsFuture::from(Promise::resolve(&value)).await
}

/// What an error says, with its cause: Node.js says "fetch failed", and the cause says why.
fn text_of(error: &JsValue) -> String {
    let message = |of: &JsValue| {
        let message = Reflect::get(of, &"message".into()).ok().and_then(|message| message.as_string());
        message.filter(|message| !message.is_empty())
    };
    let cause = match error.is_object() {
        true => Reflect::get(error, &"cause".into()).ok().filter(JsValue::is_object),
        false => None,
    };
    let code = |of: &JsValue| Reflect::get(of, &"code".into()).ok().and_then(|code| code.as_string());
    let own = message(error).or_else(|| error.as_string()).unwrap_or_else(|| "unknown".to_owned());
    let all = match cause.and_then(|cause| message(&cause).or_else(|| code(&cause))) {
        Some(cause) => format!("{own}: {cause}"),
        None => own,
    };
    without_secrets(&all)
}
