//! Reads attempts as version 4 of the sealed form had them, which is all that is left of it.
//!
//! ```text
//! flags ‖ started_at ‖ lifetime ‖ [max_age]
//!   ‖ number of texts ‖ the length of each ‖ number of ACRs ‖ the length of each ‖ length of the data
//!   ‖ texts ‖ ACRs ‖ data: nothing if it is null, a text as it is, else JSON
//! ```
//!
//! `started_at` has eight bytes, the smallest first; all other numbers are as long as they need to be (LEB128). The texts are
//! provider, redirect URI, client, state, issuer, nonce and code verifier, and then the scopes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::LoginAttempt;
use crate::{
    authorization::{ResponseMode, ResponseType, pkce::CodeVerifier},
    text::json,
};

const FORM_POST: u8 = 1;
const FRAGMENT: u8 = 2;
const CODE_ID_TOKEN: u8 = 4;
const MAX_AGE: u8 = 8;
const CODE_VERIFIER: u8 = 16;
const ISSUER: u8 = 32;
const NONCE: u8 = 64;
/// The data is a text.
const TEXT: u8 = 128;

impl LoginAttempt {
    /// Reads an attempt that version 4 sealed; `None` if it is anything else.
    pub(crate) fn from_version_4(plain: &[u8]) -> Option<Self> {
        let mut input = Input(plain);
        let [flags] = *input.take(1)? else { return None };
        let has = |flag: u8| flags & flag != 0;
        let started_at = i64::from_le_bytes(input.take(8)?.try_into().ok()?);
        let lifetime = input.number()?;
        let max_age = if has(MAX_AGE) { Some(input.number()?) } else { None };
        let texts = input.lengths()?;
        let acrs = input.lengths()?;
        let data = input.length()?;

        let texts: Vec<String> = input.texts(&texts)?;
        let required_acr = input.texts(&acrs)?;
        let data = input.text(data)?;
        if !input.0.is_empty() || texts.len() < 7 {
            return None;
        }
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        let [provider, redirect_uri, client, state] = [next(), next(), next(), next()];
        let [issuer, nonce, verifier] = [next(), next(), next()];
        Some(Self {
            provider,
            issuer: has(ISSUER).then_some(issuer),
            redirect_uri,
            state: state.into(),
            code_verifier: if has(CODE_VERIFIER) { Some(CodeVerifier::new(verifier).ok()?) } else { None },
            restricted_to: Vec::new(),
            resources: Vec::new(),
            token_resource: None,
            authorization_details: None,
            nonce: has(NONCE).then(|| nonce.into()),
            response_mode: match flags & (FORM_POST | FRAGMENT) {
                0 => ResponseMode::Query,
                FORM_POST => ResponseMode::FormPost,
                FRAGMENT => ResponseMode::Fragment,
                _ => return None,
            },
            response_type: match has(CODE_ID_TOKEN) {
                true => ResponseType::CodeIdToken,
                false => ResponseType::Code,
            },
            max_age,
            required_acr,
            scopes: texts.collect(),
            client,
            started_at,
            lifetime,
            data: match data {
                data if has(TEXT) => data.into(),
                "" => Value::Null,
                data => json::parse(data.as_bytes()).ok()?,
            },
            notes: BTreeMap::new(),
        })
    }
}

/// What is left to read.
struct Input<'p>(&'p [u8]);

impl<'p> Input<'p> {
    fn take(&mut self, count: usize) -> Option<&'p [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = *self.take(1)? else { return None };
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        self.number()?.try_into().ok()
    }

    fn lengths(&mut self) -> Option<Vec<usize>> {
        let count = self.length()?;
        (0..count).map(|_| self.length()).collect()
    }

    fn text(&mut self, length: usize) -> Option<&'p str> {
        std::str::from_utf8(self.take(length)?).ok()
    }

    fn texts(&mut self, lengths: &[usize]) -> Option<Vec<String>> {
        lengths.iter().map(|&length| self.text(length).map(str::to_owned)).collect()
    }
}
