//! Where a provider departs from the standards in a way that its facts cannot express.
//!
//! [`Dialect`]'s default methods are the standards. A provider that needs more has a file here that overrides some of them,
//! and a line in the table below.

mod amazon_cognito;
mod apple;
mod atlassian;
mod auth0;
mod bitbucket;
mod discord;
mod dropbox;
mod etsy;
mod eveonline;
mod facebook;
mod franceconnect;
mod github;
mod gitlab;
mod google;
mod hubspot;
mod instagram;
mod kakao;
mod keycloak;
mod linkedin;
mod login_gov;
mod microsoft;
mod naver;
mod patreon;
mod paypal;
mod reddit;
mod salesforce;
mod shopify;
mod slack;
mod stackexchange;
mod threads;
mod twitch;
mod vkid;
mod wechat;
mod workos;
mod x;
mod yahoo;
mod yandex;
mod zitadel;

use crate::exchange::Dialect;

/// The dialects, by the provider family that speaks each.
static DIALECTS: &[(&str, &dyn Dialect)] = &[
    ("amazon-cognito", &amazon_cognito::AmazonCognito),
    ("apple", &apple::Apple),
    ("atlassian", &atlassian::Atlassian),
    ("auth0", &auth0::Auth0),
    ("bitbucket", &bitbucket::Bitbucket),
    ("discord", &discord::Discord),
    ("dropbox", &dropbox::Dropbox),
    ("etsy", &etsy::Etsy),
    ("eveonline", &eveonline::EveOnline),
    ("facebook", &facebook::Facebook),
    ("franceconnect", &franceconnect::FranceConnect),
    ("github", &github::GitHub),
    ("gitlab", &gitlab::GitLab),
    ("google", &google::Google),
    ("hubspot", &hubspot::HubSpot),
    ("instagram", &instagram::Instagram),
    ("kakao", &kakao::Kakao),
    ("keycloak", &keycloak::Keycloak),
    ("linkedin", &linkedin::LinkedIn),
    ("login-gov", &login_gov::LoginGov),
    ("microsoft", &microsoft::Microsoft),
    ("naver", &naver::Naver),
    ("patreon", &patreon::Patreon),
    ("paypal", &paypal::PayPal),
    ("reddit", &reddit::Reddit),
    ("salesforce", &salesforce::Salesforce),
    ("shopify", &shopify::Shopify),
    ("slack", &slack::Slack),
    ("threads", &threads::Threads),
    ("stackexchange", &stackexchange::StackExchange),
    ("twitch", &twitch::Twitch),
    ("vkid", &vkid::VkId),
    ("wechat", &wechat::WeChat),
    ("workos", &workos::WorkOs),
    ("x", &x::X),
    ("yahoo", &yahoo::Yahoo),
    ("yandex", &yandex::Yandex),
    ("zitadel", &zitadel::Zitadel),
];

/// The dialect of a provider family; nothing but the standards where it has none of its own.
pub(crate) fn of(family: &str) -> &'static dyn Dialect {
    DIALECTS.iter().find(|(name, _)| *name == family).map_or(&Standard, |(_, dialect)| *dialect)
}

/// Nothing but the standards.
struct Standard;

impl Dialect for Standard {}
