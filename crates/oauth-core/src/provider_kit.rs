//! What a provider crate is written with, beside [`Spec`](crate::Spec), [`Request`](crate::Request) and the macros.

pub use crate::{
    crypto::hmac_sha256_hex,
    identity::check_subject,
    json::{text_at, value_at},
    parameter,
    public_address::{check_public_url, is_public_address},
    request::form_encoded,
    response::says_success,
    restriction::{AskedBy, ConfirmedBy, Restriction},
    signal::{check_media_type, hmac_sha256_base64, single_header},
    spec::{
        AuthorizationSpec, DeviceSpec, EmailCall, ErrorSpec, LoginSpec, LoopbackHost, LoopbackPort,
        NativeSpec, ProfileRequest, ProfileSource, ProfileSpec, RefreshBy, RefreshSpec, RequestFormat,
        RequestMethod, RevocationSpec, TokenPlace, TokenSpec,
    },
};
