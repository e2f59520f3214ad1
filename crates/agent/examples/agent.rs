//! An agent whose options are its first argument, as JSON: for tests and measurements.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = std::env::args().nth(1).ok_or("give the options as JSON")?;
    Ok(sandboxer_agent::run(serde_json::from_str(&options)?, |_| {})?)
}
