//! The organization and its companies.

use crate::json::{Object, array};

/// A company of the organization.
pub(crate) struct Company {
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    /// Whether the organization's answer lists it.
    listed: bool,
}

/// The last two are not listed but can be queried: the reference's surveys example asks for company 1, and its answer is
/// for company 1000069.
const COMPANIES: [Company; 7] = [
    Company { id: 100_301, name: "Najd Retail", listed: true },
    Company { id: 100_302, name: "Red Sea Logistics", listed: true },
    Company { id: 100_303, name: "Wadi Telecom", listed: true },
    Company { id: 100_304, name: "Palm Health", listed: true },
    Company { id: 100_305, name: "شركة الواحة", listed: true },
    Company { id: 1, name: "Wesal Demo", listed: false },
    Company { id: 1_000_069, name: "Hadef IT", listed: false },
];

/// Returns the company of this id.
pub(crate) fn company(id: u64) -> Option<&'static Company> {
    COMPANIES.iter().find(|company| company.id == id)
}

/// Returns `data` of the organization's answer. Its `organizationId` is the reference's, with the letters that are not
/// ASCII.
pub(crate) fn data() -> String {
    let organization = Object::new()
        .raw("id", 1003)
        .text("name", "Wesal Demo Organization")
        .text("region", "ie")
        .text("organizationId", "9363d658-d638-××××-911f-××××c1f67181")
        .close();
    let companies = COMPANIES
        .iter()
        .filter(|company| company.listed)
        .map(|company| Object::new().raw("id", company.id).text("name", company.name).close());
    Object::new().raw("organization", organization).raw("companies", array(companies)).close()
}

/// Returns `profile` of the surveys' answer. The company's id is a text here.
pub(crate) fn profile(company: &Company) -> String {
    Object::new()
        .raw("id", 1_006_549_887)
        .text("region", "ie")
        .text("name", "Wesal")
        .text("organizationId", "9363d889-xxxx-xxxx-xxxx-cd3ac1f67181")
        .text("companyId", &company.id.to_string())
        .text("companyName", company.name)
        .close()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_companies_are_listed_and_seven_known() {
        let data: serde_json::Value = serde_json::from_str(&data()).unwrap();
        let ids: Vec<_> = data["companies"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, [100_301, 100_302, 100_303, 100_304, 100_305]);
        assert!([1, 1_000_069].into_iter().all(|id| company(id).is_some()));
        assert!(company(2).is_none());
    }
}
