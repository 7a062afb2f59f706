//! What the vendor's answers mean. The reference never shows an error, so a code is looked for wherever a
//! person would put it, under any status, 200 included (`WESAL.md`, "Error bodies"). Pure.

use std::{fmt, time::Duration};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, value::RawValue};

use super::words;
use crate::model::Route;

/// The vendor's error codes (reference, "Errors").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VendorCode {
    /// A mandatory parameter is missing.
    X0000,
    /// Unknown or expired key.
    X001,
    /// The key is not valid for this domain.
    X002,
    /// Unknown or expired user token.
    X003,
    /// Invalid request.
    X004,
}

/// The vendor's refusal of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// 400, 404 or 422.
    pub status: u16,
    /// The vendor's code, if it gave one that concerns the caller.
    pub code: Option<VendorCode>,
    /// The vendor's own words, cleaned and short; may be empty.
    pub words: String,
}

/// One HTTP answer, read to its end.
pub(super) struct RawAnswer {
    pub(super) status: u16,
    /// A valid `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: bytes::Bytes,
}

/// The pause after a 429 without a valid `Retry-After`.
const DEFAULT_PAUSE: Duration = Duration::from_secs(5);

impl RawAnswer {
    /// The pause that a 429 or a 503 asks for. On 503 an invalid `Retry-After` is ignored.
    fn pause(&self) -> Option<Duration> {
        match self.status {
            429 => Some(self.retry_after.unwrap_or(DEFAULT_PAUSE)),
            503 => self.retry_after,
            _ => None,
        }
    }
}

/// What an answer means for the call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Complete and successful.
    Success,
    /// Our credentials are not, or no longer, good here.
    TokenDead,
    /// 429, or 503 with a valid `Retry-After`.
    Throttled(Duration),
    /// 502, 503, 504: worth another try.
    Unavailable(Option<VendorCode>),
    /// Any other failure of the vendor's.
    Failed {
        code: Option<VendorCode>,
        /// In a whole answer with a status below 500.
        said_no: bool,
    },
    /// The request itself is refused.
    Rejected(Rejection),
    /// Not what the reference promises.
    Invalid(&'static str),
}

/// No failure is told in more; a larger body is not taken apart for one.
pub(super) const MOST_ERROR_BYTES: usize = 64 * 1024;

/// Reads the answer to a call of `route`. `secrets` never appear in what a rejection says.
pub(super) fn meaning(route: Route, answer: &RawAnswer, secrets: &[&str]) -> Meaning {
    // The vendor's wish to be left alone is heeded first, whatever stands beside it.
    if answer.status == 429 {
        return Meaning::Throttled(answer.pause().unwrap_or(DEFAULT_PAUSE));
    }
    if let 205 | 206 | 300..=399 | 502..=504 = answer.status {
        let code = told(&answer.body).as_ref().and_then(find_code);
        return match answer.status {
            _ if code.is_some_and(VendorCode::is_of_credentials) => Meaning::TokenDead,
            502..=504 => answer.pause().map_or(Meaning::Unavailable(code), Meaning::Throttled),
            status => Meaning::Invalid(no_answer(status)),
        };
    }
    if matches!((route, answer.status), (Route::Further(_), 200..=299)) && is_a_document(&answer.body) {
        return Meaning::Success;
    }
    let envelope = Envelope::read(&answer.body);
    match (answer.status, envelope) {
        (200..=299, Some(envelope)) if envelope.verdict(route) == Some(true) => envelope.shape(route),
        (200..=299, None) => Meaning::Invalid("it is not a JSON object of the promised kind"),
        (status, envelope) => failure(route, status, envelope, &answer.body, secrets),
    }
}

/// What an answer is that is none to a whole and unconditional request (RFC 9110, sections 15.3.6, 15.3.7 and 15.4).
const fn no_answer(status: u16) -> &'static str {
    match status {
        205 => "it is a 205, which has no content",
        206 => "it is a part of an answer, and no part was asked for",
        304 => "it is a 304, and nothing was asked on a condition",
        _ => "it is a redirect",
    }
}

