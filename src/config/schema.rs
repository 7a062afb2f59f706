use serde_json::Value;

use super::Config;

/// The JSON Schema (draft 2020-12) of the settings file, with every default; secrets are `writeOnly`.
pub fn schema() -> Value {
    schemars::schema_for!(Config).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_each_setting_is() {
        let schema = schema();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["$defs"]["Secret"]["writeOnly"], true);
        assert_eq!(schema["$defs"]["ServerConfig"]["properties"]["drain_timeout"]["default"], "30s");
        assert_eq!(schema["$defs"]["ServerConfig"]["additionalProperties"], false);
        assert_eq!(schema["$defs"]["RateLimit"]["required"], serde_json::json!(["requests", "per"]));
        assert_eq!(schema["$defs"]["CacheConfig"]["properties"]["capacity"]["default"], "64 MiB");
        assert_eq!(schema["$defs"]["Duration"]["type"], "string");
    }
}
