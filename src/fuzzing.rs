//! The door for the fuzz targets (`fuzz/README.md`), and the test that their seeds hold. It is there in tests and with
//! `--cfg fuzzing` only. What must hold stands beside the code that must hold it, in the files named `properties.rs`.

use bytes::Bytes;

use crate::{fetch, http, model::Route};

/// A vendor's answer: a line with the status and the route's path, then the body. Says in a word what becomes of it;
/// `None` if the first line is no such line.
pub fn vendor_answer(input: &[u8]) -> Option<&'static str> {
    let (head, body) = head_and_body(input)?;
    let (status, path) = head.split_once(' ')?;
    let status = status.parse().ok().filter(|status| (100..1000).contains(status))?;
    let route = Route::ALL.into_iter().find(|route| route.template() == path)?;
    Some(fetch::vendor_answer(route, status, Bytes::copy_from_slice(body)))
}

/// A caller's request: a line with the method and the target, then the body. Says in a word what becomes of it; `None`
/// if the first line is no such line.
pub fn caller_request(input: &[u8]) -> Option<&'static str> {
    let (head, body) = head_and_body(input)?;
    let (method, target) = head.split_once(' ')?;
    http::caller_request(method, target, body)
}

/// A caller's request up to its body: a line with the method and the path, then a line for each header. Says in a word
/// who asks; `None` if it is no such request.
pub fn caller_headers(input: &[u8]) -> Option<&'static str> {
    let (head, lines) = head_and_body(input)?;
    let (method, path) = head.split_once(' ')?;
    http::caller_headers(method, path, lines)
}

fn head_and_body(input: &[u8]) -> Option<(&str, &[u8])> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    let (head, body) = input.split_at(end);
    Some((std::str::from_utf8(head).ok()?, body.get(1..)?))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// Runs every file of a corpus. Its name begins with the word for what becomes of it, and each of `words` is there.
    fn all_seeds_hold(target: &str, words: &[&str], run: fn(&[u8]) -> Option<&'static str>) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut seen = BTreeSet::new();
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // What fails inside has no name for it.
            println!("{name}");
            let word = run(&fs::read(&path).unwrap());
            // The fuzzer's own finds are named by their hash.
            if name.len() == 40 && name.bytes().all(|c| c.is_ascii_hexdigit()) {
                continue;
            }
            let word = word.unwrap_or_else(|| panic!("{name}: its first line is not understood"));
            assert!(name.starts_with(&format!("{word}-")), "{name}: the outcome is {word}");
            seen.insert(word);
        }
        assert_eq!(seen, words.iter().copied().collect(), "the outcomes that seeds in {} show", folder.display());
    }

    #[test]
    fn every_seed_of_a_vendors_answer_holds() {
        let words = [
            "cut",
            "failed",
            "in-parts",
            "invalid",
            "never-cut",
            "rejected",
            "success",
            "throttled",
            "token-dead",
            "unavailable",
            "whole",
        ];
        all_seeds_hold("vendor_answer", &words, vendor_answer);
    }

    #[test]
    fn every_seed_of_a_callers_headers_holds() {
        all_seeds_hold("caller_headers", &["by-key", "by-session", "nobody", "stranger", "two"], caller_headers);
    }

    #[test]
    fn every_seed_of_a_callers_request_holds() {
        all_seeds_hold("caller_request", &["elsewhere", "refused", "taken"], caller_request);
    }
}
