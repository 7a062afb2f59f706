use std::collections::HashSet;

use bytes::Bytes;

use crate::model::{CompanyId, only_member, splice};

/// The organization's answer has not the shape that lets it be cut; it must then not be shown.
#[derive(Debug, thiserror::Error)]
#[error("the organization's list of companies is not understood")]
pub struct NotUnderstood;

/// The organization's answer with only those companies listed that are `allowed`. All else is the vendor's,
/// byte for byte.
pub fn only_companies(body: &Bytes, allowed: &HashSet<CompanyId>) -> Result<Bytes, NotUnderstood> {
    let text = std::str::from_utf8(body).map_err(|_| NotUnderstood)?;
    let spliced = splice(text, "data", "companies").ok_or(NotUnderstood)?;
    let mut kept = Vec::new();
    for row in &spliced.rows {
        let id = only_member(row, "id").ok_or(NotUnderstood)?;
        let id: CompanyId = serde_json::from_str(id.get()).map_err(|_| NotUnderstood)?;
        if allowed.contains(&id) {
            kept.push(row.get());
        }
    }
    Ok(spliced.with(kept.into_iter()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(body: &str, allowed: &[u64]) -> Result<String, NotUnderstood> {
        let allowed = allowed.iter().map(|id| CompanyId::try_from(*id).unwrap()).collect();
        let cut = only_companies(&Bytes::copy_from_slice(body.as_bytes()), &allowed)?;
        Ok(String::from_utf8(cut.to_vec()).unwrap())
    }

    #[test]
    fn only_the_list_changes() {
        let body = r#"{ "data": {"organization": {"id": 1.0}, "companies": [ {"id": 1, "x": 1e2} , {"id":2}, {"id":3}] , "z": 0}, "success":true }"#;
        assert_eq!(
            cut(body, &[3, 1, 9]).unwrap(),
            r#"{ "data": {"organization": {"id": 1.0}, "companies": [{"id": 1, "x": 1e2},{"id":3}] , "z": 0}, "success":true }"#
        );
        assert!(cut(body, &[]).unwrap().contains(r#""companies": []"#));
    }

    #[test]
    fn what_is_not_understood_is_not_shown() {
        for body in [
            "",
            "{}",
            r#"{"data":{}}"#,
            r#"{"data":{"companies":{}}}"#,
            r#"{"data":{"companies":[{"id":"1"}]}}"#,
            r#"{"data":{"companies":[{"id":1}],"companies":[{"id":2}]}}"#,
        ] {
            assert!(cut(body, &[1]).is_err(), "{body}");
        }
    }
}
