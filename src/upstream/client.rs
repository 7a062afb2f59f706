//! The way of one call to the vendor, from the breaker to the last try.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::{Method, header::HeaderValue};

use super::{
    breaker::{Breaker, Pass},
    budget::CallBudget,
    error::{StartError, UpstreamError},
    login::{Login, LoginRequest, LoginState},
    retry::{self, RetryBudget},
    transport::{Credential, SendError, Transport, sensitive},
    wire::{self, Meaning, RawAnswer},
};
use crate::{
    clock::{Moment, SharedClock, before},
    config::{Secret, UpstreamConfig},
    model::{PartKey, Route},
};

/// The vendor, as the gateway sees it.
pub struct Wesal {
    transport: Arc<Transport>,
    login: Arc<Login>,
    breaker: Mutex<Breaker>,
    budget: CallBudget,
    retry_budget: Mutex<RetryBudget>,
    /// Until when the vendor asked all of us to wait.
    paused_until: Mutex<Moment>,
    client_id: HeaderValue,
    authorization_prefix: String,
    secrets: [Secret; 3],
    retries: u32,
    try_timeout: Duration,
    request_timeout: Duration,
    max_wait: Duration,
    clock: SharedClock,
}

/// A complete, valid, successful answer.
#[derive(Clone)]
pub struct Answer {
    /// The vendor's body, byte for byte.
    pub body: Bytes,
    /// When the call that brought it began.
    pub began: Moment,
    /// The same by the calendar.
    pub began_at: Timestamp,
}

/// What it cost to get an answer or a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Requests sent to the vendor, logins apart.
    pub calls: u32,
    /// The time they took, waits between them apart.
    pub time: Duration,
}

/// How a call ended, and what it cost.
pub struct Called {
    /// The answer, or why there is none.
    pub result: Result<Answer, UpstreamError>,
    /// What it cost.
    pub effort: Effort,
}

/// What is sent, and with which of the two credentials.
struct Request<'a> {
    route: Route,
    target: &'a str,
    body: Option<String>,
}

/// Why a try gave no answer, and whether another may.
enum Failure {
    Passing(UpstreamError),
    Final(UpstreamError),
    TokenDead,
    Throttled(Duration),
}

impl Wesal {
    /// Sets up the vendor's side; nothing is sent yet.
    pub fn new(config: &UpstreamConfig, clock: SharedClock) -> Result<Arc<Self>, StartError> {
        let client_id = sensitive(config.client_id.expose()).ok_or(StartError::Header("upstream.client_id"))?;
        let transport = Arc::new(Transport::new(config)?);
        let request = LoginRequest::new(config, client_id.clone());
        let scheme = config.auth_scheme.as_str();
        Ok(Arc::new(Self {
            login: Login::new(request, Arc::clone(&transport), clock.clone()),
            transport,
            breaker: Mutex::new(Breaker::new(config.breaker.clone())),
            budget: CallBudget::new(&config.rate_limit, config.max_wait, clock.clone()),
            retry_budget: Mutex::new(RetryBudget::new(config.retry_budget)),
            paused_until: Mutex::default(),
            client_id,
            authorization_prefix: if scheme.is_empty() { String::new() } else { format!("{scheme} ") },
            secrets: [config.client_id.clone(), config.email.clone(), config.password.clone()],
            retries: config.retries,
            try_timeout: config.try_timeout,
            request_timeout: config.request_timeout,
            max_wait: config.max_wait,
            clock,
        }))
    }

    /// Keeps the service login good, for ever. To be run as one task.
    pub async fn keep_logged_in(self: Arc<Self>) {
        Arc::clone(&self.login).keep().await;
    }

    /// What the service login is doing.
    pub fn login_state(&self) -> LoginState {
        self.login.state()
    }

    /// Whether `email` is the service login's own; letter case does not matter.
    pub fn is_own_email(&self, email: &str) -> bool {
        let [_, own, _] = &self.secrets;
        own.expose().trim().to_lowercase() == email.trim().to_lowercase()
    }

    /// Asks the vendor for a part: again if that may help, within `upstream.request_timeout`.
    pub async fn call(&self, key: &PartKey) -> Called {
        let request = Request { route: key.route(), target: key.target(), body: key.body() };
        let deadline = self.clock.now().after(self.request_timeout);
        let mut effort = Effort::default();
        let done = before(self.clock.as_ref(), deadline, self.tries(&request, deadline, &mut effort)).await;
        Called { result: done.unwrap_or(Err(UpstreamError::Timeout)), effort }
    }

    /// Calls `/auth/reset` or `/auth/verify`, once: they are not safe to repeat.
    pub async fn call_account(&self, route: Route, body: String) -> Called {
        let request = Request { route, target: route.template(), body: Some(body) };
        let deadline = self.clock.now().after(self.request_timeout);
        let mut effort = Effort::default();
        let once = async {
            let pass = self.admit()?;
            self.wait_out_pause().await?;
            self.take_from_budget().await?;
            let credential = Credential::ClientId(&self.client_id);
            self.try_once(&request, credential, deadline, pass, &mut effort).await.map_err(|failure| match failure {
                Failure::Passing(error) | Failure::Final(error) => error,
                // There is no token on these routes: it is the client id that is refused.
                Failure::TokenDead => UpstreamError::Failed { code: None },
                Failure::Throttled(retry_after) => UpstreamError::RateLimited { retry_after },
            })
        };
        let done = before(self.clock.as_ref(), deadline, once).await;
        Called { result: done.unwrap_or(Err(UpstreamError::Timeout)), effort }
    }

