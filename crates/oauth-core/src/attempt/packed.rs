//! An attempt in few bytes, which is what [`Sealer`](crate::Sealer) encrypts.
//!
//! ```text
//! flags ‖ started_at ‖ lifetime ‖ [max_age]
//!   ‖ number of texts ‖ the length of each ‖ number of ACRs ‖ the length of each ‖ length of the data
//!   ‖ texts ‖ ACRs ‖ data: nothing if it is null, a text as it is, else JSON
//! ```
//!
//! `started_at` has eight bytes, the smallest first; all other numbers are as long as they need to be (LEB128).

use std::{borrow::Cow, sync::OnceLock};

use serde_json::Value;

use super::{ISSUER, LoginAttempt, NAMED, NONCE, Texts, VERIFIER};
use crate::{
    authorization::{ResponseMode, ResponseType},
    json,
    pkce::is_verifier,
    secret::SecretBytes,
};

impl LoginAttempt {
    const FORM_POST: u8 = 1;
    const FRAGMENT: u8 = 2;
    const CODE_ID_TOKEN: u8 = 4;
    const MAX_AGE: u8 = 8;
    const CODE_VERIFIER: u8 = 16;
    const ISSUER: u8 = 32;
    const NONCE: u8 = 64;
    /// The data is a text, as it is for most: where to return to.
    const TEXT: u8 = 128;

    /// The application's data as it stands in the packed attempt.
    pub(crate) fn packed_data(&self) -> Cow<'_, str> {
        match &self.data {
            Value::Null => "".into(),
            Value::String(text) => text.into(),
            other => other.to_string().into(),
        }
    }

    /// More bytes than [`pack`](Self::pack) will write with this data.
    pub(crate) fn packed_len(&self, data: &str) -> usize {
        /// A number has ten bytes at most.
        const NUMBER: usize = 10;
        let numbers = 8 + self.texts.ends.len() + self.required_acr.len();
        let acrs: usize = self.required_acr.iter().map(String::len).sum();
        numbers * NUMBER + self.texts.all().len() + acrs + data.len()
    }

    /// Writes it, with its [`packed_data`](Self::packed_data).
    pub(crate) fn pack(&self, data: &str, to: &mut Vec<u8>) {
        let mode = match self.response_mode {
            ResponseMode::Query => 0,
            ResponseMode::FormPost => Self::FORM_POST,
            ResponseMode::Fragment => Self::FRAGMENT,
        };
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        to.push(
            mode | flag(Self::CODE_ID_TOKEN, self.response_type == ResponseType::CodeIdToken)
                | flag(Self::MAX_AGE, self.max_age.is_some())
                | flag(Self::CODE_VERIFIER, self.texts.has_verifier)
                | flag(Self::ISSUER, self.texts.has_issuer)
                | flag(Self::NONCE, self.texts.has_nonce)
                | flag(Self::TEXT, self.data.is_string()),
        );
        to.extend_from_slice(&self.started_at.to_le_bytes());
        push_number(to, self.lifetime);
        if let Some(max_age) = self.max_age {
            push_number(to, max_age);
        }
        push_number(to, self.texts.ends.len() as u64);
        for length in self.texts.lengths() {
            push_number(to, length as u64);
        }
        push_number(to, self.required_acr.len() as u64);
        for acr in &self.required_acr {
            push_number(to, acr.len() as u64);
        }
        push_number(to, data.len() as u64);
        to.extend_from_slice(self.texts.all().as_bytes());
        for acr in &self.required_acr {
            to.extend_from_slice(acr.as_bytes());
        }
        to.extend_from_slice(data.as_bytes());
    }

    /// Reads what [`pack`](Self::pack) wrote, from this place on. `None` if it is anything else, or more, or less.
    pub(crate) fn unpack(packed: SecretBytes, from: usize) -> Option<Self> {
        let mut numbers = Numbers { rest: packed.expose().get(from..)? };
        let flags = numbers.byte()?;
        let has = |flag: u8| flags & flag != 0;
        let response_mode = match flags & (Self::FORM_POST | Self::FRAGMENT) {
            0 => ResponseMode::Query,
            Self::FORM_POST => ResponseMode::FormPost,
            Self::FRAGMENT => ResponseMode::Fragment,
            _ => return None,
        };
        let response_type =
            if has(Self::CODE_ID_TOKEN) { ResponseType::CodeIdToken } else { ResponseType::Code };
        let started_at = numbers.timestamp()?;
        let lifetime = numbers.next()?;
        let max_age = if has(Self::MAX_AGE) { Some(numbers.next()?) } else { None };
        let ends = numbers.ends(0)?;
        let texts_end = *ends.get(NAMED - 1).and(ends.last())?;
        let acr_ends = numbers.ends(texts_end)?;
        let data_start = acr_ends.last().copied().unwrap_or(texts_end);
        let data_end = data_start.checked_add(numbers.length()?)?;

        let start = packed.expose().len() - numbers.rest.len();
        let mut whole = packed.into_text(start)?;
        let text = &whole.expose()[start..];
        if text.len() != data_end || !ends.iter().all(|&end| text.is_char_boundary(end)) {
            return None;
        }
        let mut required_acr = Vec::with_capacity(acr_ends.len());
        let mut acr_start = texts_end;
        for acr_end in acr_ends {
            required_acr.push(text.get(acr_start..acr_end)?.to_owned());
            acr_start = acr_end;
        }
        let data = match text.get(data_start..)? {
            data if has(Self::TEXT) => data.into(),
            "" => Value::Null,
            data => json::parse(data.as_bytes()).ok()?,
        };
        whole.truncate(start + texts_end);
        let (has_issuer, has_nonce) = (has(Self::ISSUER), has(Self::NONCE));
        let has_verifier = has(Self::CODE_VERIFIER);
        let texts = Texts { whole, start, ends, has_issuer, has_nonce, has_verifier };
        // What is not there has no length.
        let fits = |is_there: bool, place| is_there || texts.get(place).is_empty();
        let verifier_fits = if has_verifier { is_verifier } else { str::is_empty };
        if !fits(has_issuer, ISSUER) || !fits(has_nonce, NONCE) || !verifier_fits(texts.get(VERIFIER)) {
            return None;
        }
        let code_verifier = OnceLock::new();
        Some(Self {
            texts,
            response_mode,
            response_type,
            max_age,
            required_acr,
            started_at,
            lifetime,
            data,
            code_verifier,
        })
    }
}

