use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::CompanyId;

/// The organization's answer has not the shape that lets it be cut; it must then not be shown.
#[derive(Debug, thiserror::Error)]
#[error("the organization's list of companies is not understood")]
pub struct NotUnderstood;

/// The organization's answer with only those companies listed that are `allowed`. All else is the vendor's,
/// byte for byte.
pub fn only_companies(body: &Bytes, allowed: &HashSet<CompanyId>) -> Result<Bytes, NotUnderstood> {
    #[derive(Deserialize)]
    struct Company {
        id: CompanyId,
    }
    let text = std::str::from_utf8(body).map_err(|_| NotUnderstood)?;
    let list = companies(text).ok_or(NotUnderstood)?;
    let rows: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| NotUnderstood)?;
    let mut cut = BytesMut::with_capacity(body.len());
    // `list` is a slice of `text`, so the distance of their starts is where it stands.
    let start = (list.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize).ok_or(NotUnderstood)?;
    let before = text.get(..start).ok_or(NotUnderstood)?;
    let after = text.get(start + list.get().len()..).ok_or(NotUnderstood)?;
    cut.extend_from_slice(before.as_bytes());
    cut.extend_from_slice(b"[");
    let mut first = true;
    for row in rows {
        let Company { id } = serde_json::from_str(row.get()).map_err(|_| NotUnderstood)?;
        if allowed.contains(&id) {
            if !first {
                cut.extend_from_slice(b",");
            }
            first = false;
            cut.extend_from_slice(row.get().as_bytes());
        }
    }
    cut.extend_from_slice(b"]");
    cut.extend_from_slice(after.as_bytes());
    Ok(cut.freeze())
}

fn companies(text: &str) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Data<'a> {
        #[serde(borrow)]
        companies: &'a RawValue,
    }
    let document: Document<'_> = serde_json::from_str(text).ok()?;
    let data: Data<'_> = serde_json::from_str(document.data.get()).ok()?;
    Some(data.companies)
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
