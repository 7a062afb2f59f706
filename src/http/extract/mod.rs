//! From a request to a typed query. Whatever the reference shows to be wrong ends here, before anything is
//! spent.

mod body;
mod described;
mod fields;
mod query;
pub(crate) mod readers;

pub(crate) use body::{parse_json, read_body, read_bytes};
pub(crate) use described::Described;
pub(crate) use fields::{Fields, Form, Reader, UNKNOWN_FIELD};
pub(crate) use query::{UNKNOWN_PARAMETER, query_parameters};
