//! Parts kept. Ignorant of HTTP and of Wesal: a part is something of some weight under a key.
//!
//! [`freshness()`] decides (pure), [`Store`] holds within a bound of bytes, [`Interest`] remembers who asked.

mod entry;
mod freshness;
mod interest;
mod memo;
mod store;
mod stretch;

pub use entry::{Coverage, Entry, Weigh, entity_tag};
pub use freshness::{Freshness, Policy, freshness};
pub use interest::Interest;
pub use memo::{Kept, Memo};
pub use store::Store;
pub use stretch::Stretch;
