//! The simulated vendor by itself: it must be what the reference says, whatever the gateway makes of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod faults;
mod reference;
