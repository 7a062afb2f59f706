//! One call to the vendor, with its tries.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use reqwest::Method;

use super::{
    breaker::BreakerState,
    credentials::{Hidden, OwnAccount},
    error::{SendError, StartError, UpstreamError},
    failure::{Failure, outcome},
    gate::{Entry, Gate, Permit, Queue},
    login::{Login, LoginRequest, LoginState, Unrenewed},
    retry::{self, RetryBudget},
    streak::Streak,
    target_backoff::{Target, TargetBackoff, Targets},
    transport::{Connection, Credential, Transport, sensitive},
    vendor::{Answer, Budget, Called, Effort, TargetState, Vendor, VendorCall},
    verdict::{Ended, Verdict},
    wire::{self, Meaning, RawAnswer},
};
use crate::{
    clock::{Moment, SharedClock, before},
    config::UpstreamConfig,
    model::{QueueId, Route, Shape},
    telemetry::{
        CallOutcome, Metrics,
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
    pub(super) password_changes: Arc<tokio::sync::Mutex<()>>,
    pub(super) gate: Gate,
    pub(super) streak: Mutex<Streak>,
    retry_budget: Mutex<RetryBudget>,
    pub(super) targets: Mutex<TargetBackoff>,
    pub(super) own: ArcSwap<OwnAccount>,
    authorization_prefix: String,
    /// What never stands in words that callers are shown, the token of the moment apart.
    pub(super) hidden: Mutex<Hidden>,
    /// The settings that hold, its credentials being the last that were taken over.
    pub(super) configured: Mutex<UpstreamConfig>,
    retries: u32,
    try_timeout: Duration,
    pub(super) request_timeout: Duration,
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
            gate: Gate::new(config, clock.clone()),
            streak: Mutex::default(),
            retry_budget: Mutex::new(RetryBudget::new(config.retry_budget)),
            targets: Mutex::default(),
            own: ArcSwap::from_pointee(own),
            authorization_prefix: if scheme.is_empty() { String::new() } else { format!("{scheme} ") },
            hidden: Mutex::new(Hidden::of(config)),
            configured: Mutex::new(config.clone()),
            password_changes: Arc::default(),
            retries: config.retries,
            try_timeout: config.try_timeout,
            request_timeout: config.request_timeout,
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
        self.gate.breaker_state()
    }

    async fn tries(
        &self,
        call: &VendorCall<'_>,
        request: &Request<'_>,
        deadline: Moment,
        progress: &mut Progress,
    ) -> Result<Answer, UpstreamError> {
        let targets = Targets::of(call.shape, call.queues);
        if let Some(retry_after) = self.targets.lock().backoff(&targets, self.clock.now()) {
            return Err(UpstreamError::TargetRefused { retry_after });
        }
        self.retry_budget.lock().earn();
        let queue = call.caller.map_or(Queue::RefreshAhead, |caller| Queue::Caller(caller.clone()));
        let mut waited = Duration::ZERO;
        let mut tried = 0;
        self.gate.check_breaker()?;
        let mut held = self.login.token().await.map_err(|unavailable| unavailable.error)?;
        let mut token_replaced = false;
        loop {
            let authorization = sensitive(&format!("{}{}", self.authorization_prefix, held.token.expose()))
                .ok_or(UpstreamError::InvalidResponse("its access token cannot stand in a header"))?;
            let credential = Credential::Authorization(authorization);
            let entry = Entry { queue: queue.clone(), deadline, waited: &mut waited };
            let permit = self.gate.enter(entry).await.inspect_err(|_| {
                if token_replaced {
                    // The new token was not tried: it must not count as good, or each refusal would cause a login.
                    self.login.refused_again(held.generation);
                }
            })?;
            match self.try_once(request, credential, Some(held.token.expose()), deadline, permit, progress).await {
                Ok(answer) => {
                    self.targets.lock().accept(&targets, held.generation);
                    self.login.accepted(held.generation, token_replaced);
                    return Ok(answer);
                }
                Err(Failure::Final(error)) => {
                    if matches!(error, UpstreamError::Rejected(_)) {
                        self.login.accepted(held.generation, token_replaced);
                    }
                    return Err(error);
                }
                Err(Failure::TokenDead) => {
                    let accepted = self.targets.lock().accepted(&targets);
                    let newer = if token_replaced {
                        self.login.refused_again(held.generation);
                        self.targets.lock().forget_accepted(&targets);
                        None
                    } else {
                        match self.login.newer_token(held.generation, accepted).await {
                            Ok(held) => Some(held),
                            Err(Unrenewed::Gate) => None,
                            Err(Unrenewed::Unavailable(unavailable)) => return Err(unavailable.error),
                        }
                    };
                    let Some(newer) = newer else {
                        let retry_after = self.targets.lock().refuse(&targets, self.clock.now());
                        return Err(UpstreamError::TargetRefused { retry_after });
                    };
                    (held, token_replaced) = (newer, true);
                }
                Err(Failure::Throttled(retry_after)) => {
                    tried += 1;
                    if tried > self.retries {
                        return Err(UpstreamError::RateLimited { retry_after });
                    }
                }
                Err(Failure::Passing(error)) => {
                    tried += 1;
                    let Some(pause) = retry::pause(tried, self.retries, random_unit()) else { return Err(error) };
                    let again = self.clock.now().after(pause);
                    if again >= deadline || !self.retry_budget.lock().spend() {
                        return Err(error);
                    }
                    self.clock.sleep_until(again).await;
                }
            }
        }
    }

    /// Sends the request immediately: whatever holds it back was checked for `permit`.
    pub(super) async fn try_once(
        &self,
        request: &Request<'_>,
        credential: Credential<'_>,
        token: Option<&str>,
        deadline: Moment,
        mut permit: Permit<'_>,
        progress: &mut Progress,
    ) -> Result<Answer, Failure> {
        let (began, began_at) = (self.clock.now(), self.clock.wall());
        let span = request.under.begin();
        let tries_before = progress.effort.calls;
        progress.effort.calls += 1;
        progress.began = began;
        let method = if request.body.is_some() { Method::POST } else { Method::GET };
        let connection = if permit.is_probe() { Connection::New } else { Connection::Pooled };
        // Boxed, as the tries are: a future that is moved takes its size once more in each future that it passes through.
        let sent = Box::pin(self.transport.send(method, request.target, credential, request.body.clone(), connection));
        let is_short = deadline.since(began) < self.try_timeout.mul_f64(WHOLE);
        let deadline = deadline.min(began.after(self.try_timeout));
        let sent = before(self.clock.as_ref(), deadline, sent).await;
        let cut_short = is_short && sent.is_none();
        let time = self.clock.now().since(began);
        progress.effort.time += time;

        let answered = match &sent {
            Some(Ok(answer)) => answer.status < 500,
            Some(Err(SendError::TooLarge | SendError::Garbled)) => true,
            Some(Err(SendError::NotSent | SendError::Cut | SendError::NotHttp)) | None => false,
        };
        let status = sent.as_ref().and_then(|sent| sent.as_ref().ok()).map(|answer| answer.status);
        let body = sent.as_ref().and_then(|sent| sent.as_ref().ok()).map(|answer| answer.body.clone());
        let read = match sent {
            // A password may have been changed by now, which a call that was never made has not.
            None if cut_short && permit.waited_for_slot && !request.route.is_of_account() => {
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
        let outcome = if cut_short { CallOutcome::CutShort } else { outcome(&read) };
        self.metrics.vendor_call(request.route, outcome, time);
        let (method, route) = (if request.body.is_some() { "POST" } else { "GET" }, request.route.template());
        span.end_call(&CallTold { method, route, status, outcome, tries_before });
        let verdict = Verdict::of(request.route, &Ended { read: &read, answered, cut_short, body: body.as_ref() });
        if let Some(good) = verdict.good {
            self.streak.lock().record((!good).then_some(outcome), self.clock.now());
        }
        if let Some(works) = verdict.works {
            permit.record(works);
        }
        read.map(|body| Answer { body, began, began_at })
    }

    fn read(&self, route: Route, answer: RawAnswer, token: Option<&str>) -> Result<Bytes, Failure> {
        let meaning = {
            let hidden = self.hidden.lock();
            let secrets: Vec<&str> = hidden.all().chain(token).collect();
            wire::meaning(route, &answer, &secrets)
        };
        match meaning {
            Meaning::Success => Ok(answer.body),
            Meaning::TokenDead => Err(Failure::TokenDead),
            Meaning::Throttled(wait) => {
                self.gate.pause(route.is_of_account(), wait);
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
            let VendorCall { shape, queues, under, .. } = call;
            let request = Request { route: shape.route(), target: shape.target(), body: shape.body(queues), under };
            let began = self.clock.now();
            let deadline = began.after(self.request_timeout);
            let mut progress = Progress { began, effort: Effort::default() };
            let tries = Box::pin(self.tries(&call, &request, deadline, &mut progress));
            let done = before(self.clock.as_ref(), deadline, tries).await;
            progress.called(done)
        }
        .boxed()
    }

    fn queue_target(&self, shape: &Shape, queue: &QueueId) -> TargetState {
        self.targets.lock().state(&Target::queue(shape.route(), queue), self.clock.now())
    }

    fn budget(&self) -> Budget {
        self.gate.budget()
    }
}

/// What a call has cost so far, and when its last try began.
pub(super) struct Progress {
    pub(super) began: Moment,
    pub(super) effort: Effort,
}

impl Progress {
    /// `done` is `None` if the deadline ended the call.
    pub(super) fn called(self, done: Option<Result<Answer, UpstreamError>>) -> Called {
        Called { result: done.unwrap_or(Err(UpstreamError::Timeout)), began: self.began, effort: self.effort }
    }
}

/// A number from 0 to 1 for jitter. Without entropy there is no jitter, which is no reason to fail.
fn random_unit() -> f64 {
    getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX))
}
