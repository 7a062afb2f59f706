//! Who asks, and what they may see. Ignorant of HTTP.

mod acquaintance;
mod api_key;
mod caller;
mod company_view;
mod registry;
mod session;

pub use acquaintance::{Acquaintance, Credential, Identity};
pub use api_key::ApiKey;
pub use caller::{Caller, Forbidden};
pub use company_view::{NotUnderstood, only_companies};
pub use registry::{AuthFailure, Callers, Shown};
pub use session::{Session, Sessions};
