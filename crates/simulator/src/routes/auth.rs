//! Login, reset, verify, logout.

use super::params::{Params, invalid};
use crate::accounts::Channel;
use crate::envelope::{Refusal, empty_success};
use crate::faults::Fault;
use crate::handler::SimRequest;
use crate::json::{Object, text};
use crate::state::Inner;

/// Refuses a wrong email or password with X001, as a wrong client id, since the reference has no other code.
pub(crate) fn login(inner: &Inner, request: &SimRequest) -> Result<String, Refusal> {
    let params = Params::read(&request.body)?;
    let (email, password) = (params.text("email")?, params.text("password")?);
    let now = inner.now() / 1000;
    let mut state = inner.state();
    if !state.account.verify_password(email, password) {
        state.history.stats.logins_refused += 1;
        return Err(Refusal::Key);
    }
    state.history.stats.logins_ok += 1;
    // A token that cannot be signed is left out, as with the fault `login_no_token`.
    let token = state.tokens.issue(email, now, inner.options.token_ttl).ok();
    let token = token.filter(|_| request.fault != Some(Fault::LoginNoToken));
    Ok(login_body(&state.account.user(), &state.token_pointer, token.as_deref()))
}

/// Returns `{"data": {"user": …, "access_token": …}, "success": true}`, with the token where the pointer says: inside
/// `data` or beside it.
fn login_body(user: &str, pointer: &str, token: Option<&str>) -> String {
    let mut data = Object::new().raw("user", user);
    let mut rest = Object::new();
    if let Some(token) = token {
        let (inside, path) = match pointer.strip_prefix("/data/") {
            Some(path) => (true, path),
            None => (false, pointer.trim_start_matches('/')),
        };
        let (first, deeper) = path.split_once('/').unwrap_or((path, ""));
        let value = deeper
            .rsplit('/')
            .filter(|name| !name.is_empty())
            .fold(text(token), |value, name| Object::new().raw(name, value).close());
        if inside {
            data = data.raw(first, value);
        } else {
            rest = rest.raw(first, value);
        }
    }
    rest.raw("data", data.close()).raw("success", true).close()
}

fn channel(params: &Params) -> Result<Channel, Refusal> {
    match params.text("method")? {
        "email" => Ok(Channel::Email),
        "phone" => Ok(Channel::Phone),
        _ => Err(invalid("method is neither email nor phone")),
    }
}

pub(crate) fn reset(inner: &Inner, request: &SimRequest) -> Result<String, Refusal> {
    let params = Params::read(&request.body)?;
    let channel = channel(&params)?;
    if channel == Channel::Phone {
        params.text("phone")?;
    }
    inner.state().account.reset(channel, params.text("email")?)?;
    Ok(empty_success())
}

/// Reads an email's code from `verifyCode`, a phone's from `otp`.
pub(crate) fn verify(inner: &Inner, request: &SimRequest) -> Result<String, Refusal> {
    let params = Params::read(&request.body)?;
    let channel = channel(&params)?;
    let code = match channel {
        Channel::Email => params.text("verifyCode")?,
        Channel::Phone => params.text("otp")?,
    };
    let (email, password) = (params.text("email")?, params.text("password")?);
    inner.state().account.verify(channel, email, code, password)?;
    Ok(empty_success())
}

pub(crate) fn logout(inner: &Inner, request: &SimRequest) -> Result<String, Refusal> {
    let mut state = inner.state();
    let token = request.token(state.scheme.as_deref()).ok_or(Refusal::Token)?;
    state.tokens.revoke(token);
    Ok(empty_success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_where_the_pointer_says() {
        assert_eq!(
            login_body("{}", "/data/access_token", Some("T")),
            r#"{"data":{"user":{},"access_token":"T"},"success":true}"#
        );
        assert_eq!(login_body("{}", "/token", Some("T")), r#"{"token":"T","data":{"user":{}},"success":true}"#);
        assert_eq!(
            login_body("{}", "/data/auth/token", Some("T")),
            r#"{"data":{"user":{},"auth":{"token":"T"}},"success":true}"#
        );
        assert_eq!(login_body("{}", "/token", None), r#"{"data":{"user":{}},"success":true}"#);
    }
}
