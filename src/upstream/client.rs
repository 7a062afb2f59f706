//! The way of one call to the vendor, from the breaker to the last try.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use reqwest::Method;

use super::{
    barred::Barred,
    breaker::{Breaker, BreakerState, Pass},
    budget::{CallBudget, Spent},
    credentials::{Hidden, OwnAccount},
    error::{StartError, UpstreamError},
    failure::{Failure, outcome},
    login::{Login, LoginRequest, LoginState},
    retry::{self, RetryBudget},
    streak::Streak,
    transport::{Credential, SendError, Transport, sensitive},
    vendor::{Answer, Budget, Called, Effort, Patience, Vendor},
    wire::{self, Meaning, RawAnswer},
};
use crate::{
    clock::{Moment, SharedClock, before},
    config::UpstreamConfig,
    model::{QueueId, Route, Shape},
    telemetry::{
        Metrics,
        traces::{CallTold, TracePoint},
    },
};

/// The vendor, as the gateway sees it.
pub struct Wesal {
    transport: Arc<Transport>,
    pub(super) login: Arc<Login>,
    /// One change of the service login's own password at a time.
    pub(super) password_changes: tokio::sync::Mutex<()>,
    pub(super) breaker: Mutex<Breaker>,
    pub(super) streak: Mutex<Streak>,
    pub(super) budget: CallBudget,
    retry_budget: Mutex<RetryBudget>,
    /// Until when the vendor asked all of us to wait.
    pub(super) paused_until: Mutex<Moment>,
    pub(super) barred: Mutex<Barred>,
    pub(super) own: ArcSwap<OwnAccount>,
    authorization_prefix: String,
    /// What never stands in words that callers are shown, the token of the moment apart.
    pub(super) hidden: Mutex<Hidden>,
    /// The settings that hold, its credentials being the last that were taken over.
    pub(super) configured: Mutex<UpstreamConfig>,
    retries: u32,
    try_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) max_wait: Duration,
    pub(super) clock: SharedClock,
    metrics: Arc<Metrics>,
}

/// What is sent, and with which of the two credentials.
pub(super) struct Request<'a> {
    pub(super) route: Route,
    pub(super) target: &'a str,
    pub(super) body: Option<String>,
    /// Where its spans belong.
    pub(super) under: &'a TracePoint,
}

impl Wesal {
    /// Sets up the vendor's side; nothing is sent yet.
    pub fn new(config: &UpstreamConfig, clock: SharedClock, metrics: Arc<Metrics>) -> Result<Arc<Self>, StartError> {
        let own = OwnAccount::new(config)?;
        let transport = Arc::new(Transport::new(config, clock.clone())?);
        let request = LoginRequest::new(config, own.client_id.clone());
        let scheme = config.auth_scheme.as_str();
        Ok(Arc::new(Self {
            login: Login::new(config, request, Arc::clone(&transport), clock.clone(), Arc::clone(&metrics)),
            transport,
            breaker: Mutex::new(Breaker::new(config.breaker.clone())),
            streak: Mutex::default(),
            budget: CallBudget::new(&config.rate_limit, clock.clone()),
            retry_budget: Mutex::new(RetryBudget::new(config.retry_budget)),
            paused_until: Mutex::default(),
            barred: Mutex::default(),
            own: ArcSwap::from_pointee(own),
            authorization_prefix: if scheme.is_empty() { String::new() } else { format!("{scheme} ") },
            hidden: Mutex::new(Hidden::of(config)),
            configured: Mutex::new(config.clone()),
            password_changes: tokio::sync::Mutex::default(),
            retries: config.retries,
            try_timeout: config.try_timeout,
            request_timeout: config.request_timeout,
            max_wait: config.max_wait,
            clock,
            metrics,
        }))
    }

    /// Keeps the service login good, for ever. To be run as one task.
    pub async fn keep_logged_in(self: Arc<Self>) {
        Arc::clone(&self.login).keep().await;
    }

    /// Ends when no login is under way and the outcome of the last one is written down, as is due before the process ends.
    pub async fn login_settled(&self) {
        self.login.settled().await;
    }

    /// What the service login is doing.
    pub fn login_state(&self) -> LoginState {
        self.login.state()
    }