/// Whether this is what a further route may answer: JSON of any kind, if it does not say of itself that it is none. What
/// stands in its `data` is its own.
fn is_a_document(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Outer {
        success: Option<Value>,
    }
    let Some(text) = std::str::from_utf8(body).ok().filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
    else {
        return false;
    };
    match object::<Outer>(text) {
        None => !text.trim_start().starts_with('{'),
        Some(Outer { success: Some(success) }) => success == Value::Bool(true),
        Some(Outer { success: None }) => told(body).as_ref().and_then(find_code).is_none(),
    }
}

fn failure(route: Route, status: u16, envelope: Option<Envelope<'_>>, body: &[u8], secrets: &[&str]) -> Meaning {
    let told = told(body);
    let code = told.as_ref().and_then(find_code);
    match (status, code) {
        (_, Some(code)) if code.is_of_credentials() => Meaning::TokenDead,
        (401, _) => Meaning::TokenDead,
        // A page is the word of something that stands before the vendor, and of no caller's making.
        (400 | 404 | 422, code) if told.is_some() => Meaning::Rejected(rejection(status, code, told.as_ref(), secrets)),
        (_, Some(code @ (VendorCode::X0000 | VendorCode::X004))) if status < 500 => {
            Meaning::Rejected(rejection(400, Some(code), told.as_ref(), secrets))
        }
        (200..=299, None) if envelope.is_some_and(|envelope| envelope.verdict(route).is_none()) => {
            Meaning::Invalid("it does not say whether it succeeded")
        }
        (status, code) => Meaning::Failed { code, said_no: status < 500 },
    }
}

/// The JSON object in which a failure is told.
fn told(body: &[u8]) -> Option<Value> {
    let told = (body.len() <= MOST_ERROR_BYTES).then(|| serde_json::from_slice::<Value>(body).ok()).flatten();
    told.filter(Value::is_object)
}

/// What the answer to a login means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LoginMeaning<T> {
    /// It says nothing against the account, and holds a token.
    Good(T),
    /// The account is refused, in whatever words: to ask again soon is what locks accounts.
    Refused,
    /// 429, or 503 with a valid `Retry-After`.
    Throttled(Duration),
    /// It did not come to that.
    Failed,
    /// Not what the reference promises.
    Invalid(&'static str),
}

/// Reads the answer to a login; `token` finds the token in it.
pub(super) fn login_meaning<T>(answer: &RawAnswer, token: impl Fn(&Value) -> Option<T>) -> LoginMeaning<T> {
    if answer.status == 429 {
        return LoginMeaning::Throttled(answer.pause().unwrap_or(DEFAULT_PAUSE));
    }
    let told = told(&answer.body);
    let says_no = |told: &Value| places(told).any(|place| place.get("success").and_then(Value::as_bool) == Some(false));
    match (answer.status, told) {
        (_, Some(told)) if find_code(&told).is_some() => LoginMeaning::Refused,
        (503, _) => answer.pause().map_or(LoginMeaning::Failed, LoginMeaning::Throttled),
        (304, _) => LoginMeaning::Invalid("its login answer is a 304"),
        (300..=399, _) => LoginMeaning::Invalid("its login answer is a redirect"),
        (205 | 206, _) => LoginMeaning::Invalid("its login answer is a 205 or 206"),
        (200..=299, Some(told)) if says_no(&told) => LoginMeaning::Refused,
        (200..=299, Some(told)) => match token(&told) {
            Some(token) => LoginMeaning::Good(token),
            None => LoginMeaning::Refused,
        },
        (200..=299, None) => LoginMeaning::Invalid("its login answer is not a JSON object"),
        (400 | 401 | 403 | 422 | 423, _) => LoginMeaning::Refused,
        // They are about the request's way here, or the moment.
        (408 | 421 | 425, _) => LoginMeaning::Failed,
        // A page is the word of something that stands before the vendor.
        (402..=499, Some(_)) => LoginMeaning::Refused,
        _ => LoginMeaning::Failed,
    }
}

