//! How sure a login must be of its user: `acr` and its levels, `max_age`, `prompt=login` (OpenID Connect Core sections 3.1.2.1
//! and 5.5.1.1).

use serde_json::{Map, Value};

use crate::{authorization::Params, login::LoginOptions, oauth2::OAuth2, text::json};

impl OAuth2 {
    /// The authentication contexts of which the ID token of a login must name one.
    ///
    /// # Errors
    ///
    /// What is wrong, when what is insisted on cannot be checked.
    pub(crate) fn acr_of_login(&self, options: &LoginOptions) -> Result<Vec<String>, String> {
        let params = self.sent_params(options.extras());
        let insisted = match options.required_acr() {
            None => params.get("claims").map(essential_acr).unwrap_or_default(),
            // A list that a setting left empty must not become a login without a restriction.
            Some(required) if required.iter().all(|acr| acr.trim().is_empty()) => {
                return Err(
                    "require_acr names no authentication context; leave it out for a login that insists on none".to_owned()
                );
            }
            Some(required) => {
                claims_with(params.get("claims"), required)?;
                required.to_vec()
            }
        };
        if !insisted.is_empty() && !self.verifies_id_tokens() {
            return Err("acr is a claim of ID tokens, and this client gets none".to_owned());
        }
        if self.spec().login.acr_levels.is_empty() {
            return Ok(insisted);
        }
        let unknown = insisted.iter().find(|acr| self.acr_rank(acr).is_none());
        if let Some(unknown) = unknown {
            let known: Vec<_> = self.spec().login.acr_levels.iter().map(|(acr, _)| acr).collect();
            return Err(format!("the provider's acr never says {unknown:?}, only one of {known:?}"));
        }
        // Where levels are known, what is asked for is checked as well: the browser carries the request, and can change it.
        let asked = match &*insisted {
            [] => params.get("acr_values").unwrap_or_default().split(' ').map(str::to_owned).collect(),
            insisted => insisted.to_vec(),
        };
        let rank = asked.iter().filter_map(|acr| self.acr_rank(acr)).min();
        let minimum = self.minimum_acr().and_then(|acr| self.acr_rank(acr));
        if let (Some(rank), Some(minimum), Some(acr)) = (rank, minimum, self.minimum_acr())
            && rank < minimum
        {
            return Err(format!("this login asks for less than {acr:?}, the least that the client accepts"));
        }
        Ok(match rank.max(minimum) {
            None => Vec::new(),
            Some(least) => {
                let enough = self.spec().login.acr_levels.iter().filter(|(_, rank)| *rank >= least);
                enough.map(|(acr, _)| (*acr).to_owned()).collect()
            }
        })
    }

    fn acr_rank(&self, acr: &str) -> Option<u8> {
        self.spec().login.acr_levels.iter().find(|(known, _)| *known == acr).map(|(_, rank)| *rank)
    }

    /// The parameters by which a login asks for what [`LoginOptions::require_acr`] insists on.
    pub(crate) fn acr_params(&self, options: &LoginOptions) -> Params {
        let mut params = Params::default();
        let Some(required) = options.required_acr() else { return params };
        let sent = self.sent_params(options.extras());
        let mut values = required.to_vec();
        if self.spec().login.acr_levels.is_empty() {
            // What cannot be put together was refused when the attempt was made.
            if let Ok(claims) = claims_with(sent.get("claims"), required) {
                params.set("claims".into(), claims.to_string().into());
            }
            // Some servers let `acr_values` take the claim's place, and then nothing is essential any more.
            if sent.get("acr_values").is_none() {
                return params;
            }
        } else {
            // What is not a level says something else, such as the second factor that Login.gov is to ask for.
            let others = sent.get("acr_values").unwrap_or_default().split(' ').filter(|acr| !acr.is_empty());
            values.extend(others.filter(|acr| self.acr_rank(acr).is_none()).map(str::to_owned));
        }
        params.set("acr_values".into(), values.join(" ").into());
        params
    }

    /// How long ago the user of a login may have been authenticated, in seconds.
    ///
    /// # Errors
    ///
    /// What is wrong, when it is not a number, or cannot be checked.
    pub(crate) fn max_age_of_login(&self, options: &LoginOptions) -> Result<Option<u64>, String> {
        let params = self.sent_params(options.extras());
        match params.get("max_age").map(str::parse) {
            Some(Err(_)) => Err("max_age must be a whole number of seconds".to_owned()),
            Some(Ok(_)) if !self.verifies_id_tokens() => {
                Err("max_age is checked in ID tokens, and this client gets none".to_owned())
            }
            Some(Ok(age)) => Ok(Some(age)),
            None => Ok(None),
        }
    }

    /// Whether a login has the user authenticate anew.
    pub(crate) fn prompts_for_login(&self, options: &LoginOptions) -> bool {
        let params = self.sent_params(options.extras());
        params.get("prompt").unwrap_or_default().split(' ').any(|prompt| prompt == "login")
    }
}

/// A `claims` parameter that insists on an `acr`, too.
fn claims_with(claims: Option<&str>, acr: &[String]) -> Result<Value, String> {
    let mut claims = match claims.map(|claims| json::parse(claims.as_bytes())) {
        None => Value::Object(Map::new()),
        Some(Ok(claims)) if claims.is_object() => claims,
        Some(_) => return Err("the parameter claims must be a JSON object".to_owned()),
    };
    if !(claims["id_token"].is_null() || claims["id_token"].is_object()) {
        return Err(
            "the member id_token of the parameter claims must be an object, for require_acr".to_owned()
        );
    }
    let mut essential = Map::new();
    essential.insert("essential".to_owned(), true.into());
    essential.insert("values".to_owned(), acr.to_vec().into());
    claims["id_token"]["acr"] = essential.into();
    Ok(claims)
}

/// The `acr` that a `claims` parameter insists on.
fn essential_acr(claims: &str) -> Vec<String> {
    let claims = json::parse(claims.as_bytes()).unwrap_or_default();
    let acr = &claims["id_token"]["acr"];
    if acr["essential"] != true {
        return Vec::new();
    }
    let mut values = acr["values"].as_array().cloned().unwrap_or_default();
    values.push(acr["value"].clone());
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
