use std::collections::BTreeMap;

use crate::http::{
    error_code::ErrorCode,
    problem::{FieldError, Problem},
};

/// What is said of a query parameter that is not let through.
pub(crate) const UNKNOWN_PARAMETER: &str = "this path takes no such query parameter";

/// The query's parameters, decoded. The reference knows none, so only those that the configuration names are let
/// through, each once.
pub(crate) fn query_parameters(
    query: Option<&str>,
    allowed: &[&[String]],
) -> Result<BTreeMap<String, String>, Problem> {
    let mut parameters = BTreeMap::new();
    let mut faults = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if !allowed.iter().copied().flatten().any(|allowed| *allowed == name) {
            faults.push(FieldError::parameter(shown(&name), UNKNOWN_PARAMETER));
        } else if value.contains(char::REPLACEMENT_CHARACTER) {
            faults.push(FieldError::parameter(name, "this is not percent-encoded UTF-8"));
        } else if parameters.insert(name.clone().into_owned(), value.into_owned()).is_some() {
            faults.push(FieldError::parameter(name, "this query parameter stands twice"));
        }
    }
    if faults.is_empty() {
        return Ok(parameters);
    }
    let detail = "The query parameters are not accepted; `errors` says which and why. Leave them out.";
    Err(Problem::new(ErrorCode::InvalidRequest, detail).with_errors(faults))
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_passes_and_only_once() {
        let allowed = ["lang".to_owned()];
        let read = |query| query_parameters(query, &[&allowed]);
        assert!(read(None).unwrap().is_empty());
        assert!(read(Some("")).unwrap().is_empty());
        assert_eq!(read(Some("lang=a%20b")).unwrap()["lang"], "a b");
        for bad in ["lang=a&lang=b", "other=1", "lang=%ff", "lang", "LANG=a"] {
            assert_eq!(read(Some(bad)).is_err(), bad != "lang", "{bad}");
        }
    }
}
