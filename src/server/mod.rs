//! The running process: the only place where the parts are put together, what listens, and how it ends.

mod bound;
mod certificates;
mod connection;
mod descriptors;
mod gateway;
mod listener;
mod reload;
mod service_manager;
mod settling;
mod socket;
mod socket_file;
mod start_error;
mod tls;
mod vitals;

pub use bound::{Bound, Passed};
pub use certificates::TlsError;
pub use descriptors::allow_descriptors;
pub use gateway::{Drained, Gateway, LAST_STEPS};
pub use reload::{Refused, Reloader};
pub use start_error::StartError;
pub use tls::{TlsFileError, check_certificate_files};
