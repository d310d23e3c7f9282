//! Tokens that are exchanged for others (RFC 8693).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    arguments::ExchangeRequest,
    exit::{CommandResult, Failure},
};

/// What an account's token is exchanged for, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeptExchange {
    pub(crate) subject: Subject,
    pub(crate) subject_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) audiences: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) requested_type: Option<String>,
}

/// Where the token is that is exchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subject {
    /// The tokens of another account.
    Account(String),
    /// A file, such as one that a platform keeps fresh for its workloads.
    File(PathBuf),
    /// Standard input, which can be read once.
    Input,
}

impl KeptExchange {
    /// What the command line asks for.
    pub(crate) fn of_arguments(request: &ExchangeRequest) -> CommandResult<Self> {
        let subject = match (&request.subject_account, request.subject_token_file.as_deref()) {
            (Some(account), _) => Subject::Account(account.clone()),
            (None, Some("-")) => Subject::Input,
            // It is read again in whatever folder a token is asked for.
            (None, Some(file)) => Subject::File(std::path::absolute(file)?),
            (None, None) => {
                return Err(Failure::Usage(
                    "which token is to be exchanged? --subject-account names an account, --subject-token-file a file".to_owned(),
                ));
            }
        };
        Ok(Self {
            subject,
            subject_type: token_type(request.subject_token_type.as_deref().unwrap_or("access_token"))?,
            audiences: request.audiences.clone(),
            resources: request.resources.clone(),
            requested_type: request.requested_token_type.as_deref().map(token_type).transpose()?,
        })
    }
}

/// The URI of a type, of which the standard's are known by their last word.
fn token_type(text: &str) -> CommandResult<String> {
    match text {
        "access_token" | "refresh_token" | "id_token" | "jwt" | "saml1" | "saml2" | "id-jag" => {
            Ok(format!("urn:ietf:params:oauth:token-type:{text}"))
        }
        uri if uri.contains(':') => Ok(uri.to_owned()),
        other => Err(Failure::Usage(format!(
            "{other:?} is not a type of token; access_token, id_token, jwt, saml1, saml2 and any URI are"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_word_of_the_standard_or_a_uri() {
        assert_eq!(token_type("jwt").unwrap(), "urn:ietf:params:oauth:token-type:jwt");
        assert_eq!(token_type("https://as.example/t").unwrap(), "https://as.example/t");
        assert!(matches!(token_type("token_access"), Err(Failure::Usage(_))));
    }
}
