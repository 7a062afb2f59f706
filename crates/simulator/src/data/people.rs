//! Made-up people: agents and callers. Any likeness is chance.

use crate::rng::{below, hash, pick, splitmix64};

const FIRST: [&str; 16] = [
    "Ahmed", "Sara", "Mohammed", "Noura", "Khalid", "Reem", "Faisal", "Huda", "Omar", "Layla", "Yousef", "Maha",
    "Tariq", "Dana", "Salem", "Amal",
];

const LAST: [&str; 12] = [
    "Mohammed",
    "Alharbi",
    "Alqahtani",
    "Alotaibi",
    "Alghamdi",
    "Alzahrani",
    "Alshehri",
    "Aldosari",
    "Almutairi",
    "Alanazi",
    "Alsubaie",
    "Alamri",
];

/// How many agents a company has.
const AGENTS: u64 = 14;

/// One of a company's agents. The first of every company is the reference's Ahmed Mohammed.
pub(crate) fn agent(seed: u64, company: u64, chance: u64) -> String {
    let number = below(chance, AGENTS);
    if number == 0 {
        return "Ahmed Mohammed".to_owned();
    }
    let name = hash(&[seed, company, 0xa6e7, number]);
    format!("{} {}", pick(name, &FIRST), pick(splitmix64(name), &LAST))
}

/// A Saudi mobile number, as the telephone system writes it.
pub(crate) fn caller(chance: u64) -> String {
    format!("tel:+9665{:08}", below(chance, 100_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_have_numbers_of_one_length() {
        assert!((0..100).all(|n| caller(splitmix64(n)).len() == "tel:+9665xxxxxxxx".len()));
    }

    #[test]
    fn a_company_keeps_its_agents() {
        let mut names: Vec<_> = (0..500).map(|n| agent(1, 2, splitmix64(n))).collect();
        names.sort();
        names.dedup();
        assert!((5..=14).contains(&names.len()), "{names:?}");
    }
}
