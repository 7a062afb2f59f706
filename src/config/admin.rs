use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    listen::{self, ListenAddress},
    secret::{self, Secret},
    validator::Validator,
};

/// `[admin]`: the admin listener.
// It holds a secret: no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Address to listen on, as in `server.listen`; `""` turns the listener off. An address beyond loopback requires a token.
    #[serde(with = "listen::optional")]
    #[schemars(with = "String", example = &"127.0.0.1:9090")]
    pub listen: Option<ListenAddress>,
    /// Token that `Authorization: Bearer` must carry, at least 16 characters.
    #[serde(serialize_with = "Secret::mask")]
    pub token: Secret,
    /// File that holds the token.
    #[serde(skip_serializing_if = "secret::mask_shows_path")]
    pub token_file: Option<PathBuf>,
}

/// As many random characters cannot be guessed.
const MIN_TOKEN_LEN: usize = 16;

impl Default for AdminConfig {
    fn default() -> Self {
        let listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)).into());
        Self { listen, token: Secret::default(), token_file: None }
    }
}

impl AdminConfig {
    pub(super) fn validate(&self, validator: &mut Validator<'_, '_>) {
        let is_guarded = self.listen.as_ref().is_none_or(ListenAddress::is_local) || !self.token.is_empty();
        let reason = "is beyond loopback, where an admin token is needed";
        let remedy = "set admin.token_file, or listen on \"127.0.0.1:9090\"";
        validator.require_all(is_guarded, &["listen", "token", "token_file"], reason, remedy);
        let token = self.token.expose();
        let is_long_enough = token.is_empty() || token.len() >= MIN_TOKEN_LEN;
        let remedy = "create one with `openssl rand -base64 32`";
        validator.require_all(is_long_enough, &["token", "token_file"], "is shorter than 16 characters", remedy);
        let is_printable = token.bytes().all(|byte| byte.is_ascii_graphic());
        let reason = "holds a character that is invalid in a header";
        validator.require_all(is_printable, &["token", "token_file"], reason, "use printable ASCII without spaces");
    }
}
