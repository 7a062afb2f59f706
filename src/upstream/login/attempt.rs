use std::time::Duration;

use reqwest::{Method, header::HeaderValue};
use serde_json::{Map, Value};

use super::token::Token;
use crate::{
    clock::{Clock, before},
    config::{Secret, UpstreamConfig},
    model::Route,
    upstream::{
        error::{SendError, UpstreamError},
        transport::{Connection, Credential, Transport},
        wire::{LoginMeaning, RawAnswer, login_meaning},
    },
};

/// A shorter life in a token's own `exp` is ignored.
const MIN_LIFE: Duration = Duration::from_secs(10);

/// How a login ended.
pub(super) enum Outcome {
    /// With a token. `life` is how long it lives, where that is known; `refresh_ahead` the share of it after
    /// which the next login begins.
    Good { token: Token, life: Option<Duration>, refresh_ahead: f64 },
    /// The vendor says no to this account.
    Refused,
    /// It did not come to that. A vendor that asks for patience says so in the error.
    Failed(UpstreamError),
}

/// All that a login needs, from the configuration.
#[derive(Clone)]
pub(crate) struct LoginRequest {
    email: Secret,
    pub(super) password: Secret,
    client_id: HeaderValue,
    fields: Map<String, Value>,
    token_pointers: Vec<String>,
    refresh_ahead: f64,
    token_ttl: Duration,
    timeout: Duration,
}

impl LoginRequest {
    /// `client_id` is the value of `X-Client-Id`.
    pub(crate) fn new(config: &UpstreamConfig, client_id: HeaderValue) -> Self {
        Self {
            email: config.email.clone(),
            password: config.password.clone(),
            client_id,
            fields: config.login.fields.clone().into_iter().collect(),
            token_pointers: config.login.token_pointers.clone(),
            refresh_ahead: config.login.refresh_ahead,
            token_ttl: config.token_ttl,
            timeout: config.try_timeout,
        }
    }

    /// The same with another password, as if it had come from where this one did.
    pub(super) fn with_password(&self, password: Secret) -> Self {
        Self { password: password.from_where(&self.password), ..self.clone() }
    }

    /// Whether both are of one account, whatever their passwords.
    pub(super) fn same_account(&self, other: &Self) -> bool {
        self.email == other.email
    }

    /// Whether the vendor would see no difference between the two, nor we between its answers.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.credentials() == other.credentials() && self.token_pointers == other.token_pointers
    }

    /// All that the vendor judges a login by, its address apart. It is secret.
    pub(super) fn credentials(&self) -> String {
        format!("{}\n{}", String::from_utf8_lossy(self.client_id.as_bytes()), self.body())
    }

    fn body(&self) -> String {
        let mut body = self.fields.clone();
        body.insert("email".to_owned(), self.email.expose().into());
        body.insert("password".to_owned(), self.password.expose().into());
        Value::Object(body).to_string()
    }
}

/// Logs in once.
pub(super) async fn log_in(
    request: &LoginRequest,
    transport: &Transport,
    connection: Connection,
    clock: &dyn Clock,
) -> Outcome {
    // Not among the calls' connections: there is only ever one login, and they may all be waiting for it.
    let deadline = clock.now().after(request.timeout);
    let credential = Credential::ClientId(&request.client_id);
    let target = Route::Login.template();
    let sent = transport.send(Method::POST, target, credential, Some(request.body().into()), connection);
    match before(clock, deadline, sent).await {
        Some(Ok(answer)) => read(request, &answer, clock),
        Some(Err(SendError::NotSent | SendError::Cut)) => Outcome::Failed(UpstreamError::Unreachable),
        Some(Err(SendError::TooLarge)) => {
            Outcome::Failed(UpstreamError::InvalidResponse("its login answer is larger than upstream.max_response"))
        }
        Some(Err(SendError::Garbled)) => {
            Outcome::Failed(UpstreamError::InvalidResponse("its login answer cannot be unpacked"))
        }
        Some(Err(SendError::NotHttp)) => {
            Outcome::Failed(UpstreamError::InvalidResponse("its login answer is not valid HTTP"))
        }
        None => Outcome::Failed(UpstreamError::Timeout),
    }
}

fn read(request: &LoginRequest, answer: &RawAnswer, clock: &dyn Clock) -> Outcome {
    let token = |told: &Value| {
        request.token_pointers.iter().find_map(|pointer| Token::new(told.pointer(pointer)?.as_str()?.to_owned()))
    };
    match login_meaning(answer, token) {
        LoginMeaning::Good(token) => {
            // Such a life would cause one login after another: the token is used until the vendor refuses it.
            let life = token
                .life(clock.wall())
                .filter(|life| *life >= MIN_LIFE)
                .or((!request.token_ttl.is_zero()).then_some(request.token_ttl));
            Outcome::Good { token, life, refresh_ahead: request.refresh_ahead }
        }
        LoginMeaning::Refused => Outcome::Refused,
        LoginMeaning::Throttled(retry_after) => Outcome::Failed(UpstreamError::RateLimited { retry_after }),
        LoginMeaning::Failed => Outcome::Failed(UpstreamError::Failed { code: None, said_no: false }),
        LoginMeaning::Invalid(why) => Outcome::Failed(UpstreamError::InvalidResponse(why)),
    }
}
