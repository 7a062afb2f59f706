use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::{Method, header::HeaderValue};
use serde_json::{Map, Value};

use super::{machine::Outcome, token::Token};
use crate::{
    clock::{Clock, before},
    config::{Secret, UpstreamConfig},
    model::Route,
    upstream::{
        error::UpstreamError,
        transport::{Credential, SendError, Transport},
        wire::{LoginMeaning, RawAnswer, login_meaning},
    },
};

/// All that a login needs, from the configuration.
pub(crate) struct LoginRequest {
    email: Secret,
    password: Mutex<Secret>,
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
            password: Mutex::new(config.password.clone()),
            client_id,
            fields: config.login.fields.clone().into_iter().collect(),
            token_pointers: config.login.token_pointers.clone(),
            refresh_ahead: config.login.refresh_ahead,
            token_ttl: config.token_ttl,
            timeout: config.try_timeout,
        }
    }

    /// The password of the moment.
    pub(super) fn password(&self) -> MutexGuard<'_, Secret> {
        self.password.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the password, as if the new one had come from where the old one did, and gives the old one.
    pub(super) fn replace_password(&self, password: Secret) -> Secret {
        let mut current = self.password();
        let password = password.from_where(&current);
        std::mem::replace(&mut *current, password)
    }

    /// The body of a login: all that the vendor judges it by, its address and the client id apart.
    pub(super) fn body(&self) -> String {
        let mut body = self.fields.clone();
        body.insert("email".to_owned(), self.email.expose().into());
        body.insert("password".to_owned(), self.password().expose().into());
        Value::Object(body).to_string()
    }
}

/// Logs in once.
pub(super) async fn log_in(request: &LoginRequest, transport: &Transport, clock: &dyn Clock) -> Outcome {
    // Not among the calls' connections: there is only ever one login, and they may all be waiting for it.
    let deadline = clock.now().after(request.timeout);
    let credential = Credential::ClientId(&request.client_id);
    let target = Route::Login.template();
    let sent = transport.send(Method::POST, target, credential, Some(request.body()), clock.wall());
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
            let life = if request.token_ttl.is_zero() { token.life(clock.wall()) } else { Some(request.token_ttl) };
            Outcome::Good { token, life, refresh_ahead: request.refresh_ahead }
        }
        LoginMeaning::Refused => Outcome::Refused,
        LoginMeaning::Throttled(retry_after) => Outcome::Failed(UpstreamError::RateLimited { retry_after }),
        LoginMeaning::Failed => Outcome::Failed(UpstreamError::Failed { code: None, said_no: false }),
        LoginMeaning::Invalid(why) => Outcome::Failed(UpstreamError::InvalidResponse(why)),
    }
}
