//! Routes that the reference does not have: they return the request and the time.

use crate::envelope::{Refusal, success};
use crate::handler::SimRequest;
use crate::json::Object;
use crate::routes::params::{Params, invalid};
use crate::state::Inner;
use crate::time;

pub(crate) fn echo(inner: &Inner, request: &SimRequest) -> Result<String, Refusal> {
    if request.path.ends_with("/unknown") {
        return Err(invalid("there is nothing of that name"));
    }
    if !request.body.is_empty() {
        Params::read(&request.body)?;
    }
    let echo = Object::new()
        .text("path", &request.path)
        .text("query", request.query.as_deref().unwrap_or_default())
        .raw("body", if request.body.is_empty() { "null".into() } else { String::from_utf8_lossy(&request.body) })
        .text("time", &time::format(inner.now()));
    Ok(success(&echo.close()))
}
