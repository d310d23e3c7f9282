use std::{fs, path::PathBuf};

use oauth_fapi::{ClientCertificate, ClientCertificates, Profile, SigningKey};
use oauth_openid::{
    Algorithm,
    oauth_core::{ResponseMode, ResponseType},
};
use oauth_reqwest::{
    ReqwestClient,
    rustls::{
        ClientConfig, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    tls_defaults, tls_trusting, with_client_certificate,
};

/// A relying party for the conformance suite of the OpenID Foundation.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "rp-conformance")]
pub(crate) struct Settings {
    /// The issuer, byte for byte.
    #[arg(long, required_unless_present = "webfinger")]
    pub(crate) issuer: Option<String>,

    /// An address, such as acct:ada@example.com, whose issuer is to be found.
    #[arg(long)]
    pub(crate) webfinger: Option<String>,

    /// The id of a client that is registered already. Without it, one is registered.
    #[arg(long)]
    pub(crate) client_id: Option<String>,

    /// Its secret.
    #[arg(long, requires = "client_id")]
    pub(crate) client_secret: Option<String>,

    /// The token that a provider wants to see before it registers somebody.
    #[arg(long)]
    pub(crate) initial_access_token: Option<String>,

    /// Ends the run after this step.
    #[arg(long, value_parser = ["discover", "keys", "register"])]
    pub(crate) until: Option<String>,

    /// Deletes the registration at the end.
    #[arg(long)]
    pub(crate) delete: bool,

    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: String,

    /// The path of the redirect URI.
    #[arg(long, default_value = "/callback")]
    pub(crate) callback_path: String,

    /// A file with the certificate, in PEM form, by which this program speaks TLS: a provider begins a login at an https address only.
    #[arg(long, requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// A file with the certificate's key, in PEM form.
    #[arg(long, requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,

    /// The address by which browsers and the provider reach that place, if it is another.
    #[arg(long)]
    pub(crate) base_url: Option<String>,

    /// A file of certificates in PEM form to trust besides the system's: the suite has one of its own on a developer's machine.
    #[arg(long)]
    pub(crate) ca_certificate: Option<PathBuf>,

    /// What to ask for at the authorization endpoint.
    #[arg(long, default_value = "code", value_parser = ["code", "code id_token"])]
    pub(crate) response_type: String,

    /// How the answer is to come.
    #[arg(long, value_parser = response_mode)]
    pub(crate) response_mode: Option<ResponseMode>,

    /// Registers signed answers of this algorithm (JARM), and accepts no other.
    #[arg(long)]
    pub(crate) response_alg: Option<String>,

    /// Registers, and accepts, ID tokens of this algorithm only.
    #[arg(long)]
    pub(crate) id_token_alg: Option<String>,

    /// Registers signed UserInfo of this algorithm, and accepts no other.
    #[arg(long)]
    pub(crate) userinfo_alg: Option<String>,

    /// How to authenticate at the token endpoint: client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt,
    /// tls_client_auth, self_signed_tls_client_auth or none.
    #[arg(long)]
    pub(crate) token_endpoint_auth_method: Option<String>,

    /// A file with the private key, in PEM form, that signs client assertions and requests. Without it, one is generated, which is of use
    /// where the program registers itself.
    #[arg(long)]
    pub(crate) key: Option<PathBuf>,

    /// The name of that key, if it has another than its thumbprint.
    #[arg(long)]
    pub(crate) key_id: Option<String>,

    /// By which algorithm that key signs.
    #[arg(long, default_value = "PS256")]
    pub(crate) key_alg: String,

    /// A file with the certificate, in PEM form, that this program shows where the provider asks for one.
    #[arg(long, requires = "client_key")]
    pub(crate) client_certificate: Option<PathBuf>,

    /// A file with that certificate's key, in PEM form.
    #[arg(long, requires = "client_certificate")]
    pub(crate) client_key: Option<PathBuf>,

    /// What tokens are bound to.
    #[arg(long, value_parser = ["dpop", "mtls"])]
    pub(crate) sender_constraint: Option<String>,

    /// Pushes authorization requests.
    #[arg(long)]
    pub(crate) pushed: bool,

    /// Holds the client to this profile.
    #[arg(long, value_parser = profile)]
    pub(crate) profile: Option<Profile>,

    /// APIs to call by GET with the access token, once the user has signed in. Several are separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) resource: Vec<String>,

    /// The scopes; openid is added. Several are separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) scope: Vec<String>,

    /// The prompt.
    #[arg(long)]
    pub(crate) prompt: Option<String>,

    /// How long ago the user may have been authenticated, in seconds.
    #[arg(long)]
    pub(crate) max_age: Option<u64>,

    /// Who is going to sign in.
    #[arg(long)]
    pub(crate) login_hint: Option<String>,

    /// Has the user authenticated on another device (CIBA), in place of a login by the browser: by asking for the result, or by being told.
    /// With --request-type request_object, the request is signed.
    #[arg(long, requires = "login_hint", value_parser = ["poll", "ping"])]
    pub(crate) ciba: Option<String>,

    /// What that device shows.
    #[arg(long, requires = "ciba")]
    pub(crate) binding_message: Option<String>,

    /// Insists on one of these authentication contexts. Several are separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) acr: Vec<String>,

    /// The claims parameter, as JSON.
    #[arg(long)]
    pub(crate) claims: Option<String>,

    /// How many times to sign in with the one client: the provider may change its keys in between.
    #[arg(long, default_value_t = 1)]
    pub(crate) logins: u32,

    /// Whether to read UserInfo.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) userinfo: bool,

    /// Whether to refresh, if there is a refresh token.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) refresh: bool,

    /// Signs out at the provider, and waits for the browser to return.
    #[arg(long)]
    pub(crate) logout: bool,

    /// Signs out at the provider, and waits for its logout token.
    #[arg(long)]
    pub(crate) back_channel_logout: bool,

    /// Signs out at the provider, and waits for its page to load the frame.
    #[arg(long)]
    pub(crate) front_channel_logout: bool,

    /// Lets the provider begin the login.
    #[arg(long)]
    pub(crate) third_party_login: bool,

    /// Whose browser to use: this program's own, which runs no scripts, or print the address for yours.
    #[arg(long, value_enum, default_value_t = BrowserKind::Own)]
    pub(crate) browser: BrowserKind,

    /// What the program's own browser writes into fields of this name, as NAME=VALUE; for pages on which the user logs in.
    #[arg(long, value_name = "NAME=VALUE", value_parser = field)]
    pub(crate) fill: Vec<(String, String)>,

    /// How the authorization request is sent: by its parameters; signed by value, or pushed so with --pushed; signed at an address of this
    /// program, which must be https; or, as in the suite's Dynamic plan, as an unsigned request object at an address of this program.
    #[arg(
        long,
        default_value = "plain_http_request",
        value_parser = ["plain_http_request", "request_object", "signed_request_uri", "request_uri"],
    )]
    pub(crate) request_type: String,

    /// How many seconds to wait for each thing that must come.
    #[arg(long, default_value_t = 30)]
    pub(crate) wait: u64,

    /// What must come of it.
    #[arg(long, default_value = "accepted", value_parser = ["accepted", "refused"])]
    pub(crate) expect: String,

    /// Which check must refuse, such as Signature.
    #[arg(long)]
    pub(crate) expect_check: Option<String>,
}

