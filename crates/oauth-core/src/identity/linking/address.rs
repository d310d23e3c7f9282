//! When two e-mail addresses are the same.

/// An e-mail address in the form in which addresses are compared. Anything that is not plainly one address has none, so that it equals
/// nothing.
#[derive(PartialEq, Eq)]
pub(super) struct Comparable {
    /// In lower case, as far as it is ASCII. Dots and what follows a plus sign stay: only the mailbox's host knows what they mean.
    local: String,
    domain: String,
}

impl Comparable {
    pub(super) fn of(address: &str) -> Option<Self> {
        let (local, domain) = address.split_once('@')?;
        let is_odd = |character: char| character.is_whitespace() || character.is_control();
        // A second @ is allowed in quotes only, and programs disagree about where such an address ends.
        if local.is_empty() || local.contains(is_odd) || domain.contains('@') {
            return None;
        }
        Some(Self { local: local.to_ascii_lowercase(), domain: comparable_domain(domain)? })
    }

    pub(super) fn domain(&self) -> &str {
        &self.domain
    }
}

/// The A-labels of a domain in lower case (RFC 5890); `None` for what is not a domain name, or not written in its one
/// comparable form. Full-width letters, a Kelvin sign or an ideographic full stop would be turned into ASCII here, but a database or a
/// mail server may see another domain in them.
pub(super) fn comparable_domain(domain: &str) -> Option<String> {
    let lower = domain.to_lowercase();
    let is_ascii_again =
        |character: char| !character.is_ascii() && character.to_lowercase().all(|one| one.is_ascii());
    if domain.contains(is_ascii_again) {
        return None;
    }
    let ascii = idna::domain_to_ascii_strict(&lower).ok()?;
    let (unicode, valid) = idna::domain_to_unicode(&ascii);
    valid.ok()?;
    let is_canonical = lower.split('.').count() == unicode.split('.').count()
        && lower.split('.').zip(unicode.split('.')).all(|(given, shown)| given.is_ascii() || given == shown);
    // A name with a dot at the end, or with nothing in it.
    let has_labels = ascii.split('.').all(|label| !label.is_empty());
    (is_canonical && has_labels).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        matches!((Comparable::of(one), Comparable::of(other)), (Some(one), Some(other)) if one == other)
    }

    #[test]
    fn addresses_are_the_same_but_for_ascii_case_and_the_form_of_the_domain() {
        for (one, other) in [
            ("ceo@bank.example", "ceo@bank.example"),
            ("CEO@bank.example", "ceo@BANK.Example"),
            ("ceo@b\u{e4}nk.example", "ceo@xn--bnk-qla.example"),
            ("ceo@B\u{c4}NK.example", "ceo@XN--BNK-QLA.example"),
            ("a.b+c@bank.example", "a.b+c@bank.example"),
            ("\u{e9}@bank.example", "\u{e9}@bank.example"),
        ] {
            assert!(same(one, other) && same(other, one), "{one} {other}");
        }
    }

    #[test]
    fn addresses_that_only_look_the_same_are_not() {
        for other in [
            "ceo@b\u{e4}nk.example",
            "ceo@b\u{430}nk.example",
            "ceo@ban\u{212a}.example",
            "ceo@\u{ff42}ank.example",
            "ceo@bank\u{3002}example",
            "ceo@ba\u{ad}nk.example",
            "ceo@ba\u{200b}nk.example",
            "ceo@bank.example.",
            "ceo@.bank.example",
            "ceo@bank..example",
            "ceo@mail.bank.example",
            "ceo@bank.example@evil.example",
            "\"ceo@bank.example\"@evil.example",
            "ceo+a@bank.example",
            "c.eo@bank.example",
            "c\u{e9}o@bank.example",
            "\u{441}eo@bank.example",
            "ceo@bank.example ",
            " ceo@bank.example",
            "ceo@bank.example\n",
            "ceo\u{a0}@bank.example",
            "ceo\0@bank.example",
            "ceo@bank.example\0",
            "",
            "@",
            "ceo",
            "ceo@",
            "@bank.example",
        ] {
            assert!(!same("ceo@bank.example", other), "{other:?}");
        }
        // A Kelvin sign is not a k, in front of the @ either.
        assert!(!same("frank@bank.example", "fran\u{212a}@bank.example"));
    }

    #[test]
    fn what_is_no_address_is_not_even_the_same_as_itself() {
        for odd in [
            "",
            "@",
            "ceo",
            "a@b@c.example",
            "ceo@bank.example.",
            "ceo@[192.0.2.1]",
            "a b@bank.example",
            "ceo@xn--a.example",
        ] {
            assert!(!same(odd, odd), "{odd:?}");
        }
    }
}
