//! From a request to a typed query. Whatever the reference shows to be wrong ends here, before anything is
//! spent.

mod body;
mod described;
mod fields;
mod query;
pub(super) mod readers;

pub(super) use body::{parse_json, read_body};
pub(super) use described::Described;
pub(super) use fields::{Fields, Form, Reader, UNKNOWN_FIELD};
pub(super) use query::{UNKNOWN_PARAMETER, query_parameters};
