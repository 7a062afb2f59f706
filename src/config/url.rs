//! The rules for URLs of the vendor, of a proxy and of a collector. No error repeats the URL: it may hold a password.

use std::net::IpAddr;

use url::{Host, Url};

use super::validator::Validator;

pub(super) fn validate_vendor(text: &str, allow_http: bool, validator: &mut Validator<'_, '_>) {
    let example = &"write it as in \"https://api.wesal.dev/api/v1\"";
    let Some(url) = parse(text, "base_url", example, validator) else { return };
    let is_plain = url.query().is_none() && url.fragment().is_none();
    validator.require(is_plain, "base_url", "has a query or a fragment", example);
    let is_loopback = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let is_safe = url.scheme() == "https" || is_loopback || allow_http;
    let reason = "is not https, so the vendor's credentials would travel unencrypted";
    validator.require_all(is_safe, &["base_url", "allow_http"], reason, "use https, or set upstream.allow_http = true");
}

pub(super) fn validate_proxy(text: &str, validator: &mut Validator<'_, '_>) {
    let example = &"write it as in \"http://proxy.example.com:3128\"";
    let Some(url) = parse(text, "proxy", example, validator) else { return };
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    validator.require(is_bare, "proxy", "has more than a host and a port", example);
}

/// Spans hold no secret, so plain http is allowed.
pub(super) fn validate_collector(text: &str, validator: &mut Validator<'_, '_>) {
    let example = &"write it as in \"http://127.0.0.1:4318\"";
    let Some(url) = parse(text, "otlp_endpoint", example, validator) else { return };
    let is_plain = url.query().is_none() && url.fragment().is_none();
    validator.require(is_plain, "otlp_endpoint", "has a query or a fragment", example);
    let is_base = !url.path().trim_end_matches('/').ends_with("/v1/traces");
    validator.require(is_base, "otlp_endpoint", "ends with /v1/traces, which is appended to it", "remove that path");
}

/// Parses an http or https URL without credentials.
fn parse(text: &str, setting: &str, example: &str, validator: &mut Validator<'_, '_>) -> Option<Url> {
    let clean = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let well_formed = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && text.get(url.scheme().len()..).is_some_and(|rest| rest.starts_with("://"))
    };
    let url = Url::parse(text).ok().filter(well_formed).filter(|_| clean);
    let Some(url) = url else {
        validator.require(false, setting, "is not a URL that begins with https:// or http://", example);
        return None;
    };
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    validator.require(is_anonymous, setting, "has a user or a password in it", &format!("remove them: {example}"));
    Some(url)
}