fn push_number(to: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// What is left of the numbers of a packed attempt.
struct Numbers<'p> {
    rest: &'p [u8],
}

impl Numbers<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn timestamp(&mut self) -> Option<i64> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(i64::from_le_bytes(*bytes))
    }

    fn next(&mut self) -> Option<u64> {
        // Most are small.
        if let Some((&byte @ ..0x80, rest)) = self.rest.split_first() {
            self.rest = rest;
            return Some(u64::from(byte));
        }
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            number |= bits << shift;
            if byte < 0x80 {
                // Neither bits that have no place nor a longer form than needed.
                let is_shortest = (number >> shift == bits) && (bits > 0 || shift == 0);
                return is_shortest.then_some(number);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        self.next()?.try_into().ok()
    }

    /// A number of lengths, and the lengths, as the places where what is so long ends if the first starts here.
    fn ends(&mut self, start: usize) -> Option<Vec<usize>> {
        let count = self.length()?;
        // Each takes a byte at least, so that no number makes us reserve more than a multiple of what there is.
        if count > self.rest.len() {
            return None;
        }
        let mut ends = Vec::with_capacity(count);
        let mut end = start;
        for _ in 0..count {
            end = self.length()?.checked_add(end)?;
            ends.push(end);
        }
        Some(ends)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::attempt::tests::attempts;

    fn packed(attempt: &LoginAttempt) -> Vec<u8> {
        let data = attempt.packed_data();
        let mut packed = Vec::with_capacity(attempt.packed_len(&data));
        let place = packed.as_ptr();
        attempt.pack(&data, &mut packed);
        assert_eq!(packed.as_ptr(), place, "it was moved, which leaves a copy of the secrets behind");
        packed
    }

    fn unpacked(packed: &[u8]) -> Option<LoginAttempt> {
        LoginAttempt::unpack(SecretBytes::new(packed.to_vec()), 0)
    }

    #[test]
    fn a_packed_attempt_unpacks_to_itself() {
        for attempt in attempts() {
            let again = unpacked(&packed(&attempt)).unwrap();
            assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(&attempt).unwrap());
            assert_eq!(again.nonce(), attempt.nonce());
            assert_eq!(again.issuer(), attempt.issuer());
        }
    }

    #[test]
    fn an_attempt_keeps_the_piece_of_memory_that_was_decrypted() {
        let attempt = &attempts()[0];
        let bytes = SecretBytes::new([&[0xff; 17][..], &packed(attempt)].concat());
        let place = bytes.expose().as_ptr();
        let attempt = LoginAttempt::unpack(bytes, 17).unwrap();
        assert_eq!(attempt.texts.whole.expose().as_ptr(), place);
        assert_eq!(attempt.provider(), attempts()[0].provider());
    }

    #[test]
    fn nothing_may_be_missing_or_left_over() {
        for attempt in attempts() {
            let mut packed = packed(&attempt);
            for length in 0..packed.len() {
                assert!(unpacked(&packed[..length]).is_none(), "{length} of {attempt:?}");
            }
            packed.push(b'x');
            assert!(unpacked(&packed).is_none(), "{attempt:?}");
        }
    }

    /// The parts of the least attempt, to be put together wrongly.
    fn by_hand(flags: u8, lengths: &[u8], texts: &str) -> Vec<u8> {
        let mut packed = vec![flags];
        packed.extend(1_700_000_000_i64.to_le_bytes());
        packed.push(100);
        packed.extend(lengths);
        packed.extend(texts.as_bytes());
        packed
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let good = [7, 1, 1, 1, 1, 0, 0, 0, 0, 0];
        assert!(unpacked(&by_hand(0, &good, "prcs")).is_some());
        let with_verifier = [7, 1, 1, 1, 1, 0, 0, 43, 0, 0];
        let verifier = format!("prcs{}", "v".repeat(43));
        let attempt = unpacked(&by_hand(16, &with_verifier, &verifier)).unwrap();
        assert_eq!(attempt.code_verifier().unwrap().expose(), "v".repeat(43));
        let with_max_age =
            |last: u8| [&[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, last], &good[..]].concat();
        let large = unpacked(&by_hand(8, &with_max_age(1), "prcs")).unwrap();
        assert_eq!(large.max_age(), Some(Duration::from_secs((1 << 63) + 1)));
        let refused: &[(&str, Vec<u8>)] = &[
            ("two response modes", by_hand(3, &good, "prcs")),
            ("no nonce, but its text", by_hand(0, &[7, 1, 1, 1, 1, 0, 1, 0, 0, 0], "prcsn")),
            ("no issuer, but its text", by_hand(0, &[7, 1, 1, 1, 1, 1, 0, 0, 0, 0], "prcsi")),
            ("too few texts", by_hand(0, &[6, 1, 1, 1, 1, 0, 0, 0, 0], "prcs")),
            ("no texts", by_hand(0, &[0, 0, 0], "")),
            ("a text that ends within a character", by_hand(0, &[7, 1, 1, 2, 1, 0, 0, 0, 0, 0], "päcs")),
            ("no code verifier, but its text", by_hand(0, &[7, 1, 1, 1, 1, 0, 0, 43, 0, 0], &verifier)),
            ("a short code verifier", by_hand(16, &[7, 1, 1, 1, 1, 0, 0, 1, 0, 0], "prcsv")),
            ("an empty code verifier", by_hand(16, &good, "prcs")),
            ("a code verifier with a space", by_hand(16, &with_verifier, &verifier.replace("vv", "v "))),
            ("data that is no JSON", by_hand(0, &[7, 1, 1, 1, 1, 0, 0, 0, 0, 1], "prcs{")),
            (
                "a number in more bytes than it needs",
                by_hand(0, &[0x87, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0], "prcs"),
            ),
            ("a number without an end", by_hand(0, &[0xff; 12], "prcs")),
            ("a number of more than 64 bits", by_hand(8, &with_max_age(2), "prcs")),
            (
                "more texts than there are bytes",
                by_hand(0, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "prcs"),
            ),
            (
                "lengths that overflow",
                by_hand(
                    0,
                    &[7, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1, 0, 0, 0, 0, 0],
                    "prcs",
                ),
            ),
            ("no UTF-8", [&by_hand(0, &good, "prc")[..], &[0xff]].concat()),
        ];
        for (what, packed) in refused {
            assert!(unpacked(packed).is_none(), "{what}");
        }
    }
}
