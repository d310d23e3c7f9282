//! Shopify's webhooks about shops that uninstall the app, and about people's data.

use oauth_core::{
    OAuth2, OffsetDateTime, Operation, Provider, Signal, SignalError, SignalEvent, SignalSubject,
    SignalVerifier, async_trait,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    parse_json,
    provider_kit::{check_media_type, hmac_sha256_base64, hmac_sha256_hex, single_header, text_at},
    same_secret,
    serde_json::Value,
};

use crate::shop::shop_name;

/// The verification of Shopify's webhooks, in errors.
pub const VERIFY_WEBHOOK: Operation = Operation::new("verify_webhook");

/// Verifies Shopify's [webhooks](https://shopify.dev/docs/apps/build/webhooks/verify-deliveries): `app/uninstalled` and the mandatory
/// [privacy webhooks](https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance), for all shops of an app.
///
/// Only the body is signed. So what the headers say of topic and shop must agree with it. A message is known again by its body and its
/// `X-Shopify-Event-Id`: a shop that uninstalls the app twice sends the same body twice.
#[derive(Clone, Debug)]
pub struct ShopifySignals {
    /// For its name and its secret: it signs in nobody.
    client: OAuth2,
}

impl ShopifySignals {
    /// A client that signs in nobody.
    pub(crate) fn of(client: OAuth2) -> Self {
        Self { client }
    }

    /// Names the provider differently, as in [`Provider::with_name`](oauth_core::Provider::with_name).
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.client = self.client.with_name(name.into());
        self
    }

    fn signal(&self, headers: &HeaderMap, body: Value, id: String) -> Result<Signal, SignalError> {
        let malformed = |what: &str| SignalError::Malformed(what.to_owned());
        let topic = single_header(headers, "x-shopify-topic")?;
        let shop = single_header(headers, "x-shopify-shop-domain")?;
        let domain = shop
            .strip_suffix(".myshopify.com")
            .and_then(|_| shop_name(shop))
            .map(|shop| format!("{shop}.myshopify.com"))
            .ok_or_else(|| malformed("x-shopify-shop-domain is not the domain of a shop"))?;
        // What else a message about a shop or a person has tells that the topic, which is not signed, is its own.
        let (event, domain_at, needs, has_not): (_, _, &[&str], &[&str]) = match topic {
            "app/uninstalled" => {
                (SignalEvent::ConsentRevoked, "/myshopify_domain", &["/id"], &["/customer", "/data_request"])
            }
            "customers/data_request" => {
                (SignalEvent::DataRequested, "/shop_domain", &["/shop_id", "/data_request", "/customer"], &[])
            }
            "customers/redact" => (
                SignalEvent::DeletionRequested,
                "/shop_domain",
                &["/shop_id", "/customer"],
                &["/data_request"],
            ),
            "shop/redact" => {
                let has_not = &["/customer", "/data_request", "/orders_to_redact"];
                (SignalEvent::DeletionRequested, "/shop_domain", &["/shop_id"], has_not)
            }
            other => (SignalEvent::Other { name: other.to_owned() }, "", &[], &[]),
        };
        let has = |at: &&str| body.pointer(at).is_some_and(|found| !found.is_null());
        if !needs.iter().all(has) || has_not.iter().any(has) {
            return Err(malformed("the body is not that of x-shopify-topic"));
        }
        // Shopify's tests of `app/uninstalled` have null in place of the domain.
        let is_test = topic == "app/uninstalled" && body.pointer(domain_at).is_some_and(Value::is_null);
        let is_of_shop = text_at(&body, domain_at).is_some_and(|own| own.eq_ignore_ascii_case(&domain));
        if !domain_at.is_empty() && !is_of_shop && !is_test {
            return Err(malformed("the body is about another shop than x-shopify-shop-domain"));
        }
        let about = match topic.starts_with("customers/") {
            true => SignalSubject::Customer { shop: domain, id: text_at(&body, "/customer/id") },
            false => {
                let id = if topic == "app/uninstalled" { "/id" } else { "/shop_id" };
                let id = if domain_at.is_empty() { None } else { text_at(&body, id) };
                SignalSubject::Shop { domain, id }
            }
        };
        let at = single_header(headers, "x-shopify-triggered-at").ok().and_then(moment);
        Ok(Signal::new(self.client.name(), id, about, event).with_time(at).with_details(body))
    }
}

