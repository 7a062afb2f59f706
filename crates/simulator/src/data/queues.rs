//! The queues that exist.

use rand::RngExt as _;

use crate::rng::{pick, rng, uuid};

const TEAMS: [&str; 10] =
    ["Sales", "Support", "Billing", "Returns", "Delivery", "Retention", "Complaints", "VIP", "Technical", "Renewals"];

/// The constant facts of a queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    /// The vendor's own spelling: lower case.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) members: i64,
    /// The seed of its figures.
    pub(crate) seed: u64,
}

/// Returns all 100 queues, the reference's two first, spelled as it spells them.
pub(crate) fn all(seed: u64) -> Vec<Queue> {
    (0..100)
        .map(|number| {
            let mut rng = rng(("queue", seed, number));
            let (id, name, members) = match number {
                0 => ("01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx".to_owned(), "Sales".to_owned(), 11),
                1 => ("02795dxx-xxxx-xxxx-xxxx-2f13cf5a0dxx".to_owned(), "Support".to_owned(), 33),
                _ => (uuid(&mut rng), format!("{} {number:02}", pick(&mut rng, &TEAMS)), rng.random_range(4..44)),
            };
            Queue { id, name, members, seed: rng.random() }
        })
        .collect()
}

/// Whether a text has the form of an id: 36 letters, digits and hyphens.
pub(crate) fn well_formed(id: &str) -> bool {
    id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundred_ids_are_distinct_well_formed_and_lower_case() {
        let mut ids: Vec<_> = all(1).into_iter().map(|queue| queue.id).collect();
        assert!(ids.iter().all(|id| well_formed(id) && *id == id.to_ascii_lowercase()));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 100);
    }

    #[test]
    fn queues_of_the_reference_come_first_with_every_seed() {
        for seed in [1, 99] {
            let queues = all(seed);
            assert_eq!((queues[0].name.as_str(), queues[0].members), ("Sales", 11));
            assert_eq!((queues[1].name.as_str(), queues[1].members), ("Support", 33));
        }
        assert_ne!(all(1)[2].id, all(2)[2].id);
    }

    #[test]
    fn malformed_ids_are_detected() {
        for wrong in ["", "abc", "01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dx!", "01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxxx"] {
            assert!(!well_formed(wrong), "{wrong}");
        }
    }
}
