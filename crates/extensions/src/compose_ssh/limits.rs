//! The profile's limits in a service: where the file has none, or weaker ones.

use sandboxer_types::{Object, Resources};
use serde_json::{Value, json};

/// Writes the stricter of the file's own limits and the profile's into a service.
pub(super) fn set(service: &mut Object, resources: &Resources) {
    let memory = resources.memory.map(|size| size.as_bytes() as f64);
    set_one(service, "cpus", "cpus", resources.cpus, |value| json!(value));
    // An engine takes whole bytes and whole processes.
    set_one(service, "memory", "mem_limit", memory, |value| json!((value as u64).to_string()));
    set_one(service, "pids", "pids_limit", resources.pids.map(|pids| pids as f64), |value| json!(value as u64));
    // What is left of them is empty, and compared with the others all the same.
    let deployed = service.get_mut("deploy").and_then(|deploy| deploy.pointer_mut("/resources"));
    if let Some(resources) = deployed.and_then(Value::as_object_mut) {
        resources.remove("limits");
    }
    if let Some(memory) = service.get("mem_limit").cloned() {
        // Without this, as much again may be swapped out.
        let memory = number(&memory);
        if number(service.get("memswap_limit").unwrap_or(&Value::Null))
            .is_some_and(|swap| Some(swap) < memory || swap < 0.0)
        {
            service.remove("memswap_limit");
        }
    }
}

/// One limit stands in one place only: tools refuse two that differ.
fn set_one(service: &mut Object, deployed: &str, key: &str, most: Option<f64>, write: impl Fn(f64) -> Value) {
    let of_deploy = service
        .get_mut("deploy")
        .and_then(|deploy| deploy.pointer_mut("/resources/limits"))
        .and_then(Value::as_object_mut)
        .and_then(|limits| limits.remove(deployed));
    let own = of_deploy.or_else(|| service.get(key).cloned());
    // 0 and less mean no limit.
    let known = own.as_ref().and_then(number).filter(|known| *known > 0.0);
    match (known, most) {
        (Some(known), Some(most)) => drop(service.insert(key.to_owned(), write(known.min(most)))),
        (None, Some(most)) => drop(service.insert(key.to_owned(), write(most))),
        (_, None) => {
            if let Some(own) = own {
                service.insert(key.to_owned(), own);
            }
        }
    }
}

/// A number, or a size such as `100M`.
fn number(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => text.trim().to_ascii_lowercase(),
        _ => return None,
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].trim_end_matches('b').trim_end_matches('i') {
        "" => 1.0,
        "k" => 1024.0,
        "m" => 1024.0 * 1024.0,
        "g" => 1024.0 * 1024.0 * 1024.0,
        "t" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    digits.trim().parse::<f64>().ok().map(|number| number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandboxer_types::ByteSize;

    fn with_limits(service: Value) -> Value {
        let resources =
            Resources { cpus: Some(1.0), memory: Some(ByteSize::bytes(1 << 20)), pids: Some(64), disk: None };
        let Value::Object(mut service) = service else { panic!("a mapping") };
        set(&mut service, &resources);
        Value::Object(service)
    }

    #[test]
    fn the_stricter_limit_holds() {
        assert_eq!(with_limits(json!({})), json!({"cpus": 1.0, "mem_limit": "1048576", "pids_limit": 64}));
        let own = json!({"cpus": "0.5", "mem_limit": "10k", "pids_limit": -1});
        assert_eq!(with_limits(own), json!({"cpus": 0.5, "mem_limit": "10240", "pids_limit": 64}));
        let deployed = json!({"deploy": {"resources": {"limits": {"cpus": 4, "memory": "2g", "pids": 3}}}});
        let expected = json!({"deploy": {"resources": {}}, "cpus": 1.0, "mem_limit": "1048576", "pids_limit": 3});
        assert_eq!(with_limits(deployed), expected);
    }

    #[test]
    fn a_limit_of_the_file_stays_where_the_profile_has_none() {
        let Value::Object(mut service) = json!({"mem_limit": "1g", "deploy": {"resources": {"limits": {"cpus": 2}}}})
        else {
            panic!("a mapping")
        };
        set(&mut service, &Resources::default());
        let expected = json!({"mem_limit": "1g", "cpus": 2, "deploy": {"resources": {}}});
        assert_eq!(Value::Object(service), expected);
    }
}
