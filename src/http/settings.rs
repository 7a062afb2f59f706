use std::time::Duration;

use super::route_table::RouteTable;

/// The handlers' part of the configuration.
pub(crate) struct Settings {
    pub(crate) table: RouteTable,
    pub(crate) max_body: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) forward_query: Vec<String>,
    pub(crate) forward_fields: Vec<String>,
}
