//! What a provider crate is written with, beside [`Spec`](crate::Spec), [`Request`](crate::Request) and the macros.

pub use crate::{
    crypto::hmac_sha256_hex,
    endpoints::parameter,
    http_client::public_address::{check_public_url, is_public_address},
    identity::check_subject,
    message::response::says_success,
    oauth2::request::form_encoded,
    signal::{check_media_type, hmac_sha256_base64, single_header},
    spec::{
        AuthorizationSpec, DeviceSpec, EmailCall, ErrorSpec, LoginSpec, LoopbackHost, LoopbackPort,
        NativeSpec, ProfileRequest, ProfileSource, ProfileSpec, RefreshBy, RefreshSpec, RequestFormat,
        RequestMethod, RevocationSpec, TokenPlace, TokenSpec,
        restriction::{AskedBy, ConfirmedBy, Restriction},
    },
    text::json::{text_at, value_at},
};
