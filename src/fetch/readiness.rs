use super::Parts;
use crate::upstream::{LoginState, Wesal};

/// Whether the gateway can answer callers.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Readiness {
    /// Whether it can.
    pub ready: bool,
    /// If not, why.
    pub reasons: Vec<&'static str>,
    /// What somebody should see to, though callers are answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Readiness {
    /// Ready while logged in at the vendor, or while anything is held that may be served; never while draining.
    pub fn now(parts: &Parts, wesal: &Wesal, draining: bool) -> Self {
        let mut reasons = Vec::new();
        if draining {
            reasons.push("draining: the process is ending");
        }
        let login = match wesal.login_state() {
            LoginState::Good => None,
            LoginState::Absent | LoginState::LoggingIn => Some("login: not logged in at the vendor yet"),
            LoginState::Refused => {
                Some("login: the vendor refuses the service login; check its client id, email and password")
            }
            LoginState::Failed => Some("login: the last login at the vendor failed; it is tried again"),
        };
        if let Some(reason) = login
            && !parts.holds_servable()
        {
            reasons.push(reason);
        }
        Self { ready: reasons.is_empty(), reasons, warnings: Vec::new() }
    }
}
