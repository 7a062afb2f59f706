//! What somebody should see to, though callers are answered.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use serde::Serialize;

use super::{certificate_validity::CertificateValidity, state::AppState};
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

impl Warnings {
    /// What may be wrong, by the name that the metric has for it; and if it is, as `/readyz` tells it. That is for
    /// everybody: no path, no date. `login` is what came of the last login while a token still works, `route_refused` whether the vendor
    /// refuses a route.
    fn all(
        &self,
        now: Timestamp,
        login: Option<LoginState>,
        route_refused: bool,
    ) -> [(&'static str, Option<String>); 6] {
        let reload_refused = self.reload_refused.load(Ordering::Relaxed);
        let shown = self.certificate.load();
        let shown = shown.as_deref();
        let certificate_refused = shown.is_some_and(|shown| shown.refused.is_some());
        let validity = shown.and_then(|shown| shown.validity);
        let login = |state, told: &str| (login == Some(state)).then(|| told.to_owned());
        [
            (
                "login_refused",
                login(
                    LoginState::Refused,
                    "login: the vendor refuses the service login, and the token in use serves only until it ends; check \
                     the client id, email and password",
                ),
            ),
            (
                "login_failing",
                login(
                    LoginState::Failed,
                    "login: the last login at the vendor failed, and the token in use serves only until it ends; it is \
                     tried again",
                ),
            ),
            (
                "route_refused",
                route_refused.then(|| {
                    "route: the vendor takes the service login, and refuses a route to it; ask the vendor for the \
                     account's rights"
                        .to_owned()
                }),
            ),
            (
                "configuration_refused",
                reload_refused
                    .then(|| "configuration: the last reload was refused; what held before still holds".to_owned()),
            ),
            (
                "certificate_refused",
                certificate_refused.then(|| {
                    "certificate: its files have changed, and are not good; the one before is still shown".to_owned()
                }),
            ),
            (
                "certificate_not_good_for_long",
                validity.and_then(|validity| validity.warning(now)).map(|warning| format!("certificate: {warning}")),
            ),
        ]
    }

    pub(crate) fn certificate(&self) -> Option<Arc<ActiveCertificate>> {
        self.certificate.load_full()
    }
}

impl AppState {
    /// What may be wrong now, by its name in the metric `warnings`, and as `/readyz` tells it if it is.
    pub(crate) fn warnings(&self) -> [(&'static str, Option<String>); 6] {
        self.warnings.all(self.clock.wall(), self.wesal.login_setback(), self.wesal.refuses_a_route())
    }

    /// Notes whether the last reload was refused.
    pub fn set_reload_result(&self, refused: bool) {
        self.warnings.reload_refused.store(refused, Ordering::Relaxed);
    }

    /// Notes that callers are shown a certificate from now on, which is as good as its files.
    pub fn set_certificate(&self, validity: Option<CertificateValidity>) {
        self.warnings.certificate.store(Some(Arc::new(ActiveCertificate { validity, refused: None })));
    }

    /// Notes that its files are not good any more, and why.
    pub fn set_certificate_error(&self, why: String) {
        let validity = self.warnings.certificate().and_then(|shown| shown.validity);
        self.warnings.certificate.store(Some(Arc::new(ActiveCertificate { validity, refused: Some(why) })));
    }
}