    /// What the breaker is doing.
    pub fn breaker_state(&self) -> BreakerState {
        lock(&self.breaker).state()
    }

    async fn tries(
        &self,
        request: &Request<'_>,
        patience: Patience,
        deadline: Moment,
        effort: &mut Effort,
    ) -> Result<Answer, UpstreamError> {
        let for_budget = if patience == Patience::Waits { self.max_wait } else { Duration::ZERO };
        if let Some(retry_after) = lock(&self.barred).left(request.route, self.clock.now()) {
            return Err(UpstreamError::LoginFailed { retry_after });
        }
        lock(&self.retry_budget).earn();
        let mut tried = 0;
        let mut token_replaced = false;
        loop {
            let pass = self.admit()?;
            let held = self.login.token().await.map_err(|unavailable| unavailable.error)?;
            // First, as a call that is not made must cost nothing of the budget; and last, as a pause may have begun
            // while this call waited for the others.
            self.wait_out_pause(self.max_wait).await?;
            self.take_from_budget(for_budget).await?;
            self.wait_out_pause(self.max_wait).await?;
            let authorization = sensitive(&format!("{}{}", self.authorization_prefix, held.token.expose()))
                .ok_or(UpstreamError::InvalidResponse("its access token cannot stand in a header"))?;
            let credential = Credential::Authorization(authorization);
            match self.try_once(request, credential, Some(held.token.expose()), deadline, pass, effort).await {
                Ok(answer) => {
                    lock(&self.barred).lift(request.route, held.generation, token_replaced);
                    return Ok(answer);
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::TokenDead) => {
                    let now = self.clock.now();
                    let may = !token_replaced
                        && lock(&self.barred).login_may_help(request.route, request.target, held.generation, now);
                    if !may || !self.login.died(held.generation) {
                        let asked_with = held.generation.saturating_sub(u64::from(token_replaced));
                        let retry_after =
                            lock(&self.barred).bar(request.route, request.target, asked_with, token_replaced, now);
                        return Err(UpstreamError::LoginFailed { retry_after });
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

    pub(super) async fn try_once(
        &self,
        request: &Request<'_>,
        credential: Credential<'_>,
        token: Option<&str>,
        deadline: Moment,
        pass: BreakerPass<'_>,
        effort: &mut Effort,
    ) -> Result<Answer, Failure> {
        let _connection = self.transport.connection().await;
        let (began, began_at) = (self.clock.now(), self.clock.wall());
        let span = request.under.begin();
        let tries_before = effort.calls;
        effort.calls += 1;
        let method = if request.body.is_some() { Method::POST } else { Method::GET };
        let sent = self.transport.send(method, request.target, credential, request.body.clone(), began_at);
        let deadline = deadline.min(began.after(self.try_timeout));
        let sent = before(self.clock.as_ref(), deadline, sent).await;
        let time = self.clock.now().since(began);
        effort.time += time;

        let answered = match &sent {
            Some(Ok(answer)) => answer.status < 500,
            Some(Err(SendError::TooLarge | SendError::Garbled)) => true,
            Some(Err(SendError::NotSent | SendError::Cut | SendError::NotHttp)) | None => false,
        };
        let status = sent.as_ref().and_then(|sent| sent.as_ref().ok()).map(|answer| answer.status);
        let read = match sent {
            None => Err(Failure::Final(UpstreamError::Timeout)),
            Some(Err(SendError::NotSent | SendError::Cut)) => Err(Failure::Passing(UpstreamError::Unreachable)),
            Some(Err(SendError::TooLarge)) => {
                Err(Failure::Final(UpstreamError::InvalidResponse("it is larger than upstream.max_response")))
            }
            Some(Err(SendError::Garbled)) => {
                Err(Failure::Final(UpstreamError::InvalidResponse("it cannot be unpacked")))
            }
            Some(Err(SendError::NotHttp)) => {
                Err(Failure::Final(UpstreamError::InvalidResponse("it is not valid HTTP")))
            }
            Some(Ok(answer)) => self.read(request.route, answer, token),
        };
        let outcome = outcome(&read);
        self.metrics.vendor_call(request.route, outcome, time);
        let (method, route) = (if request.body.is_some() { "POST" } else { "GET" }, request.route.template());
        span.end_call(&CallTold { method, route, status, outcome, tries_before });
        let succeeded = match &read {
            Ok(_) | Err(Failure::TokenDead | Failure::Throttled(_)) => true,
            Err(Failure::Final(UpstreamError::Rejected(_))) => true,
            // What a further route's documents are, nobody promised; one that is odd is no failing vendor.
            Err(Failure::Final(_)) if matches!(request.route, Route::Further(_)) => answered,
            Err(Failure::Passing(_) | Failure::Final(_)) => false,
        };
        lock(&self.streak).record((!succeeded).then_some(outcome), self.clock.now());
        pass.record(succeeded);
        read.map(|body| Answer { body, began, began_at })
    }

    fn read(&self, route: Route, answer: RawAnswer, token: Option<&str>) -> Result<Bytes, Failure> {
        let meaning = {
            let hidden = lock(&self.hidden);
            let secrets: Vec<&str> = hidden.all().chain(token).collect();
            wire::meaning(route, &answer, &secrets)
        };
        match meaning {
            Meaning::Success => Ok(answer.body),
            Meaning::TokenDead => Err(Failure::TokenDead),
            Meaning::Throttled(wait) => {
                let mut paused_until = lock(&self.paused_until);
                *paused_until = (*paused_until).max(self.clock.now().after(wait));
                Err(Failure::Throttled(wait))
            }
            Meaning::Unavailable => Err(Failure::Passing(UpstreamError::Failed { code: None, said_no: false })),
            Meaning::Failed { code, said_no } => Err(Failure::Final(UpstreamError::Failed { code, said_no })),
            Meaning::Rejected(rejection) => Err(Failure::Final(UpstreamError::Rejected(rejection))),
            Meaning::Invalid(why) => Err(Failure::Final(UpstreamError::InvalidResponse(why))),
        }
    }

    /// A 429 stops all calls, not only the one that met it. Another may lengthen the pause while this one waits.
    pub(super) async fn wait_out_pause(&self, max_wait: Duration) -> Result<(), UpstreamError> {
        let give_up = self.clock.now().after(max_wait);
        loop {
            let until = *lock(&self.paused_until);
            let now = self.clock.now();
            if until <= now {
                return Ok(());
            }
            if until > give_up {
                return Err(UpstreamError::RateLimited { retry_after: until.since(now) });
            }
            self.clock.sleep_until(until).await;
        }
    }

    pub(super) async fn take_from_budget(&self, max_wait: Duration) -> Result<(), UpstreamError> {
        let spent = |Spent { retry_after }| UpstreamError::BudgetExhausted { retry_after };
        self.budget.take(max_wait).await.map_err(spent)
    }

    pub(super) fn admit(&self) -> Result<BreakerPass<'_>, UpstreamError> {
        match lock(&self.breaker).admit(self.clock.now()) {
            Ok(pass) => Ok(BreakerPass { wesal: self, pass: Some(pass) }),
            Err(retry_after) => Err(UpstreamError::CircuitOpen { retry_after }),
        }
    }
}

impl Vendor for Wesal {
    /// Tries again if that may help, within `upstream.request_timeout`.
    fn call<'a>(
        &'a self,
        shape: &'a Shape,
        queues: &'a [QueueId],
        patience: Patience,
        under: &'a TracePoint,
    ) -> BoxFuture<'a, Called> {
        async move {
            let request = Request { route: shape.route(), target: shape.target(), body: shape.body(queues), under };
            let deadline = self.clock.now().after(self.request_timeout);
            let mut effort = Effort::default();
            let tries = self.tries(&request, patience, deadline, &mut effort);
            let done = before(self.clock.as_ref(), deadline, tries).await;
            Called { result: done.unwrap_or(Err(UpstreamError::Timeout)), effort }
        }
        .boxed()
    }

    fn budget(&self) -> Budget {
        self.budget.left()
    }
}

/// Gives the pass back also when the try never came to be sent.
pub(super) struct BreakerPass<'a> {
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number from 0 to 1 for jitter. Without entropy there is no jitter, which is no reason to fail.
fn random_unit() -> f64 {
    getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX))
}
