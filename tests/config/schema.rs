//! The schema and the program accept the same.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use wesal_gateway::config::{Environment, HumanDuration, Size, parse, schema};

/// Whether the schema takes a file, and whether the program does.
fn taken(text: &str) -> (bool, bool) {
    let file = toml::from_str::<Value>(text).unwrap();
    let loaded = parse(text, Path::new("config.toml"), &Environment::empty(), jiff::Timestamp::UNIX_EPOCH);
    (jsonschema::is_valid(&schema(), &file), loaded.is_ok())
}

#[test]
fn schema_and_program_accept_the_same_durations_and_sizes() {
    let schema = schema();
    let pattern = |name: &str| jsonschema::validator_for(&schema["$defs"][name]).unwrap();
    let (duration, size) = (pattern("Duration"), pattern("Size"));
    let numbers = ["", "3", "0", "1.5", "1.", ".5", "1,5", "+3", "-3", " 3", "1.5.5", "1.1234567891"];
    let words = [
        "h hr hrs hour hours hou m min mins minute minutes s sec secs second seconds seco ms msec msecs milli millis",
        "millisecond milliseconds us usec usecs µs µsec µsecs micro micros microsecond microseconds ns nsec nsecs nano",
        "nanos nanosecond nanoseconds d day days w weeks mo y years fortnights M H S B b k KB kb Ki KiB kib MiB M GiB T",
        "PiB eib miles i Bi",
    ];
    let mut units: Vec<&str> = words.iter().flat_map(|line| line.split(' ')).collect();
    units.extend(["", "s ago", "s ", "s,", "s\n"]);
    let mut texts = vec!["1:30:00".to_owned(), "1:30".to_owned(), "MiB".to_owned(), "0:00:01".to_owned()];
    for number in numbers {
        texts.extend(units.iter().flat_map(|unit| [format!("{number}{unit}"), format!("{number} {unit}")]));
    }
    let short = ["1h", "2 m", "3s", "4ms", "5us", "6 µs", "7ns", "1.5h", "2.5 s", "1d", "30"];
    for between in ["", " ", ",", ", ", " , ", ",,"] {
        let pairs = short.iter().flat_map(|first| short.iter().map(move |then| format!("{first}{between}{then}")));
        texts.extend(pairs);
    }
    texts.extend(["1h 2m 3s 4ms 5us 6ns".to_owned(), "1h 2m 1h".to_owned()]);
    let (mut otherwise, mut seen) = (Vec::new(), [0; 4]);
    for text in &texts {
        let read = Value::from(text.as_str());
        let (program_duration, program_size) =
            (HumanDuration::deserialize(&read).is_ok(), Size::deserialize(&read).is_ok());
        if duration.is_valid(&read) != program_duration || size.is_valid(&read) != program_size {
            otherwise.push(text);
        }
        seen[usize::from(program_duration)] += 1;
        seen[2 + usize::from(program_size)] += 1;
    }
    assert!(otherwise.is_empty(), "the two differ over {otherwise:?}");
    assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
}

#[test]
fn schema_and_program_require_the_same_of_a_caller() {
    let hash = format!("sha256:{}", "1".repeat(64));
    let caller = |rest: &str| format!("[[callers]]\nname = \"a\"\n{rest}");
    assert_eq!(taken(&caller(&format!("key_hashes = [{hash:?}]"))), (true, true));
    for less in ["", "key_hashes = []", "key_hashes = [\"1\"]"] {
        assert_eq!(taken(&caller(less)), (false, false), "{less}");
    }
    assert_eq!(taken(&format!("[[callers]]\nkey_hashes = [{hash:?}]")), (false, false));
}

#[test]
fn schema_has_types_defaults_and_secrets() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["$defs"]["Secret"]["writeOnly"], true);
    assert_eq!(schema["$defs"]["ServerConfig"]["properties"]["drain_timeout"]["default"], "30s");
    assert_eq!(schema["$defs"]["ServerConfig"]["additionalProperties"], false);
    assert_eq!(schema["$defs"]["RateLimit"]["required"], serde_json::json!(["requests", "per"]));
    assert_eq!(schema["$defs"]["CacheConfig"]["properties"]["capacity"]["default"], "64 MiB");
    assert_eq!(schema["$defs"]["Duration"]["type"], "string");
}
