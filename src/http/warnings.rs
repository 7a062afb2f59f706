//! What somebody should see to, though callers are answered.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use serde::Serialize;

use super::certificate_validity::{CertificateValidity, ValidityWarning};
use crate::upstream::LoginState;

/// What the running parts have noted.
#[derive(Default)]
pub(crate) struct Warnings {
    reload_refused: AtomicBool,
    certificate: ArcSwapOption<ActiveCertificate>,
}

/// The certificate that callers are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActiveCertificate {
    /// When it begins and ceases to be good, if it says so.
    #[serde(flatten)]
    pub(crate) validity: Option<CertificateValidity>,
    /// Why what its files hold now is not shown in its place.
    pub(crate) refused: Option<String>,
}

/// A problem that an operator should fix, although callers are answered. Its text is public: it names no path and no date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The last login was refused; a token still works.
    LoginRefused,
    /// The last login failed; a token still works.
    LoginFailing,
    /// The vendor refuses a route to the service login.
    RouteRefused,
    /// The last reload was refused.
    ConfigurationRefused,
    /// The certificate's files changed and are not valid.
    CertificateRefused,
    /// The certificate is not valid, or not for long.
    CertificateValidity(ValidityWarning),
}

impl Warning {
    /// Every warning. Those of the certificate's validity share a name.
    pub const ALL: [Self; 8] = [
        Self::LoginRefused,
        Self::LoginFailing,
        Self::RouteRefused,
        Self::ConfigurationRefused,
        Self::CertificateRefused,
        Self::CertificateValidity(ValidityWarning::Expired),
        Self::CertificateValidity(ValidityWarning::NotYetValid),
        Self::CertificateValidity(ValidityWarning::ExpiresSoon),
    ];

    /// Returns the name in the metric `warnings`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoginRefused => "login_refused",
            Self::LoginFailing => "login_failing",
            Self::RouteRefused => "route_refused",
            Self::ConfigurationRefused => "configuration_refused",
            Self::CertificateRefused => "certificate_refused",
            Self::CertificateValidity(_) => "certificate_not_good_for_long",
        }
    }

    /// Returns the text in `/readyz`: the component and the detail.
    pub fn text(self) -> String {
        let component = match self {
            Self::LoginRefused | Self::LoginFailing => "login",
            Self::RouteRefused => "route",
            Self::ConfigurationRefused => "configuration",
            Self::CertificateRefused | Self::CertificateValidity(_) => "certificate",
        };
        format!("{component}: {}", self.detail())
    }

    /// Returns what is wrong and what to do about it.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::LoginRefused => {
                "the vendor refuses the service login, and the token in use serves only until it ends; check the client \
                 id, email and password"
            }
            Self::LoginFailing => {
                "the last login at the vendor failed, and the token in use serves only until it ends; it is tried again"
            }
            Self::RouteRefused => {
                "the vendor takes the service login, and refuses a route to it; ask the vendor for the account's rights"
            }
            Self::ConfigurationRefused => "the last reload was refused; what held before still holds",
            Self::CertificateRefused => "its files have changed, and are not good; the one before is still shown",
            Self::CertificateValidity(warning) => warning.as_str(),
        }
    }
}

impl Warnings {
    /// Returns the active warnings, in the order of [`Warning::ALL`]. `setback` is the state of the last login while a token
    /// still works, `refuses_route` whether the vendor refuses a route.
    pub(crate) fn active(&self, setback: Option<LoginState>, refuses_route: bool, now: Timestamp) -> Vec<Warning> {
        let certificate = self.certificate.load();
        let certificate = certificate.as_deref();
        let validity = certificate.and_then(|shown| shown.validity);
        let is = |condition: bool, warning| condition.then_some(warning);
        [
            is(setback == Some(LoginState::Refused), Warning::LoginRefused),
            is(setback == Some(LoginState::Failed), Warning::LoginFailing),
            is(refuses_route, Warning::RouteRefused),
            is(self.reload_refused.load(Ordering::Relaxed), Warning::ConfigurationRefused),
            is(certificate.is_some_and(|shown| shown.refused.is_some()), Warning::CertificateRefused),
            validity.and_then(|validity| validity.warning(now)).map(Warning::CertificateValidity),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    pub(crate) fn certificate(&self) -> Option<Arc<ActiveCertificate>> {
        self.certificate.load_full()
    }

    pub(super) fn set_reload_result(&self, refused: bool) {
        self.reload_refused.store(refused, Ordering::Relaxed);
    }

    pub(super) fn set_certificate(&self, validity: Option<CertificateValidity>) {
        self.certificate.store(Some(Arc::new(ActiveCertificate { validity, refused: None })));
    }

    pub(super) fn set_certificate_error(&self, why: String) {
        let validity = self.certificate().and_then(|shown| shown.validity);
        self.certificate.store(Some(Arc::new(ActiveCertificate { validity, refused: Some(why) })));
    }
}