/// Whose browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BrowserKind {
    /// This program's.
    Own,
    /// Yours.
    Print,
}

/// A field of a form and what goes into it.
fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is a name, an equals sign and a value")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn response_mode(name: &str) -> Result<ResponseMode, String> {
    ResponseMode::of(name)
        .ok_or_else(|| "it is the name of a response mode, such as form_post or jwt".to_owned())
}

fn profile(name: &str) -> Result<Profile, String> {
    match name {
        "fapi2_security" => Ok(Profile::Fapi2Security),
        "fapi2_message_signing" => Ok(Profile::Fapi2MessageSigning),
        _ => Err("it is fapi2_security or fapi2_message_signing".to_owned()),
    }
}

impl Settings {
    /// The key that signs.
    pub(crate) fn signing_key(&self) -> Result<SigningKey, String> {
        let algorithm =
            Algorithm::of(&self.key_alg).ok_or_else(|| format!("{:?} is not known here", self.key_alg))?;
        let key = match &self.key {
            Some(path) => {
                let pem = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
                SigningKey::from_pem(&pem, algorithm)
                    .map_err(|error| format!("{}: {error}", path.display()))?
            }
            None => SigningKey::generate(algorithm).map_err(|error| error.to_string())?,
        };
        Ok(match &self.key_id {
            Some(id) => key.with_key_id(id),
            None => key,
        })
    }

