use serde_json::Value;

use crate::config::{Secret, UpstreamConfig};

/// What never stands in words that callers are shown: all that a login is made of.
pub(super) fn secrets(config: &UpstreamConfig) -> Vec<Secret> {
    let mut secrets = vec![config.client_id.clone(), config.email.clone(), config.password.clone()];
    config.login.fields.values().for_each(|value| texts_within(value, &mut secrets));
    secrets
}

/// The texts and numbers in a value, however deep.
fn texts_within(value: &Value, texts: &mut Vec<Secret>) {
    match value {
        Value::String(text) => texts.push(Secret::new(text)),
        Value::Number(number) => texts.push(Secret::new(&number.to_string())),
        Value::Array(values) => values.iter().for_each(|value| texts_within(value, texts)),
        Value::Object(members) => members.values().for_each(|value| texts_within(value, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_login_is_made_of_is_one() {
        let mut config = UpstreamConfig { email: Secret::new("a@b.c"), ..UpstreamConfig::default() };
        let auth = serde_json::json!({ "pin": "1234", "more": [{ "code": 77, "yes": true }] });
        config.login.fields.insert("auth".to_owned(), auth);
        let all: Vec<String> = secrets(&config).iter().map(|secret| secret.expose().to_owned()).collect();
        for secret in ["a@b.c", "1234", "77"] {
            assert!(all.iter().any(|one| one == secret), "{secret}");
        }
    }
}
