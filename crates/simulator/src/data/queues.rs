//! The queues that exist.

use crate::rng::{below, hash, pick, uuid};

/// How many queues there are.
const COUNT: u64 = 100;

const TEAMS: [&str; 10] =
    ["Sales", "Support", "Billing", "Returns", "Delivery", "Retention", "Complaints", "VIP", "Technical", "Renewals"];

/// A queue, and what never changes about it.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    /// The vendor's own spelling: lower case.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) members: u64,
    /// Where its chances come from.
    pub(crate) seed: u64,
}

/// All queues, the reference's two first, spelled as it spells them.
pub(crate) fn all(seed: u64) -> Vec<Queue> {
    (0..COUNT)
        .map(|number| {
            let own = hash(&[seed, 0x9eee, number]);
            let (id, name, members) = match number {
                0 => ("01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx".to_owned(), "Sales".to_owned(), 11),
                1 => ("02795dxx-xxxx-xxxx-xxxx-2f13cf5a0dxx".to_owned(), "Support".to_owned(), 33),
                _ => (uuid(own), format!("{} {number:02}", pick(own, &TEAMS)), 4 + below(own.rotate_left(17), 40)),
            };
            Queue { id, name, members, seed: own }
        })
        .collect()
}

/// Whether a text can be an id at all: 36 letters, digits and hyphens.
pub(crate) fn well_formed(id: &str) -> bool {
    id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_hundred_different_well_formed_ids_in_lower_case() {
        let mut ids: Vec<_> = all(1).into_iter().map(|queue| queue.id).collect();
        assert!(ids.iter().all(|id| well_formed(id) && *id == id.to_ascii_lowercase()));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 100);
    }

    #[test]
    fn the_references_two_come_first_under_every_seed() {
        for seed in [1, 99] {
            let queues = all(seed);
            assert_eq!((queues[0].name.as_str(), queues[0].members), ("Sales", 11));
            assert_eq!((queues[1].name.as_str(), queues[1].members), ("Support", 33));
        }
        assert_ne!(all(1)[2].id, all(2)[2].id);
    }

    #[test]
    fn what_is_no_id_is_known_as_such() {
        for wrong in ["", "abc", "01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dx!", "01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxxx"] {
            assert!(!well_formed(wrong), "{wrong}");
        }
    }
}
