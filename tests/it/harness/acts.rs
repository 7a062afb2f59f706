//! What a fault proxy can do to a call.

use std::sync::Arc;

use bytes::Bytes;
use wesal_simulator::Fault;

/// Makes another body of an answer's.
pub type Changed = dyn Fn(String) -> Vec<u8> + Send + Sync;
/// Makes a whole answer.
pub type Made = dyn Fn(&Came) -> Bytes + Send + Sync;

/// What an answer can be made of.
pub struct Came {
    /// What came as `Authorization`.
    pub credential: String,
    /// The time, by the test's clock.
    pub at: jiff::Timestamp,
}

/// Selects requests.
pub type Matches = dyn Fn(&Asked<'_>) -> bool + Send + Sync;

/// A request, as far as an act may depend on it.
pub struct Asked<'a> {
    pub target: &'a str,
    pub body: &'a str,
    /// The number of its connection, from 1.
    pub connection: u64,
}

/// What becomes of one call.
#[derive(Clone)]
pub enum Act {
    /// It is passed on, and so is the answer.
    Pass,
    /// It is taken, and never answered.
    Silence,
    /// These bytes, one a second of the test's clock.
    Drip(Bytes),
    /// These bytes, then the connection is closed in good order.
    Write(Bytes),
    /// What this makes of the call; then the connection stays open.
    Make(Arc<Made>),
    /// These bytes, then the connection is reset.
    WriteAndReset(Bytes),
    /// It is passed on, and the body of the answer changed.
    Change(Arc<Changed>),
    /// It is passed on with the wish that the simulator itself do this.
    Simulate(Fault),
    /// This act for the requests that match; others are passed on.
    When(Arc<Matches>, Box<Act>),
}

impl Act {
    /// Answers with what `make` makes of the call.
    pub fn make(make: impl Fn(&Came) -> Bytes + Send + Sync + 'static) -> Self {
        Self::Make(Arc::new(make))
    }

    /// Answers with these bytes, and keeps the connection open.
    pub fn say(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::make(move |_| bytes.clone())
    }

    /// Does `act` to the requests that match, and passes the others on.
    pub fn when(matches: impl Fn(&Asked<'_>) -> bool + Send + Sync + 'static, act: Self) -> Self {
        Self::When(Arc::new(matches), Box::new(act))
    }

    /// The act for this request.
    pub fn resolve(self, asked: &Asked<'_>) -> Self {
        match self {
            Self::When(matches, act) if matches(asked) => act.resolve(asked),
            Self::When(..) => Self::Pass,
            act => act,
        }
    }

    /// Passes the call on, and changes the body of the answer.
    pub fn change(by: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        Self::Change(Arc::new(move |body| by(body).into_bytes()))
    }
}

/// An HTTP/1.1 answer with these header lines, each without its end.
pub fn http(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Bytes {
    let body = body.as_ref();
    let mut answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    headers.iter().for_each(|line| answer.push_str(&format!("{line}\r\n")));
    let mut answer = format!("{answer}\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer.into()
}
