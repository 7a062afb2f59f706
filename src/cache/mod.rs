//! Parts kept, and fetched once. Ignorant of HTTP and of Wesal: a part is bytes under a key.
//!
//! `freshness` decides (pure), `store` holds within a bound of bytes, `flight` sees to it that a part
//! is fetched by one task however many wait.

mod entry;
mod flight;
mod freshness;
mod store;

pub use entry::{Entry, Phase, entity_tag};
pub use flight::{Flights, Full, Joined, Lost, Waiter};
pub use freshness::{Freshness, Policy, freshness};
pub use store::Store;
