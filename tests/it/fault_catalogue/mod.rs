//! The fault catalogue: all that the vendor is known or feared to do, a line each, and what comes of it. Each row is
//! lived through with nothing held, with a fresh answer held, with a stale one, and by a crowd at once.

mod bodies;
mod codes;
mod fate;
mod logins;
mod page;
mod statuses;
mod story;
mod wire;

use fate::{Row, Trouble};
