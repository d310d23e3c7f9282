//! Certificates that tokens are bound to (RFC 8705).

use std::sync::Mutex;

use oauth_core::{AuthenticationError, Participant, Provider, RequestContext, RequestDraft, async_trait};
use oauth_fapi::{
    CertificateBoundTokens, ClientCertificate, ClientCertificates, PrivateKeyJwt, Profile, SigningKey,
};
use oauth_openid::Algorithm;

use crate::server::Server;

fn certificate(server: &Server, name: &str) -> ClientCertificate {
    let params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    ClientCertificate::new(certificate.der(), server.clone()).unwrap()
}

fn key() -> PrivateKeyJwt {
    PrivateKeyJwt::new(SigningKey::generate(Algorithm::ES256).unwrap())
}

/// Replaces the certificate once a request has been made ready to be sent by the former one.
#[derive(Debug)]
struct Replaces(ClientCertificates, Mutex<Option<ClientCertificate>>);

#[async_trait]
impl Participant for Replaces {
    async fn before_send(
        &self,
        context: &RequestContext<'_>,
        _request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        if context.url.ends_with("/token")
            && let Some(next) = self.1.lock().unwrap().take()
        {
            self.0.replace(next);
        }
        Ok(())
    }
}

#[tokio::test]
async fn ca_09_a_token_notes_the_certificate_that_was_shown_though_it_was_replaced_meanwhile() {
    let server = Server::new();
    let (former, next) = (certificate(&server, "former.example"), certificate(&server, "next.example"));
    let shown = next.thumbprint().to_owned();
    let certificates = ClientCertificates::new(former);
    let client = server
        .client(key())
        .with_participant(CertificateBoundTokens::new(certificates.clone()))
        .with_participant(Replaces(certificates, Mutex::new(Some(next))));
    let login = server.login(&client).await.unwrap();
    assert_eq!(login.token.confirmation().unwrap()["x5t#S256"], shown);
    // So it can be used without a refresh.
    client.get_profile_of(&login.token).await.unwrap();
}

#[tokio::test]
async fn fa_16_what_the_metadata_do_not_say_of_certificates_can_be_agreed_upon() {
    let server = Server::new();
    let bound = CertificateBoundTokens::new(certificate(&server, "client.example"));
    let client = |bound: CertificateBoundTokens| {
        Profile::Fapi2Security.apply(server.client(key()).with_participant(bound)).unwrap()
    };
    let error = server.login(&client(bound.clone())).await.unwrap_err();
    assert!(error.to_string().contains("CertificateBoundTokens::binding_is_agreed"), "{error}");
    assert!(server.requests("/par").is_empty());
    server.login(&client(bound.binding_is_agreed())).await.unwrap();
}