fn rejection(status: u16, code: Option<VendorCode>, told: Option<&Value>, secrets: &[&str]) -> Rejection {
    Rejection {
        status,
        code,
        words: told.and_then(find_words).map(|text| words::clean(text, secrets)).unwrap_or_default(),
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    success: Option<bool>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        // From bytes, what is skipped would be left unchecked: the whole must be UTF-8 (RFC 8259, section 8.1).
        object(std::str::from_utf8(body).ok()?)
    }

    /// Whether it says that it succeeded; `None` if it does not say so plainly. The queue routes have a second `success`
    /// inside `data`.
    fn verdict(&self, route: Route) -> Option<bool> {
        #[derive(Deserialize)]
        struct Inner {
            success: Option<bool>,
        }
        // Only a data route promises anything in there.
        let data = self.data.filter(|_| !route.is_of_account());
        match (self.success?, data) {
            (true, Some(data)) => Some(object::<Inner>(data.get())?.success != Some(false)),
            (success, _) => Some(success),
        }
    }

    fn shape(&self, route: Route) -> Meaning {
        #[derive(Deserialize)]
        struct Data<'a> {
            #[serde(borrow)]
            companies: Option<Vec<&'a RawValue>>,
            questions: Option<Vec<&'a RawValue>>,
            surveys: Option<Vec<&'a RawValue>>,
            result: Option<Vec<&'a RawValue>>,
        }
        let data = self.data.and_then(|data| object::<Data<'_>>(data.get()));
        let has_list = match route {
            Route::Login | Route::Logout | Route::Reset | Route::Verify | Route::Further(_) => true,
            Route::Organization => data.is_some_and(|data| data.companies.is_some()),
            Route::Questions => data.is_some_and(|data| data.questions.is_some()),
            Route::Surveys => data.is_some_and(|data| data.surveys.is_some()),
            Route::QueueSummary | Route::QueueActivity | Route::QueuePerformance => {
                data.is_some_and(|data| data.result.is_some())
            }
        };
        if has_list { Meaning::Success } else { Meaning::Invalid("its data lacks the list that the route promises") }
    }
}

/// Reads an object, and no list, which serde would take for the values of the members in their order.
fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    json.trim_start().starts_with('{').then(|| serde_json::from_str(json).ok()).flatten()
}

/// The objects in which a failure can be told: the document, and the `data` of the queue routes.
fn places(told: &Value) -> impl Iterator<Item = &Value> {
    [Some(told), told.get("data")].into_iter().flatten()
}

fn find_code(told: &Value) -> Option<VendorCode> {
    const POINTERS: [&str; 10] = [
        "/code",
        "/errorCode",
        "/error/code",
        "/error/errorCode",
        "/errors/0/code",
        "/error",
        "/errors/0",
        "/message",
        "/error/message",
        "/errors/0/message",
    ];
    places(told)
        .flat_map(|place| POINTERS.iter().filter_map(|pointer| place.pointer(pointer)?.as_str()))
        .find_map(VendorCode::leading)
}

fn find_words(told: &Value) -> Option<&str> {
    const POINTERS: [&str; 9] = [
        "/message",
        "/errorMessage",
        "/description",
        "/error/message",
        "/errors/0/message",
        "/error/description",
        "/error_description",
        "/detail",
        "/error",
    ];
    let texts = places(told).flat_map(|place| POINTERS.iter().filter_map(|pointer| place.pointer(pointer)?.as_str()));
    // A bare code is told apart already.
    let mut words =
        texts.filter(|text| VendorCode::ALL.iter().all(|code| !code.as_str().eq_ignore_ascii_case(text.trim())));
    words.next()
}

impl VendorCode {
    const ALL: [Self; 5] = [Self::X0000, Self::X001, Self::X002, Self::X003, Self::X004];

    /// The code as the vendor writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X0000 => "X0000",
            Self::X001 => "X001",
            Self::X002 => "X002",
            Self::X003 => "X003",
            Self::X004 => "X004",
        }
    }

    /// Whether it is about the gateway's own credentials, and so never of a caller's making.
    const fn is_of_credentials(self) -> bool {
        matches!(self, Self::X001 | Self::X002 | Self::X003)
    }

    /// The code at the front of `text`, or behind a word such as "Error". Further on it may be the caller's own text
    /// that the vendor repeats, and must not be taken for the vendor's verdict.
    fn leading(text: &str) -> Option<Self> {
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let is = |word: &str| Self::ALL.into_iter().find(|code| code.as_str().eq_ignore_ascii_case(word));
        let first = words.next()?;
        let announces = ["error", "code", "errorcode"].iter().any(|word| word.eq_ignore_ascii_case(first));
        is(first).or_else(|| is(words.next().filter(|_| announces)?))
    }
}

impl fmt::Display for VendorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
