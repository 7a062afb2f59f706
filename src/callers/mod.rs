//! Who asks, and what they may see. Ignorant of HTTP.

mod api_key;
mod caller;
mod company_view;
mod connection_cache;
mod registry;
mod session;

pub use api_key::ApiKey;
pub use caller::{Caller, Forbidden};
pub use company_view::{NotUnderstood, only_companies};
pub use connection_cache::{ConnectionAuthCache, Credential, Identity};
pub use registry::{AuthFailure, Callers, Shown};
pub use session::{Session, Sessions};
