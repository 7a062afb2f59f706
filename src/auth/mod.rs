//! Authentication and authorization: API keys, sessions and the rights of callers. Knows nothing of HTTP.

mod api_key;
mod caller;
mod connection_cache;
mod organization_filter;
mod registry;
mod session;

pub use api_key::ApiKey;
pub use caller::{Caller, Forbidden};
pub use connection_cache::{ConnectionAuthCache, Credential, Identity};
pub use organization_filter::{UnexpectedShape, filter_companies};
pub use registry::{AuthFailure, Callers, VerifiedKey};
pub use session::{Session, SessionError, Sessions};
