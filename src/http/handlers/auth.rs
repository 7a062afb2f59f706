//! The login routes. The vendor's own credentials never leave the gateway, and no caller can end, replace or
//! touch the service login here.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, header},
    response::Response,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::cached::{parameters, read_fields};
use crate::{
    auth::Caller,
    config::Secret,
    http::{
        context::RequestContext,
        error_code::ErrorCode,
        extract::{Described, Fields, Form, readers},
        middleware::{auth::auth_problem, rate_limit},
        problem::{FieldError, Problem},
        state::AppState,
    },
    model::{CallerName, Route, write_query, write_string},
    upstream::{AccountRequest, Called},
};

/// `POST /auth/login`: an app that speaks Wesal gives its name as `email` and its key as `password`, and gets a session.
pub(in crate::http) async fn log_in(context: RequestContext, request: Request) -> Result<Response, Problem> {
    let state = context.state();
    let (head, body) = request.into_parts();
    parameters(&state.settings, Route::Login, &head.uri)?;
    let (email, password) = shown_at_login(read_fields(state, &head, body).await?)?;
    let (snapshot, now, client) = (state.config_snapshot(), state.clock.wall(), context.client());
    let found = snapshot.callers.by_login(&email, &password, now);
    let refused = |failure| auth_problem(state, &snapshot, client.address(&head.headers), failure);
    let verified = found.map_err(refused)?;
    client.set_authenticated();
    context.facts().caller = Some(Arc::clone(&verified.caller));
    rate_limit::count(&context, &snapshot, &verified.caller)?;
    let session = snapshot.callers.issue_session(&state.sessions, &verified, now).map_err(|_| Problem::internal())?;
    Ok(login_answer(state, &verified.caller, email, session))
}

/// The name and the key that a login shows.
pub(super) fn shown_at_login(mut fields: Fields) -> Result<(String, String), Problem> {
    let shown = login_form(&mut fields);
    fields.forwarded(&[]);
    shown.filter(|_| fields.are_good()).ok_or_else(|| fields.refusal())
}

/// What a login's body holds.
pub(in crate::http) fn login_form(form: &mut impl Form) -> Option<(String, String)> {
    let email = form.required("email", readers::Text, "The app's name at the gateway, or the `login` set for it.");
    let password = form.required("password", readers::Text, "One of the app's gateway keys.");
    Some((email?, password?))
}

/// What a login answers: the vendor's shape, with the caller as the user.
#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct LoggedIn {
    data: LoginData,
    #[schemars(extend("const" = true))]
    success: bool,
}

#[derive(Serialize, JsonSchema)]
struct LoginData {
    user: User,
    /// The session: a JWT, to be sent in `Authorization`.
    access_token: String,
}

/// The app, told as Wesal tells its users.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct User {
    /// The same for an app as long as it has its name.
    id: u32,
    /// The app's name.
    first_name: String,
    last_name: &'static str,
    /// As it came.
    email: String,
    status: u8,
    /// When the gateway's process began.
    created_at: String,
    updated_at: String,
}

fn login_answer(app: &AppState, caller: &Caller, email: String, session: String) -> Response {
    let since = format!("{:.3}", app.started_at);
    let user = User {
        id: user_id(&caller.name),
        first_name: caller.name.as_str().to_owned(),
        last_name: "",
        email,
        status: 1,
        created_at: since.clone(),
        updated_at: since,
    };
    told(&LoggedIn { data: LoginData { user, access_token: session }, success: true })
}

/// The same for a caller as long as it has its name, and telling nothing of others.
fn user_id(name: &CallerName) -> u32 {
    crc32fast::hash(name.as_str().as_bytes())
}

/// `GET /auth/logout`, `GET /auth/reset_pwd`: ends the session that was shown. With a key there is none to end.
pub(in crate::http) async fn log_out(context: RequestContext, request: Request) -> Result<Response, Problem> {
    let state = context.state();
    parameters(&state.settings, Route::Logout, request.uri())?;
    if let Some(session) = &context.admission()?.identity.session {
        state.sessions.revoke(session, state.clock.wall());
    }
    Ok(succeeded())
}

/// `POST /auth/reset`, step 1: the vendor sends a code to the account's owner.
pub(in crate::http) async fn reset_password(context: RequestContext, request: Request) -> Result<Response, Problem> {
    let state = context.state();
    call_account(state, &context, request, &RESET).await
}

/// `POST /auth/verify`, step 2: the code and the new password.
pub(in crate::http) async fn verify_reset(context: RequestContext, request: Request) -> Result<Response, Problem> {
    let state = context.state();
    call_account(state, &context, request, &VERIFY).await
}

