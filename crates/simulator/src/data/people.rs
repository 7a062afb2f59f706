//! Invented people: agents and callers.

use rand::RngExt as _;
use rand::rngs::SmallRng;

use crate::rng::{pick, rng};

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

/// Returns a company's 14 agents. The first of every company is the reference's Ahmed Mohammed.
pub(crate) fn agents(seed: u64, company: u64) -> Vec<String> {
    let mut rng = rng(("agents", seed, company));
    let others = (1..14).map(|_| format!("{} {}", pick(&mut rng, &FIRST), pick(&mut rng, &LAST)));
    std::iter::once("Ahmed Mohammed".to_owned()).chain(others).collect()
}

/// Returns a Saudi mobile number as the telephone system writes it.
pub(crate) fn caller(rng: &mut SmallRng) -> String {
    format!("tel:+9665{:08}", rng.random_range(0..100_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_have_numbers_of_one_length() {
        assert!((0..100).all(|n| caller(&mut rng(n)).len() == "tel:+9665xxxxxxxx".len()));
    }

    #[test]
    fn company_keeps_its_agents() {
        assert_eq!(agents(1, 2), agents(1, 2));
        assert_ne!(agents(1, 2), agents(1, 3));
    }
}