    async fn tries(
        &self,
        request: &Request<'_>,
        deadline: Moment,
        effort: &mut Effort,
    ) -> Result<Answer, UpstreamError> {
        let mut tried = 0;
        let mut token_replaced = false;
        loop {
            let pass = self.admit()?;
            self.wait_out_pause().await?;
            let held = self.login.token().await.map_err(|unavailable| unavailable.error)?;
            self.take_from_budget().await?;
            if tried == 0 {
                lock(&self.retry_budget).earn();
            }
            let authorization = sensitive(&format!("{}{}", self.authorization_prefix, held.token.expose()))
                .ok_or(UpstreamError::InvalidResponse("its access token cannot stand in a header"))?;
            let credential = Credential::Authorization(authorization);
            match self.try_once(request, credential, deadline, pass, effort).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::TokenDead) => {
                    self.login.died(held.generation);
                    if token_replaced {
                        return Err(UpstreamError::LoginFailed { retry_after: Duration::from_secs(2) });
                    }
                    token_replaced = true;
                }
                Err(Failure::Throttled(wait)) => {
                    tried += 1;
                    if tried > self.retries || wait > self.max_wait {
                        return Err(UpstreamError::RateLimited { retry_after: wait });
                    }
                }
                Err(Failure::Passing(error)) => {
                    tried += 1;
                    let Some(pause) = retry::pause(tried, self.retries, random_unit()) else { return Err(error) };
                    let again = self.clock.now().after(pause);
                    if again >= deadline || !lock(&self.retry_budget).spend() {
                        return Err(error);
                    }
                    self.clock.sleep_until(again).await;
                }
            }
        }
    }

    async fn try_once(
        &self,
        request: &Request<'_>,
        credential: Credential<'_>,
        deadline: Moment,
        pass: BreakerPass<'_>,
        effort: &mut Effort,
    ) -> Result<Answer, Failure> {
        let (began, began_at) = (self.clock.now(), self.clock.wall());
        effort.calls += 1;
        let method = if request.body.is_some() { Method::POST } else { Method::GET };
        let sent = self.transport.send(method, request.target, credential, request.body.clone(), began_at);
        let deadline = deadline.min(began.after(self.try_timeout));
        let sent = before(self.clock.as_ref(), deadline, sent).await;
        effort.time += self.clock.now().since(began);

        let read = match sent {
            None => Err(Failure::Final(UpstreamError::Timeout)),
            Some(Err(SendError::NotSent | SendError::Cut)) => Err(Failure::Passing(UpstreamError::Unreachable)),
            Some(Err(SendError::TooLarge)) => {
                Err(Failure::Final(UpstreamError::InvalidResponse("it is larger than upstream.max_response")))
            }
            Some(Ok(answer)) => self.read(request.route, answer),
        };
        pass.record(match &read {
            Ok(_) | Err(Failure::TokenDead | Failure::Throttled(_)) => true,
            Err(Failure::Final(UpstreamError::Rejected(_))) => true,
            Err(Failure::Passing(_) | Failure::Final(_)) => false,
        });
        read.map(|body| Answer { body, began, began_at })
    }

    fn read(&self, route: Route, answer: RawAnswer) -> Result<Bytes, Failure> {
        let secrets = self.secrets.each_ref().map(Secret::expose);
        match wire::meaning(route, &answer, &secrets) {
            Meaning::Success => Ok(answer.body),
            Meaning::TokenDead | Meaning::AccountRefused => Err(Failure::TokenDead),
            Meaning::Throttled(wait) => {
                let mut paused_until = lock(&self.paused_until);
                *paused_until = (*paused_until).max(self.clock.now().after(wait));
                Err(Failure::Throttled(wait))
            }
            Meaning::Unavailable => Err(Failure::Passing(UpstreamError::Failed { code: None })),
            Meaning::Failed(code) => Err(Failure::Final(UpstreamError::Failed { code })),
            Meaning::Rejected(rejection) => Err(Failure::Final(UpstreamError::Rejected(rejection))),
            Meaning::Invalid(why) => Err(Failure::Final(UpstreamError::InvalidResponse(why))),
        }
    }

    /// A 429 stops all calls, not only the one that met it.
    async fn wait_out_pause(&self) -> Result<(), UpstreamError> {
        let until = *lock(&self.paused_until);
        let left = until.since(self.clock.now());
        if left > self.max_wait {
            return Err(UpstreamError::RateLimited { retry_after: left });
        }
        if !left.is_zero() {
            self.clock.sleep_until(until).await;
        }
        Ok(())
    }

    async fn take_from_budget(&self) -> Result<(), UpstreamError> {
        let spent = |spent: super::budget::Spent| UpstreamError::BudgetExhausted { retry_after: spent.retry_after };
        self.budget.take().await.map_err(spent)
    }

    fn admit(&self) -> Result<BreakerPass<'_>, UpstreamError> {
        match lock(&self.breaker).admit(self.clock.now()) {
            Ok(pass) => Ok(BreakerPass { wesal: self, pass: Some(pass) }),
            Err(retry_after) => Err(UpstreamError::CircuitOpen { retry_after }),
        }
    }
}

/// Gives the pass back also when the try never came to be sent.
struct BreakerPass<'a> {
    wesal: &'a Wesal,
    pass: Option<Pass>,
}

impl BreakerPass<'_> {
    fn record(mut self, succeeded: bool) {
        if let Some(pass) = self.pass.take() {
            lock(&self.wesal.breaker).record(pass, succeeded, self.wesal.clock.now());
        }
    }
}

impl Drop for BreakerPass<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            lock(&self.wesal.breaker).forfeit(pass, self.wesal.clock.now());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number from 0 to 1 for jitter. Without entropy there is no jitter, which is no reason to fail.
fn random_unit() -> f64 {
    getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX))
}
