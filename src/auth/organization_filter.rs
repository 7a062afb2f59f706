use std::collections::HashSet;

use bytes::Bytes;

use crate::model::{CompanyId, only_member, splice};

/// The organization's answer does not have the expected shape. It cannot be filtered and must not be shown.
#[derive(Debug, thiserror::Error)]
#[error("the organization's list of companies has an unexpected shape")]
pub struct UnexpectedShape;

/// Removes the companies that are not `allowed` from the organization's answer. Every other byte is unchanged.
pub fn filter_companies(body: &Bytes, allowed: &HashSet<CompanyId>) -> Result<Bytes, UnexpectedShape> {
    let text = std::str::from_utf8(body).map_err(|_| UnexpectedShape)?;
    let spliced = splice(text, "data", "companies").ok_or(UnexpectedShape)?;
    let mut kept = Vec::new();
    for row in &spliced.rows {
        let id = only_member(row, "id").ok_or(UnexpectedShape)?;
        let id: CompanyId = serde_json::from_str(id.get()).map_err(|_| UnexpectedShape)?;
        if allowed.contains(&id) {
            kept.push(row.get());
        }
    }
    Ok(spliced.with(kept.into_iter()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(body: &str, allowed: &[u64]) -> Result<String, UnexpectedShape> {
        let allowed = allowed.iter().map(|id| CompanyId::try_from(*id).unwrap()).collect();
        let filtered = filter_companies(&Bytes::copy_from_slice(body.as_bytes()), &allowed)?;
        Ok(String::from_utf8(filtered.to_vec()).unwrap())
    }

    #[test]
    fn filter_changes_only_the_company_list() {
        let body = r#"{ "data": {"organization": {"id": 1.0}, "companies": [ {"id": 1, "x": 1e2} , {"id":2}, {"id":3}] , "z": 0}, "success":true }"#;
        assert_eq!(
            filtered(body, &[3, 1, 9]).unwrap(),
            r#"{ "data": {"organization": {"id": 1.0}, "companies": [{"id": 1, "x": 1e2},{"id":3}] , "z": 0}, "success":true }"#
        );
        assert!(filtered(body, &[]).unwrap().contains(r#""companies": []"#));
    }

    #[test]
    fn unexpected_shape_is_an_error() {
        for body in [
            "",
            "{}",
            r#"{"data":{}}"#,
            r#"{"data":{"companies":{}}}"#,
            r#"{"data":{"companies":[{"id":"1"}]}}"#,
            r#"{"data":{"companies":[{"id":1}],"companies":[{"id":2}]}}"#,
        ] {
            assert!(filtered(body, &[1]).is_err(), "{body}");
        }
    }
}
