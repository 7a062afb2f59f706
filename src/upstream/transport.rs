//! The one file that knows the HTTP client: a request out, a whole answer in, within its bounds.

use std::{error::Error, io::ErrorKind, path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use reqwest::{
    Certificate, Client, Method, Proxy, Response,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    error::StartError,
    retry_after::retry_after,
    wire::{MOST_ERROR_BYTES, RawAnswer},
};
use crate::{
    clock::{SharedClock, before},
    config::{UpstreamConfig, root_certificates},
};

/// Shorter than any sane server's, so that a pooled connection seldom dies under a request.
const POOL_IDLE: Duration = Duration::from_secs(20);
const HTTP2_PING: Duration = Duration::from_secs(15);
/// How long the body of a failure may take whose status says nearly all.
const FOR_ITS_WORDS: Duration = Duration::from_secs(1);

/// Sends requests to the vendor and nowhere else: no redirect, no proxy but the configured one.
pub(super) struct Transport {
    client: Client,
    base_url: String,
    max_response: usize,
    for_its_words: Duration,
    connections: Semaphore,
    clock: SharedClock,
}

/// Which of the vendor's two credentials goes along.
pub(super) enum Credential<'a> {
    ClientId(&'a HeaderValue),
    Authorization(HeaderValue),
}

/// Why there is no whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendError {
    /// No connection.
    NotSent,
    /// The connection ended before the answer did.
    Cut,
    /// Over `upstream.max_response`, unpacked.
    TooLarge,
    /// It is not packed as it says.
    Garbled,
    /// It is not HTTP, or leaves open where it ends.
    NotHttp,
}

impl Transport {
    pub(super) fn new(config: &UpstreamConfig, clock: SharedClock) -> Result<Self, StartError> {
        let builder = Client::builder()
            .user_agent(concat!("wesal-gateway/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            // The environment's proxy variables are not ours to obey.
            .no_proxy()
            // Ours, with a budget, in `retry`.
            .retry(reqwest::retry::never())
            .connect_timeout(config.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(config.max_connections.get())
            // One stalled HTTP/2 connection would hold up every call.
            .http2_keep_alive_interval(HTTP2_PING)
            .http2_keep_alive_timeout(config.connect_timeout)
            .http2_keep_alive_while_idle(true);
        let builder = match &config.proxy {
            Some(proxy) => builder.proxy(Proxy::all(proxy)?),
            None => builder,
        };
        let builder = match &config.ca_file {
            Some(file) => builder.tls_certs_only(certificates(file)?),
            // Without TLS no root certificates are needed, and a bare container has none.
            None if config.proxy.is_none() && config.base_url.starts_with("http://") => builder.tls_certs_only([]),
            None => builder,
        };
        Ok(Self {
            client: builder.build()?,
            base_url: config.base_url.clone(),
            max_response: usize::try_from(config.max_response.bytes()).unwrap_or(usize::MAX),
            // The try must not end while it waits for them.
            for_its_words: FOR_ITS_WORDS.min(config.try_timeout / 4),
            connections: Semaphore::new(config.max_connections.get()),
            clock,
        })
    }

    /// A place among the connections, to be held for as long as a request uses one. The wait for it is our own
    /// doing, and counts against no answer of the vendor's.
    pub(super) async fn connection(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.connections.acquire().await.ok()
    }

    /// Sends one request and reads its answer to the end. It has no deadline of its own.
    pub(super) async fn send(
        &self,
        method: Method,
        target: &str,
        credential: Credential<'_>,
        body: Option<Bytes>,
        now: Timestamp,
    ) -> Result<RawAnswer, SendError> {
        let mut request = self.client.request(method, format!("{}{target}", self.base_url));
        request = match credential {
            Credential::ClientId(id) => request.header("x-client-id", id),
            Credential::Authorization(value) => request.header(AUTHORIZATION, value),
        };
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().await.map_err(|error| why_unanswered(&error))?;
        let status = response.status().as_u16();
        let told = |name| response.headers().get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("?"));
        let retry_after = retry_after(told(RETRY_AFTER), told(DATE), now);
        let body = match status {
            // Their status says all, and must not be lost to what becomes of their bodies.
            401 | 429 => Bytes::new(),
            // The same; but there may be a code in them.
            403 | 423 | 502..=504 => self.words(response).await,
            _ => self.read(response, self.max_response).await?,
        };
        Ok(RawAnswer { status, retry_after, body })
    }

    /// The body of a failure; nothing if there is no whole one soon, or none that a failure would be told in.
    async fn words(&self, response: Response) -> Bytes {
        let deadline = self.clock.now().after(self.for_its_words);
        let read = self.read(response, MOST_ERROR_BYTES.min(self.max_response));
        before(self.clock.as_ref(), deadline, read).await.and_then(Result::ok).unwrap_or_default()
    }

    async fn read(&self, mut response: Response, most: usize) -> Result<Bytes, SendError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| why_cut(&error))? {
            if body.len() + chunk.len() > most {
                return Err(SendError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        // A copy of just this size: what is kept is counted by its length.
        Ok(Bytes::copy_from_slice(&body))
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, StartError> {
    let roots = root_certificates(file).map_err(|reason| StartError::Certificates { file: file.to_owned(), reason })?;
    Ok(roots.iter().map(|root| Certificate::from_der(root)).collect::<Result<_, _>>()?)
}

fn why_unanswered(error: &reqwest::Error) -> SendError {
    let parse =
        |error: &(dyn Error + 'static)| error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse);
    if error.is_connect() {
        SendError::NotSent
    } else if causes(error).any(parse) {
        SendError::NotHttp
    } else {
        SendError::Cut
    }
}

/// The client calls every failure in a body one of decoding; what the unpacking itself minds is data that are not
/// valid.
fn why_cut(error: &reqwest::Error) -> SendError {
    let invalid = |error: &(dyn Error + 'static)| {
        let io = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(io, Some(ErrorKind::InvalidData | ErrorKind::InvalidInput))
    };
    if causes(error).any(invalid) { SendError::Garbled } else { SendError::Cut }
}

/// An error, and what caused it, and so on.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |error: &&(dyn Error + 'static)| (*error).source())
}

/// A header value that no log of the client's prints.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
