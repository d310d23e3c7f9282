//! What is read of an X.509 certificate (RFC 5280 section 4.1): its key and for how long it is good.

use oauth_core::OffsetDateTime;
use pkcs8::{
    SubjectPublicKeyInfoRef,
    der::{
        Decode, SliceReader, Tag, Tagged,
        asn1::{AnyRef, GeneralizedTime, UtcTime},
    },
};

use crate::{key_error::KeyError, pem::blocks};

/// A certificate, as far as it says something here.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    pub(crate) not_before: Option<OffsetDateTime>,
    pub(crate) not_after: Option<OffsetDateTime>,
    /// As the certificate has it: a point, a PKCS#1 key, 32 bytes.
    pub(crate) public_key: Vec<u8>,
}

impl Certificate {
    /// Reads a certificate from PEM or DER. Of several in PEM, it is the first: the client's own.
    pub(crate) fn read(certificate: &[u8]) -> Result<Self, KeyError> {
        let wrong = || KeyError::Form("it is not an X.509 certificate".to_owned());
        let der = match std::str::from_utf8(certificate).ok().filter(|text| text.contains("-----BEGIN ")) {
            Some(pem) => {
                let all = blocks(pem);
                let own = all.iter().find(|block| block.label == "CERTIFICATE").ok_or_else(wrong)?;
                own.bytes()?.to_vec()
            }
            None => certificate.to_vec(),
        };
        read(&der).ok_or_else(wrong)
    }
}

fn read(der: &[u8]) -> Option<Certificate> {
    let mut certificate = sequence(AnyRef::from_der(der).ok()?)?;
    let mut signed = sequence(AnyRef::decode(&mut certificate).ok()?)?;
    // The version, unless it is the first one; then serial number, signature algorithm and issuer.
    let mut next = AnyRef::decode(&mut signed).ok()?;
    if next.tag().is_context_specific() {
        next = AnyRef::decode(&mut signed).ok()?;
    }
    if next.tag() != Tag::Integer {
        return None;
    }
    for _ in ["signature", "issuer"] {
        sequence(AnyRef::decode(&mut signed).ok()?)?;
    }
    let mut validity = sequence(AnyRef::decode(&mut signed).ok()?)?;
    let not_before = time(AnyRef::decode(&mut validity).ok()?);
    let not_after = time(AnyRef::decode(&mut validity).ok()?);
    // The subject.
    sequence(AnyRef::decode(&mut signed).ok()?)?;
    let key = SubjectPublicKeyInfoRef::decode(&mut signed).ok()?;
    let public_key = key.subject_public_key.as_bytes()?.to_vec();
    Some(Certificate { der: der.to_vec(), not_before, not_after, public_key })
}

fn sequence(any: AnyRef<'_>) -> Option<SliceReader<'_>> {
    SliceReader::new(any.value()).ok().filter(|_| any.tag() == Tag::Sequence)
}

fn time(any: AnyRef<'_>) -> Option<OffsetDateTime> {
    let since_1970 = match any.tag() {
        Tag::UtcTime => any.decode_as::<UtcTime>().ok()?.to_unix_duration(),
        Tag::GeneralizedTime => any.decode_as::<GeneralizedTime>().ok()?.to_unix_duration(),
        _ => return None,
    };
    OffsetDateTime::from_unix_timestamp(i64::try_from(since_1970.as_secs()).ok()?).ok()
}
