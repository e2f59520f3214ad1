//! The query of `/files`, read once more in the plainest way.

/// What it asks for.
#[derive(Debug, Default)]
pub struct Query {
    pub path: Vec<u8>,
    pub username: String,
    pub signature: Option<String>,
    pub expiration: Option<i64>,
}

/// `None` for one that the agent should refuse.
pub fn read(text: &str) -> Option<Query> {
    let mut query = Query::default();
    for pair in text.split('&') {
        let (name, value) = match pair.find('=') {
            Some(place) => (&pair[..place], decode(&pair[place + 1..])),
            None => (pair, Vec::new()),
        };
        let text = String::from_utf8(value.clone());
        match &decode(name)[..] {
            b"path" => query.path = value,
            b"username" if value.is_empty() => {}
            b"username" => query.username = text.ok().filter(|name| !name.contains(':'))?,
            b"signature" => query.signature = Some(text.ok()?),
            b"signature_expiration" => query.expiration = Some(text.ok()?.parse().ok()?),
            b"mode" => {
                u32::from_str_radix(&text.ok()?, 8).ok().filter(|mode| *mode < 0o10000)?;
            }
            _ => {}
        }
    }
    Some(query)
}

/// As forms encode.
pub fn decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let number = |place: usize| after.get(place).and_then(|digit| char::from(*digit).to_digit(16));
        rest = after;
        match (first, number(0), number(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            (b'+', ..) => decoded.push(b' '),
            _ => decoded.push(*first),
        }
    }
    decoded
}

/// Every byte by its number.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02x}")).collect()
}