#[async_trait]
impl SignalVerifier for ShopifySignals {
    fn provider(&self) -> &str {
        self.client.name()
    }

    async fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Signal>, SignalError> {
        let unsigned = |what: &str| SignalError::Signature(what.to_owned());
        let hmac = single_header(headers, "x-shopify-hmac-sha256")
            .map_err(|_| unsigned("there is no x-shopify-hmac-sha256, or there are several"))?;
        let secrets = self.client.reveal_client_secrets(VERIFY_WEBHOOK).await?;
        let Some(secret) =
            secrets.iter().find(|secret| same_secret(&hmac_sha256_base64(secret.expose(), body), hmac))
        else {
            return Err(unsigned("x-shopify-hmac-sha256 is not that of this app's secret"));
        };
        check_media_type(headers, "application/json")?;
        let text = std::str::from_utf8(body).unwrap_or_default();
        let json = parse_json(body).map_err(SignalError::Malformed)?;
        if !json.is_object() {
            return Err(SignalError::Malformed("the body is not a JSON object".to_owned()));
        }
        // The same body may come again for another event: that of `shop/redact` is always the same.
        let event = single_header(headers, "x-shopify-event-id").unwrap_or_default();
        let mut id = hmac_sha256_hex(secret.expose(), &format!("id.{event}.{text}"));
        id.truncate(32);
        Ok(vec![self.signal(headers, json, id)?])
    }

    /// 401 for what is not signed by Shopify, as its review of apps demands.
    fn refused(&self, error: &SignalError) -> Response<String> {
        let mut response = Response::new(error.public_message().to_owned());
        *response.status_mut() = match error {
            SignalError::Signature(_) => StatusCode::UNAUTHORIZED,
            other => other.status(),
        };
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        response
    }
}

/// A time such as `2026-03-29T18:00:27.877041743Z` (RFC 3339), to the second.
fn moment(text: &str) -> Option<OffsetDateTime> {
    let (date, rest) = text.split_once('T')?;
    let (time, zone) = rest.split_at_checked(8)?;
    let number = |text: &str, from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse().ok()
    };
    let is_date = date.len() == 10 && date.as_bytes()[4] == b'-' && date.as_bytes()[7] == b'-';
    let is_time = time.as_bytes()[2] == b':' && time.as_bytes()[5] == b':';
    let (year, month, day) = (number(date, 0, 4)?, number(date, 5, 7)?, number(date, 8, 10)?);
    let (hour, minute, second) = (number(time, 0, 2)?, number(time, 3, 5)?, number(time, 6, 8)?);
    let is_possible =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    let zone = zone.trim_start_matches(|character: char| character == '.' || character.is_ascii_digit());
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let sign = match zone.as_bytes().first()? {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            sign * (number(zone, 1, 3)? * 3600 + number(zone, 4, 6)? * 60)
        }
    };
    if !(is_date && is_time && is_possible) {
        return None;
    }
    // Days since 1970, with years that begin in March.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    OffsetDateTime::from_unix_timestamp(days * 86_400 + hour * 3600 + minute * 60 + second - offset).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_second() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2023-03-29T18:00:27.877041743Z", Some(1_680_112_827)),
            ("2024-02-29T12:00:00+02:00", Some(1_709_200_800)),
            ("2021-12-31T11:00:00-05:00", Some(1_640_966_400)),
            ("2021-13-31T11:00:00Z", None),
            ("2021-12-31 11:00:00Z", None),
            ("2021-12-31T11:00:00", None),
            ("2021-12-31T11:00", None),
            ("2021-12-31T1é:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(moment(text).map(OffsetDateTime::unix_timestamp), seconds, "{text}");
        }
    }
}
