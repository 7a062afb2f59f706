//! The way of one call to the vendor, from the breaker to the last try.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use reqwest::Method;
use tokio::sync::SemaphorePermit;

use super::{
    barred::Barred,
    breaker::{Breaker, BreakerState},
    budget::CallBudget,
    credentials::{Hidden, OwnAccount},
    error::{StartError, UpstreamError},
    failure::{CUT_SHORT, Failure, outcome},
    login::{Login, LoginRequest, LoginState},
    pass::BreakerPass,
    pauses::Pauses,
    retry::{self, RetryBudget},
    streak::Streak,
    transport::{Credential, SendError, Transport, sensitive},
    vendor::{Answer, Budget, Called, Effort, Patience, TargetState, Vendor, VendorCall},
    verdict::{Ended, Verdict},
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

/// A try that had this share of `upstream.try_timeout` had all of it: where that is as long as the whole request may take,
/// what goes before a try always leaves it a little less.
const WHOLE: f64 = 0.9;

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
    /// Until when the vendor asked us to wait.
    pub(super) pauses: Mutex<Pauses>,
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
    pub(super) body: Option<Bytes>,
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
            pauses: Mutex::default(),
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
        let mut wait = self.max_wait;
        if let Some(retry_after) = lock(&self.barred).left(request.route, self.clock.now()) {
            return Err(UpstreamError::LoginFailed { retry_after });
        }
        lock(&self.retry_budget).earn();
        let mut tried = 0;
        let mut token_replaced = false;
        loop {
            let pass = Some(self.admit()?);
            let held = self.login.token().await.map_err(|unavailable| unavailable.error)?;
            // First, as a call that is not made must cost nothing of the budget; and last, as a pause may have begun
            // while this call waited for the others.
            self.wait_out_pause(request.route, &mut wait).await?;
            self.take_from_budget(patience, &mut wait).await?;
            self.wait_out_pause(request.route, &mut wait).await?;
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
                Err(Failure::Throttled(retry_after)) => {
                    tried += 1;
                    if tried > self.retries || retry_after > wait {
                        return Err(UpstreamError::RateLimited { retry_after });
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
        pass: Option<BreakerPass<'_>>,
        effort: &mut Effort,
    ) -> Result<Answer, Failure> {
        let Some((_place, waited)) = self.place(deadline).await else {
            return Err(Failure::Final(UpstreamError::Crowded));
        };
        let (began, began_at) = (self.clock.now(), self.clock.wall());
        let span = request.under.begin();
        let tries_before = effort.calls;
        effort.calls += 1;
        let method = if request.body.is_some() { Method::POST } else { Method::GET };
        let sent = self.transport.send(method, request.target, credential, request.body.clone(), began_at);
        let is_short = deadline.since(began) < self.try_timeout.mul_f64(WHOLE);
        let deadline = deadline.min(began.after(self.try_timeout));
        let sent = before(self.clock.as_ref(), deadline, sent).await;
        let cut_short = is_short && sent.is_none();
        let time = self.clock.now().since(began);
        effort.time += time;

        let answered = match &sent {
            Some(Ok(answer)) => answer.status < 500,
            Some(Err(SendError::TooLarge | SendError::Garbled)) => true,
            Some(Err(SendError::NotSent | SendError::Cut | SendError::NotHttp)) | None => false,
        };
        let status = sent.as_ref().and_then(|sent| sent.as_ref().ok()).map(|answer| answer.status);
        let body = sent.as_ref().and_then(|sent| sent.as_ref().ok()).map(|answer| answer.body.clone());
        let read = match sent {
            // A password may have been changed by now, which a call that was never made has not.
            None if cut_short && waited && !request.route.is_of_account() => {
                Err(Failure::Final(UpstreamError::Crowded))
            }
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
        let outcome = if cut_short { CUT_SHORT } else { outcome(&read) };
        self.metrics.vendor_call(request.route, outcome, time);
        let (method, route) = (if request.body.is_some() { "POST" } else { "GET" }, request.route.template());
        span.end_call(&CallTold { method, route, status, outcome, tries_before });
        let verdict = Verdict::of(request.route, &Ended { read: &read, answered, cut_short, body: body.as_ref() });
        if let Some(good) = verdict.good {
            lock(&self.streak).record((!good).then_some(outcome), self.clock.now());
        }
        if let Some((pass, works)) = pass.zip(verdict.works) {
            pass.record(works);
        }
        read.map(|body| Answer { body, began, began_at })
    }

    /// A place among the connections, and whether it had to be waited for; `None` once there is no time left to use it.
    async fn place(&self, deadline: Moment) -> Option<(Option<SemaphorePermit<'_>>, bool)> {
        if let Some(place) = self.transport.connection().now_or_never() {
            return Some((place, false));
        }
        let place = before(self.clock.as_ref(), deadline, self.transport.connection()).await?;
        (self.clock.now() < deadline).then_some((place, true))
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
                lock(&self.pauses).lengthen(route, self.clock.now().after(wait));
                Err(Failure::Throttled(wait))
            }
            Meaning::Unavailable(code) => Err(Failure::Passing(UpstreamError::Failed { code, said_no: false })),
            Meaning::Failed { code, said_no } => Err(Failure::Final(UpstreamError::Failed { code, said_no })),
            Meaning::Rejected(rejection) => Err(Failure::Final(UpstreamError::Rejected(rejection))),
            Meaning::Invalid(why) => Err(Failure::Final(UpstreamError::InvalidResponse(why))),
        }
    }
}

impl Vendor for Wesal {
    /// Tries again if that may help, within `upstream.request_timeout`.
    fn call<'a>(&'a self, call: VendorCall<'a>) -> BoxFuture<'a, Called> {
        async move {
            let VendorCall { shape, queues, patience, under, .. } = call;
            let request = Request { route: shape.route(), target: shape.target(), body: shape.body(queues), under };
            let began = self.clock.now();
            let deadline = began.after(self.request_timeout);
            let mut effort = Effort::default();
            let tries = self.tries(&request, patience, deadline, &mut effort);
            let done = before(self.clock.as_ref(), deadline, tries).await;
            Called { result: done.unwrap_or(Err(UpstreamError::Timeout)), began, effort }
        }
        .boxed()
    }

    fn queue_target(&self, _: &Shape, _: &QueueId) -> TargetState {
        TargetState::Allowed
    }

    fn budget(&self) -> Budget {
        self.budget.left()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number from 0 to 1 for jitter. Without entropy there is no jitter, which is no reason to fail.
fn random_unit() -> f64 {
    getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX))
}
