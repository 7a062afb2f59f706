//! The one file that knows the HTTP client: a request out, a whole answer in, within its bounds.

use std::{error::Error, path::Path, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use reqwest::{
    Certificate, Client, Method, Proxy, Response,
    header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};

use super::{
    ca_bundle::read_ca_bundle,
    decoder::Decoder,
    error::{SendError, StartError},
    retry_after::retry_after,
    wire::{MOST_ERROR_BYTES, RawAnswer},
};
use crate::{
    clock::{Moment, SharedClock, before},
    config::UpstreamConfig,
};

/// Shorter than any sane server's, so that a pooled connection seldom dies under a request.
const POOL_IDLE: Duration = Duration::from_secs(20);
/// UTF-8; ignored before the vendor's JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const HTTP2_PING: Duration = Duration::from_secs(15);
/// How long the body of a failure may take whose status says nearly all.
const FOR_ITS_WORDS: Duration = Duration::from_secs(1);

/// Sends requests to the vendor and nowhere else: no redirect, no proxy but the configured one.
pub(super) struct Transport {
    pool: Mutex<Pool>,
    settings: ClientSettings,
    max_connection_age: Duration,
    base_url: String,
    max_response: usize,
    for_its_words: Duration,
    clock: SharedClock,
}

/// The client and its pooled connections. Requests in flight keep a replaced client alive.
struct Pool {
    client: Client,
    since: Moment,
}

struct ClientSettings {
    connect_timeout: Duration,
    max_connections: usize,
    proxy: Option<Proxy>,
    /// `None`: the system's.
    roots: Option<Vec<Certificate>>,
}

impl ClientSettings {
    fn new(config: &UpstreamConfig) -> Result<Self, StartError> {
        let roots = match &config.ca_file {
            Some(file) => Some(certificates(file)?),
            // Without TLS no root certificates are needed, and a bare container has none.
            None if config.proxy.is_none() && config.base_url.starts_with("http://") => Some(Vec::new()),
            None => None,
        };
        Ok(Self {
            connect_timeout: config.connect_timeout,
            max_connections: config.max_connections.get(),
            proxy: config.proxy.as_ref().map(Proxy::all).transpose()?,
            roots,
        })
    }

    fn build(&self) -> Result<Client, reqwest::Error> {
        let builder = Client::builder()
            .user_agent(concat!("wesal-gateway/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            // The environment's proxy variables are ignored.
            .no_proxy()
            // `retry` repeats calls, within a budget.
            .retry(reqwest::retry::never())
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(self.max_connections)
            // One stalled HTTP/2 connection would hold up every call.
            .http2_keep_alive_interval(HTTP2_PING)
            .http2_keep_alive_timeout(self.connect_timeout)
            .http2_keep_alive_while_idle(true);
        let builder = self.proxy.iter().fold(builder, |builder, proxy| builder.proxy(proxy.clone()));
        match &self.roots {
            Some(roots) => builder.tls_certs_only(roots.clone()),
            None => builder,
        }
        .build()
    }
}

/// The connection that a request may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// A pooled one, if there is one.
    Pooled,
    /// A new one. Later requests do not use the older ones either.
    New,
}

/// Which of the vendor's two credentials goes along.
pub(super) enum Credential<'a> {
    ClientId(&'a HeaderValue),
    Authorization(HeaderValue),
}

impl Transport {
    pub(super) fn new(config: &UpstreamConfig, clock: SharedClock) -> Result<Self, StartError> {
        let settings = ClientSettings::new(config)?;
        Ok(Self {
            pool: Mutex::new(Pool { client: settings.build()?, since: clock.now() }),
            settings,
            max_connection_age: config.max_connection_age,
            base_url: config.base_url.clone(),
            max_response: usize::try_from(config.max_response.bytes()).unwrap_or(usize::MAX),
            // The try must not end while it waits for them.
            for_its_words: FOR_ITS_WORDS.min(config.try_timeout / 4),
            clock,
        })
    }

    /// Returns the client, replaced if its connections may be too old. The HTTP client has no age limit of its own.
    fn client(&self, connection: Connection) -> Client {
        let mut pool = self.pool.lock();
        let now = self.clock.now();
        if connection == Connection::New || now.since(pool.since) >= self.max_connection_age {
            // The settings built a client at start: a failure is one of the machine, and the old client is used on.
            if let Ok(client) = self.settings.build() {
                *pool = Pool { client, since: now };
            }
        }
        pool.client.clone()
    }

    /// Sends one request and reads its answer to the end. It has no deadline of its own.
    pub(super) async fn send(
        &self,
        method: Method,
        target: &str,
        credential: Credential<'_>,
        body: Option<Bytes>,
        connection: Connection,
    ) -> Result<RawAnswer, SendError> {
        let now = self.clock.wall();
        let client = self.client(connection);
        let mut request = client.request(method, format!("{}{target}", self.base_url));
        request = request.header(ACCEPT_ENCODING, "gzip");
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

    async fn read(&self, mut response: Response, max: usize) -> Result<Bytes, SendError> {
        let mut body = Decoder::new(response.headers(), max)?;
        while let Some(chunk) = response.chunk().await.map_err(|_| SendError::Cut)? {
            body.write(&chunk)?;
        }
        let body = body.finish()?;
        // A copy of exactly this size: the cache counts a body by its length.
        Ok(Bytes::copy_from_slice(body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&body)))
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, StartError> {
    let roots = read_ca_bundle(file).map_err(|reason| StartError::Certificates { file: file.to_owned(), reason })?;
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
