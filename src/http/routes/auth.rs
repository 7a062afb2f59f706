//! The login routes. The vendor's own credentials never leave the gateway, and no caller can end, replace or
//! touch the service login here.

use axum::{
    body::Body,
    http::{HeaderValue, header, request::Parts},
    response::Response,
};
use serde_json::json;

use super::serve::{parameters, read_fields};
use crate::{
    callers::{Caller, Session},
    config::Secret,
    http::{
        access_log::Line,
        admit::{count, refuse},
        app::{App, Peer},
        code::Code,
        extract::{Fields, readers},
        problem::{Fault, Problem},
    },
    model::{CallerName, Route, write_string},
    upstream::Called,
};

/// `POST /auth/login`: an app that speaks Wesal gives its name as `email` and its key as `password`, and gets a session.
pub(in crate::http) async fn log_in(
    app: &App,
    peer: &Peer,
    head: &Parts,
    body: Body,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    parameters(&app.settings, &head.uri)?;
    let (email, password) = shown_at_login(read_fields(app, head, body).await?)?;
    let (known, now) = (app.known(), app.clock.wall());
    let found = known.callers.by_login(&email, &password, now);
    let shown = found.map_err(|failure| refuse(app, &known, peer.address(&head.headers), failure))?;
    count(app, &known, &shown.caller, line)?;
    let session = known.callers.begin_session(&app.sessions, &shown, now).map_err(|_| Problem::internal())?;
    Ok(no_store(login_answer(app, &shown.caller, &email, &session)))
}

/// The name and the key that a login shows.
pub(super) fn shown_at_login(mut fields: Fields) -> Result<(String, String), Problem> {
    let email = fields.required("email", readers::text);
    let password = fields.required("password", readers::text);
    fields.forwarded(&[]);
    match (email, password) {
        (Some(email), Some(password)) if fields.are_good() => Ok((email, password)),
        _ => Err(fields.refusal()),
    }
}

/// The vendor's shape, with the caller as the user.
fn login_answer(app: &App, caller: &Caller, email: &str, session: &str) -> String {
    let since = format!("{:.3}", app.started_at);
    json!({
        "data": {
            "user": {
                "id": user_id(&caller.name),
                "firstName": caller.name.as_str(),
                "lastName": "",
                "email": email,
                "status": 1,
                "createdAt": since,
                "updatedAt": since,
            },
            "access_token": session,
        },
        "success": true,
    })
    .to_string()
}

/// The same for a caller as long as it has its name, and telling nothing of others.
fn user_id(name: &CallerName) -> u32 {
    crc32fast::hash(name.as_str().as_bytes())
}

/// `GET /auth/logout`, `GET /auth/reset_pwd`: ends the session that was shown. With a key there is none to end.
pub(in crate::http) fn log_out(app: &App, session: Option<&Session>, head: &Parts) -> Result<Response, Problem> {
    parameters(&app.settings, &head.uri)?;
    if let Some(session) = session {
        app.sessions.end(session, app.clock.wall());
    }
    Ok(succeeded())
}

/// `POST /auth/reset`, step 1: the vendor sends a code to the account's owner.
pub(in crate::http) async fn reset_password(
    app: &App,
    head: &Parts,
    body: Body,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    call_account(app, head, body, &RESET, line).await
}

/// `POST /auth/verify`, step 2: the code and the new password.
pub(in crate::http) async fn verify_reset(
    app: &App,
    head: &Parts,
    body: Body,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    call_account(app, head, body, &VERIFY, line).await
}

/// How the account's owner is reached.
#[derive(Clone, Copy)]
pub(super) enum Method {
    Email,
    Phone,
}

impl Method {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }
}

/// The texts that a route takes beside `method`; those that the method makes mandatory may not be empty.
pub(super) struct Form {
    route: Route,
    fields: &'static [&'static str],
    mandatory: fn(Method) -> &'static [&'static str],
}

pub(super) const RESET: Form = Form {
    route: Route::Reset,
    fields: &["email", "phone"],
    mandatory: |method| match method {
        Method::Email => &["email"],
        Method::Phone => &["phone"],
    },
};

pub(super) const VERIFY: Form = Form {
    route: Route::Verify,
    fields: &["email", "verifyCode", "otp", "password"],
    mandatory: |method| match method {
        Method::Email => &["email", "verifyCode", "password"],
        Method::Phone => &["email", "otp", "password"],
    },
};

async fn call_account(
    app: &App,
    head: &Parts,
    body: Body,
    form: &Form,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    parameters(&app.settings, &head.uri)?;
    let fields = read_fields(app, head, body).await?;
    let is_own = |email: &str| app.wesal.is_own_email(email);
    let AccountCall { body, own_password } = account_call(form, fields, &app.settings.forward_fields, is_own)?;
    let Called { result, effort } = match own_password {
        None => app.wesal.call_account(form.route, body, line.span.point()).await,
        Some(password) => app.wesal.change_own_password(body, password, line.span.point()).await?,
    };
    line.effort = effort;
    // The reference promises no more than this; whatever else the vendor says here stays here.
    Ok(result.map(|_| succeeded())?)
}

/// What is to be asked of the vendor.
pub(super) struct AccountCall {
    /// Written anew from what was validated.
    pub(super) body: String,
    /// The new password, where it is the service login's own that changes.
    pub(super) own_password: Option<Secret>,
}

/// Reads a form; `is_own` knows the service login's own email.
pub(super) fn account_call(
    form: &Form,
    mut fields: Fields,
    forward_fields: &[String],
    is_own: impl Fn(&str) -> bool,
) -> Result<AccountCall, Problem> {
    let method = fields.required("method", readers::one_of([Method::Email, Method::Phone], Method::as_str));
    let mandatory = method.map_or(&[][..], form.mandatory);
    let mut own_account = false;
    let mut new_password = None;
    let mut body = String::from("{\"method\":");
    write_string(method.map_or("", Method::as_str), &mut body);
    for name in form.fields {
        let value = if mandatory.contains(name) {
            fields.required(name, readers::some_text)
        } else {
            fields.optional(name, readers::text)
        };
        let Some(value) = value else { continue };
        match *name {
            "email" => own_account = is_own(&value),
            "password" => new_password = Some(Secret::new(&value)),
            _ => {}
        }
        body.push(',');
        write_string(name, &mut body);
        body.push(':');
        write_string(&value, &mut body);
    }
    for (name, value) in fields.forwarded(forward_fields) {
        body.push(',');
        write_string(&name, &mut body);
        body.push(':');
        value.write(&mut body);
    }
    body.push('}');
    if !fields.are_good() {
        return Err(fields.refusal());
    }
    // A file ends where a line does: such a password could not be read back.
    if own_account && new_password.as_ref().is_some_and(|new| new.expose().chars().any(char::is_control)) {
        let fault = Fault::at("/password", "this may hold no control character");
        let detail = "The gateway's own password may hold no control character. Choose another.";
        return Err(Problem::new(Code::InvalidRequest, detail).with_faults(vec![fault]));
    }
    Ok(AccountCall { body, own_password: new_password.filter(|_| own_account) })
}

fn succeeded() -> Response {
    no_store(r#"{"success":true}"#.to_owned())
}

fn no_store(json: String) -> Response {
    let mut response = Response::new(Body::from(json));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