    /// The certificate that is shown, with the HTTP client that does so.
    pub(crate) fn certificates(&self) -> Result<Option<ClientCertificates>, String> {
        let (Some(path), Some(key)) = (&self.client_certificate, &self.client_key) else { return Ok(None) };
        let wrong = |error: String| format!("{}: {error}", path.display());
        let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let chain = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| wrong(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?;
        let tls = match self.tls()? {
            Some(tls) => tls,
            None => tls_defaults().map_err(|error| wrong(error.to_string()))?,
        };
        let tls = with_client_certificate(tls, chain, key).map_err(|error| wrong(error.to_string()))?;
        let http = ReqwestClient::with_tls(tls).map_err(|error| wrong(error.to_string()))?;
        let certificate = ClientCertificate::new(pem, http).map_err(|error| wrong(error.to_string()))?;
        Ok(Some(ClientCertificates::new(certificate)))
    }

    /// Whether requests are signed.
    pub(crate) fn signs_requests(&self) -> bool {
        matches!(&*self.request_type, "request_object" | "signed_request_uri")
            || self.profile == Some(Profile::Fapi2MessageSigning)
    }

    /// Whether the provider is told a public key.
    pub(crate) fn has_key(&self) -> bool {
        self.token_endpoint_auth_method.as_deref() == Some("private_key_jwt") || self.signs_requests()
    }

    pub(crate) fn uses_request_uri(&self) -> bool {
        self.request_type == "request_uri"
    }

    /// The certificate and the key by which this program speaks TLS.
    pub(crate) fn own_tls(&self) -> Result<Option<ServerConfig>, String> {
        let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) else { return Ok(None) };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|error| format!("{}: {error}", certificate.display()))?;
        let own = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?;
        let provider = std::sync::Arc::new(oauth_reqwest::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, own));
        config.map(Some).map_err(|error| error.to_string())
    }

    pub(crate) fn response_type(&self) -> ResponseType {
        match &*self.response_type {
            "code id_token" => ResponseType::CodeIdToken,
            _ => ResponseType::Code,
        }
    }

    /// Whether the run ends after this step.
    pub(crate) fn ends_after(&self, step: &str) -> bool {
        self.until.as_deref() == Some(step)
    }

    /// Whether the run ends with a logout, of whichever kind.
    pub(crate) fn logs_out(&self) -> bool {
        self.logout || self.back_channel_logout || self.front_channel_logout
    }

    /// Whom to trust, if not the system's certificates alone.
    pub(crate) fn tls(&self) -> Result<Option<ClientConfig>, String> {
        let Some(path) = &self.ca_certificate else { return Ok(None) };
        let wrong = |error: String| format!("{}: {error}", path.display());
        let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(error.to_string()))?;
        tls_trusting(certificates).map(Some).map_err(|error| wrong(error.to_string()))
    }
}
