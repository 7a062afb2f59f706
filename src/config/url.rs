//! The rules for addresses of the vendor, of a proxy and of a collector. No fault repeats the address: it may hold a password.

use std::net::IpAddr;

use url::{Host, Url};

use super::validator::Validator;

pub(super) fn validate_vendor(text: &str, allow_http: bool, validator: &mut Validator<'_>) {
    let example = "write it as in \"https://api.wesal.dev/api/v1\"";
    let Some(url) = parse(text, "base_url", example, validator) else { return };
    let plain = url.query().is_none() && url.fragment().is_none();
    validator.require(plain, "base_url", "has a query or a fragment", example);
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let sealed = url.scheme() == "https" || loopback || allow_http;
    let reason = "is not https, so the vendor's credentials would travel in the clear";
    validator.require_all(sealed, &["base_url", "allow_http"], reason, "use https, or set upstream.allow_http = true");
}

pub(super) fn validate_proxy(text: &str, validator: &mut Validator<'_>) {
    let example = "write it as in \"http://proxy.example.com:3128\"";
    let Some(url) = parse(text, "proxy", example, validator) else { return };
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    validator.require(bare, "proxy", "has more than a host and a port", example);
}

/// Where traces go. Spans hold no secret, so that plain http is well within a machine or a cluster.
pub(super) fn validate_collector(text: &str, validator: &mut Validator<'_>) {
    let example = "write it as in \"http://127.0.0.1:4318\"";
    let Some(url) = parse(text, "otlp_endpoint", example, validator) else { return };
    let plain = url.query().is_none() && url.fragment().is_none();
    validator.require(plain, "otlp_endpoint", "has a query or a fragment", example);
    let base = !url.path().trim_end_matches('/').ends_with("/v1/traces");
    validator.require(base, "otlp_endpoint", "has the path /v1/traces, which is put behind it", "take that path out");
}

/// An address by http or https, without a user and a password in it.
fn parse(text: &str, setting: &str, example: &str, validator: &mut Validator<'_>) -> Option<Url> {
    let clean = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let well_formed = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && text.get(url.scheme().len()..).is_some_and(|rest| rest.starts_with("://"))
    };
    let url = Url::parse(text).ok().filter(well_formed).filter(|_| clean);
    let Some(url) = url else {
        validator.require(false, setting, "is not an address that begins with https:// or http://", example);
        return None;
    };
    let anonymous = url.username().is_empty() && url.password().is_none();
    validator.require(anonymous, setting, "has a user or a password in it", &format!("take them out: {example}"));
    Some(url)
}
