//! The end of a drain: requests that are unfinished then get 503 `shutting_down`.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::http::{context::RequestContext, error_code::ErrorCode, problem::Problem};

/// Responds for the inner service when `server.drain_timeout` has passed.
#[derive(Clone)]
pub(super) struct ShutdownLayer;

impl<S> Layer<S> for ShutdownLayer {
    type Service = Shutdown<S>;

    fn layer(&self, inner: S) -> Shutdown<S> {
        Shutdown { inner }
    }
}

/// The service of [`ShutdownLayer`].
#[derive(Clone)]
pub(super) struct Shutdown<S> {
    inner: S,
}

impl<S> Service<Request> for Shutdown<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let context = request.extensions().get::<RequestContext>().cloned();
        ResponseFuture { inner: self.inner.call(request), context, ended: None }
    }
}

pin_project! {
    /// The future of [`Shutdown`].
    pub(super) struct ResponseFuture<F> {
        #[pin]
        inner: F,
        context: Option<RequestContext>,
        // Made when the inner service is not ready at its first poll: a cache hit does not need it.
        ended: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for ResponseFuture<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(response) = this.inner.poll(cx) {
            return Poll::Ready(response);
        }
        let ended = this.ended.get_or_insert_with(|| {
            let context = this.context.take();
            Box::pin(async move {
                match context {
                    Some(context) => context.state().ended().await,
                    None => std::future::pending().await,
                }
            })
        });
        ended.as_mut().poll(cx).map(|()| {
            let problem = Problem::new(ErrorCode::ShuttingDown, "The gateway is ending. Send the request again.");
            Ok(problem.retry_after(Duration::from_secs(1)).into_response())
        })
    }
}