/// How the account's owner is reached.
#[derive(Clone, Copy)]
pub(in crate::http) enum Method {
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

/// What a route takes beside `method`: texts, of which those that the method makes mandatory may not be empty.
pub(in crate::http) struct AccountForm {
    route: Route,
    texts: &'static [(&'static str, &'static str)],
    mandatory: fn(Method) -> &'static [&'static str],
}

const EMAIL: (&str, &str) = ("email", "The email of the account at Wesal.");

pub(in crate::http) const RESET: AccountForm = AccountForm {
    route: Route::Reset,
    texts: &[EMAIL, ("phone", "The phone of the account at Wesal.")],
    mandatory: |method| match method {
        Method::Email => &["email"],
        Method::Phone => &["phone"],
    },
};

pub(in crate::http) const VERIFY: AccountForm = AccountForm {
    route: Route::Verify,
    texts: &[
        EMAIL,
        ("verifyCode", "The code that came by email."),
        ("otp", "The code that came by phone."),
        ("password", "The new password. Where it is the gateway's own, it may hold no control character."),
    ],
    mandatory: |method| match method {
        Method::Email => &["email", "verifyCode", "password"],
        Method::Phone => &["email", "otp", "password"],
    },
};

impl AccountForm {
    /// The method and, in their order, the texts that came with it. `all` methods are taken, and `assumed` is what is meant
    /// where there is nothing to read it from.
    fn fill(
        &self,
        form: &mut impl Form,
        all: &'static [Method],
        assumed: Option<Method>,
    ) -> (Option<Method>, Vec<(&'static str, String)>) {
        let reader = readers::OneOf { all, word: Method::as_str };
        let method = form.required("method", reader, "How the code comes to the account's owner.").or(assumed);
        let mandatory = method.map_or(&[][..], self.mandatory);
        let mut texts = Vec::new();
        for (name, about) in self.texts {
            let text = if mandatory.contains(name) {
                form.required(name, readers::SomeText, about)
            } else {
                form.optional(name, readers::Text, about)
            };
            texts.extend(text.map(|text| (*name, text)));
        }
        (method, texts)
    }

    /// Each method's word, with what is to be sent with it.
    pub(in crate::http) fn described(&self) -> [(&'static str, Described); 2] {
        [(Method::Email, &[Method::Email][..]), (Method::Phone, &[Method::Phone])].map(|(method, alone)| {
            let mut form = Described::default();
            self.fill(&mut form, alone, Some(method));
            (method.as_str(), form)
        })
    }
}

async fn call_account(
    state: &AppState,
    context: &RequestContext,
    request: Request,
    form: &AccountForm,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let mut target = form.route.template().to_owned();
    write_query(&parameters(&state.settings, form.route, &head.uri)?, &mut target);
    let fields = read_fields(state, &head, body).await?;
    let is_own = |email: &str| state.wesal.is_own_email(email);
    let AccountCall { body, own_password } = account_call(form, fields, &state.settings.forward_fields, is_own)?;
    let request = AccountRequest { route: form.route, target, body };
    let Called { result, effort, .. } = match own_password {
        None => state.wesal.call_account(request, context.span().point()).await,
        Some(password) => state.wesal.change_own_password(request, password, context.span().point()).await?,
    };
    context.record_effort(effort);
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
    form: &AccountForm,
    mut fields: Fields,
    forward_fields: &[String],
    is_own: impl Fn(&str) -> bool,
) -> Result<AccountCall, Problem> {
    let (method, texts) = form.fill(&mut fields, &[Method::Email, Method::Phone], None);
    let mut own_account = false;
    let mut new_password = None;
    let mut body = String::from("{\"method\":");
    write_string(method.map_or("", Method::as_str), &mut body);
    for (name, value) in texts {
        match name {
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
        let fault = FieldError::at("/password", "this may hold no control character");
        let detail = "The gateway's own password may hold no control character. Choose another.";
        return Err(Problem::new(ErrorCode::InvalidRequest, detail).with_errors(vec![fault]));
    }
    Ok(AccountCall { body, own_password: new_password.filter(|_| own_account) })
}

/// What logout, reset and verify answer.
#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct Succeeded {
    #[schemars(extend("const" = true))]
    success: bool,
}

fn succeeded() -> Response {
    told(&Succeeded { success: true })
}

fn told(answer: &impl Serialize) -> Response {
    // Structs of texts and numbers always have a form in JSON.
    let mut response = Response::new(Body::from(serde_json::to_vec(answer).unwrap_or_default()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
