//! Keys and certificates, and what a client with them does: signed, pushed and bound requests.

use std::sync::Arc;

use oauth_fapi::{
    CertificateBoundTokens, ClientCertificates, ClientSecretJwt, Dpop, DpopProvider, HostedRequests,
    PrivateKeyJwt, Profile, PublicJwks, PushedRequests, SignedRequests, SignedResponses, Signer, SigningKeys,
    TlsClientAuth,
};
use oauth_openid::{
    Algorithm, ClientMetadata, OpenID,
    oauth_core::{
        Credentials, Provider,
        serde_json::{self, Value},
    },
};

use super::{
    Settings,
    endpoints::Endpoints,
    report::{Stop, refused},
};

/// What of all this a run has.
pub(super) struct Secured {
    settings: Settings,
    keys: Option<SigningKeys>,
    certificates: Option<ClientCertificates>,
    credentials: Option<Credentials>,
    hosted: Option<HostedRequests>,
}

impl Secured {
    pub(super) fn of(settings: &Settings, endpoints: &Endpoints) -> Result<Self, String> {
        let keys = match settings.has_key() {
            true => Some(SigningKeys::from(settings.signing_key()?)),
            false => None,
        };
        let certificates = settings.certificates()?;
        let needs_certificate =
            || certificates.clone().ok_or("it needs --client-certificate and --client-key");
        let credentials = match (settings.token_endpoint_auth_method.as_deref(), &keys) {
            (Some("private_key_jwt"), Some(keys)) => {
                Some(Credentials::authentication(PrivateKeyJwt::new(keys.clone())))
            }
            (Some("client_secret_jwt"), _) => {
                let secret =
                    settings.client_secret.clone().ok_or("client_secret_jwt needs --client-secret")?;
                let signed =
                    ClientSecretJwt::new(secret, Algorithm::HS256).map_err(|error| error.to_string())?;
                Some(Credentials::authentication(signed))
            }
            (Some("tls_client_auth"), _) => {
                Some(Credentials::authentication(TlsClientAuth::new(needs_certificate()?)))
            }
            (Some("self_signed_tls_client_auth"), _) => {
                Some(Credentials::authentication(TlsClientAuth::self_signed(needs_certificate()?)))
            }
            _ => None,
        };
        if settings.sender_constraint.as_deref() == Some("mtls") {
            needs_certificate()?;
        }
        let hosted = match &*settings.request_type {
            "signed_request_uri" => Some(endpoints.hosted().map_err(|error| error.to_string())?),
            _ => None,
        };
        Ok(Self { settings: settings.clone(), keys, certificates, credentials, hosted })
    }

    /// Whether the client authenticates itself otherwise than by sending a secret.
    pub(super) fn authenticates(&self) -> bool {
        self.credentials.is_some()
    }

    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// What signs requests for authentication on another device, if they are to be signed.
    pub(super) fn signer(&self) -> Option<Arc<dyn Signer>> {
        self.keys.as_ref().filter(|_| self.settings.signs_requests()).map(SigningKeys::current)
    }

    /// What the client registers beyond what every client does.
    pub(super) fn registration(&self, metadata: ClientMetadata) -> ClientMetadata {
        let settings = &self.settings;
        let keys = self.keys.as_ref().map(SigningKeys::public_jwks);
        let jwks =
            keys.as_ref().map(PublicJwks::json).and_then(|json| serde_json::from_str::<Value>(json).ok());
        let bound = |by: &str| (settings.sender_constraint.as_deref() == Some(by)).then_some(true);
        let metadata = match jwks {
            Some(jwks) => metadata.set("jwks", jwks),
            None => metadata,
        };
        metadata
            .set("dpop_bound_access_tokens", bound("dpop"))
            .set("tls_client_certificate_bound_access_tokens", bound("mtls"))
            .set("require_pushed_authorization_requests", settings.pushed.then_some(true))
            .set("authorization_signed_response_alg", &settings.response_alg)
            .set("request_object_signing_alg", settings.signs_requests().then_some(&settings.key_alg))
            .set(
                "backchannel_authentication_request_signing_alg",
                settings.ciba.as_ref().filter(|_| settings.signs_requests()).map(|_| &settings.key_alg),
            )
    }

    /// The client with all that was asked for.
    pub(super) fn client(&self, mut client: OpenID) -> Result<OpenID, Stop> {
        let settings = &self.settings;
        let wrong = |problem: String| Stop::failed("settings", problem);
        if settings.pushed {
            client = client.with_participant(PushedRequests::new().required());
        }
        if let Some(keys) = self.keys.as_ref().filter(|_| settings.signs_requests()) {
            let mut signed = SignedRequests::new(keys.clone());
            if let Some(hosted) = &self.hosted {
                signed = signed.hosted(hosted.clone());
            }
            client = client.with_participant(signed);
        }
        let is_jarm = settings.response_mode.is_some_and(|mode| mode.is_jwt());
        if let Some(name) = &settings.response_alg {
            let algorithm =
                Algorithm::of(name).ok_or_else(|| wrong(format!("{name:?} is not known here")))?;
            client = client.with_participant(SignedResponses::new().algorithms([algorithm]));
        } else if is_jarm {
            client = client.with_participant(SignedResponses::new());
        }
        match (settings.sender_constraint.as_deref(), &self.certificates) {
            (Some("dpop"), _) => client = client.with_dpop(Dpop::generate().map_err(refused("settings"))?),
            (Some("mtls"), Some(certificates)) => {
                client = client.with_participant(CertificateBoundTokens::new(certificates.clone()));
            }
            _ => {}
        }
        match settings.profile {
            Some(profile) => Profile::apply(profile, client).map_err(refused("profile")),
            None => Ok(client),
        }
    }
}
