use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ListenAddress, Secret, listen, secret, validator::Validator};

/// `[admin]`: the listener for those who run the gateway.
// It holds a secret: no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// The address to listen at, as IP:PORT or `unix:` and an absolute path; an empty text turns it off. Beyond loopback it needs a token.
    #[serde(deserialize_with = "listen::optional", serialize_with = "listen::show")]
    #[schemars(with = "String")]
    pub listen: Option<ListenAddress>,
    /// What `Authorization: Bearer …` must bear here, 16 characters at least. Better given as `token_file` or from the environment.
    #[serde(serialize_with = "Secret::mask")]
    pub token: Secret,
    /// A file that holds the token.
    #[serde(skip_serializing_if = "secret::mask_tells_the_file")]
    pub token_file: Option<PathBuf>,
}

/// As many characters as nobody guesses, if they are random.
const SHORTEST_TOKEN: usize = 16;

impl Default for AdminConfig {
    fn default() -> Self {
        let listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)).into());
        Self { listen, token: Secret::default(), token_file: None }
    }
}

impl AdminConfig {
    pub(super) fn secrets_mut(&mut self) -> [(&mut Secret, &mut Option<PathBuf>); 1] {
        [(&mut self.token, &mut self.token_file)]
    }

    pub(super) fn validate(&self, validator: &mut Validator<'_>) {
        let guarded = self.listen.as_ref().is_none_or(ListenAddress::is_local) || !self.token.is_empty();
        let reason = "is beyond loopback, where an admin token is needed";
        let remedy = "set admin.token_file, or listen at \"127.0.0.1:9090\"";
        validator.require_all(guarded, &["listen", "token", "token_file"], reason, remedy);
        let sendable = self.token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        let long_enough = self.token.is_empty() || self.token.expose().len() >= SHORTEST_TOKEN;
        let reason = "is shorter than 16 characters, so that it could be guessed";
        let remedy = "make one with: openssl rand -base64 32";
        validator.require_all(long_enough, &["token", "token_file"], reason, remedy);
        let reason = "holds a character that cannot stand in a header";
        validator.require_all(
            sendable,
            &["token", "token_file"],
            reason,
            "use letters, digits and signs, without spaces",
        );
    }
}
