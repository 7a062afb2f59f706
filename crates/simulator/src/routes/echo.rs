//! A route that the reference does not know: it says what it was asked, and when.

use crate::envelope::{Refusal, success};
use crate::handler::SimRequest;
use crate::json::Object;
use crate::routes::params::{Params, invalid};
use crate::state::Inner;
use crate::time;

pub(crate) fn echo(inner: &Inner, call: &SimRequest) -> Result<String, Refusal> {
    if call.path.ends_with("/unknown") {
        return Err(invalid("there is nothing of that name"));
    }
    if !call.body.is_empty() {
        Params::read(&call.body)?;
    }
    let asked = Object::new()
        .text("path", &call.path)
        .text("query", call.query.as_deref().unwrap_or_default())
        .raw("body", if call.body.is_empty() { "null".into() } else { String::from_utf8_lossy(&call.body) })
        .text("time", &time::format(inner.now()));
    Ok(success(&asked.close()))
}
