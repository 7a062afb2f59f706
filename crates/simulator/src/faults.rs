//! The faults that the vendor can show, by name.

use std::fmt;
use std::str::FromStr;

use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use super::route::Route;

/// A way in which one request to the vendor fails.
///
/// The faults about ids change responses of the queue routes only, `login_no_token` only that of the login.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Display, EnumString, IntoStaticStr, VariantArray, VariantNames,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = FaultError, parse_err_fn = unknown_fault)]
pub enum Fault {
    /// 503 with an HTML page.
    Unavailable,
    /// 502 with an HTML page.
    BadGateway,
    /// 500 with a JSON body that has no code.
    Error,
    /// 429 with `Retry-After: 2`.
    RateLimited,
    /// 429 without `Retry-After`.
    RateLimitedBare,
    /// 200 with an HTML page.
    Html,
    /// 200 with `success: false` and the code X004.
    Refused,
    /// 200 with `success: false` and no code.
    Failed,
    /// 400 with the code X0000.
    Missing,
    /// 403 with the code X002.
    WrongDomain,
    /// 200 with the code X003. The token of the request is revoked.
    TokenDead,
    /// 401 without a body. The token stays alive.
    Unauthorized,
    /// Never answers, until the client leaves or the server closes.
    Hang,
    /// The regular response in 40 pieces, 250 ms apart.
    Slow,
    /// The connection closes in the middle of a body of unknown length.
    Cut,
    /// The connection closes before the body has the length in `Content-Length`.
    Truncated,
    /// 200 without a body.
    Empty,
    /// 200 with truncated JSON.
    BadJson,
    /// 200 with JSON that is not UTF-8.
    BadUtf8,
    /// 200 with JSON of an unexpected shape.
    WrongShape,
    /// 200 with 20 MiB of JSON.
    Huge,
    /// 200 with less than 200 KiB of gzip that unpacks to 20 MiB of JSON.
    GzipBomb,
    /// 302 to another host.
    Redirect,
    /// The first row of a queue answer is missing.
    MissingIds,
    /// Every row of a queue answer occurs twice.
    DoubledIds,
    /// The rows of a queue answer are reversed.
    ReorderedIds,
    /// The ids of a queue answer are in capitals.
    UpperIds,
    /// A queue answer begins with the row of a queue that was not requested.
    ExtraIds,
    /// A login succeeds without a token in its answer.
    LoginNoToken,
}

impl Fault {
    /// Every fault.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// Returns the name that options and `X-Simulate-Fault` use.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns all names, separated by commas.
    #[must_use]
    pub fn names() -> String {
        <Self as VariantNames>::VARIANTS.join(", ")
    }
}

/// An invalid fault or rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No fault has this name.
    #[error("there is no fault `{0}`; there are: {names}", names = Fault::names())]
    Name(String),
    /// No route has this name.
    #[error("there is no route `{0}`; there are: {names}", names = Route::names())]
    Route(String),
    /// The probability is missing, or is not a number from 0 to 1.
    #[error("`{0}` needs a probability from 0 to 1 after a colon, as in `unavailable:0.1` or `summary/error:0.05`")]
    Probability(String),
}

fn unknown_fault(name: &str) -> FaultError {
    FaultError::Name(name.to_owned())
}

/// A random fault of all requests, or of those of one route.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultRule {
    route: Option<Route>,
    fault: Fault,
    probability: f64,
}

impl FaultRule {
    /// Creates a rule for the route of this name, or for every route.
    ///
    /// # Errors
    /// If there is no such route, or the probability is not from 0 to 1.
    pub fn new(route: Option<&str>, fault: Fault, probability: f64) -> Result<Self, FaultError> {
        let route = match route {
            None => None,
            Some(name) => Some(name.parse().map_err(|_| FaultError::Route(name.to_owned()))?),
        };
        if !(0.0..=1.0).contains(&probability) {
            return Err(FaultError::Probability(fault.name().to_owned()));
        }
        Ok(Self { route, fault, probability })
    }

    pub(crate) fn applies_to(&self, route: Route) -> bool {
        self.route.is_none_or(|only| only == route)
    }

    pub(crate) fn fault(&self) -> Fault {
        self.fault
    }

    pub(crate) fn probability(&self) -> f64 {
        self.probability
    }
}

impl FromStr for FaultRule {
    type Err = FaultError;

    /// `FAULT:PROBABILITY` or `ROUTE/FAULT:PROBABILITY`.
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let invalid = || FaultError::Probability(text.to_owned());
        let (place, probability) = text.trim().rsplit_once(':').ok_or_else(invalid)?;
        let probability: f64 = probability.parse().map_err(|_| invalid())?;
        let (route, fault) = match place.split_once('/') {
            Some((route, fault)) => (Some(route), fault),
            None => (None, place),
        };
        Self::new(route, fault.parse()?, probability)
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(route) = self.route {
            write!(f, "{route}/")?;
        }
        write!(f, "{}:{}", self.fault, self.probability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_parse_with_and_without_a_route() {
        for text in ["unavailable:0.1", "summary/error:0.05", "hang:1"] {
            assert_eq!(text.parse::<FaultRule>().map(|rule| rule.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn parse_errors_name_the_alternatives() {
        let say = |text: &str| text.parse::<FaultRule>().unwrap_err().to_string();
        assert!(say("unavailable").contains("unavailable:0.1"));
        assert!(say("unavailable:1.5").contains("from 0 to 1"));
        assert!(say("unavailable:NaN").contains("from 0 to 1"));
        assert!(say("nothing:0.5").contains("gzip_bomb, redirect"));
        assert!(say("queues/error:0.5").contains("organization, questions"));
    }
}
