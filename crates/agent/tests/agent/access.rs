//! Who is let in, and what surrounds all requests.

use sandboxer_agent::Token;
use serde_json::json;

use crate::http::{encoded, exchange, streaming, unary};
use crate::support::Agent;

const TOKEN: &str = "x-access-token: secret";

/// An agent that got its token by `/init`, since what travels as text holds none.
fn guarded() -> Agent {
    let agent = Agent::start();
    let body = br#"{"accessToken": "secret"}"#;
    assert_eq!(exchange(&agent, "POST /init HTTP/1.1", body).status, 204);
    agent
}

#[test]
fn a_token_guards_everything_but_health() {
    let agent = guarded();
    assert_eq!(exchange(&agent, "GET /health HTTP/1.1", b"").status, 204);
    for head in [
        "GET /envs HTTP/1.1".to_owned(),
        "GET /metrics HTTP/1.1".to_owned(),
        "GET /files?path=/etc/passwd HTTP/1.1".to_owned(),
        format!("POST /files?path={} HTTP/1.1", agent.path("x")),
        "POST /files/compose HTTP/1.1".to_owned(),
        "POST /init HTTP/1.1".to_owned(),
        "CONNECT localhost:1 HTTP/1.1".to_owned(),
        "POST /process.Process/List HTTP/1.1\r\ncontent-type: application/json".to_owned(),
        "POST /sandboxer.agent.v1.Agent/ListCommands HTTP/1.1\r\ncontent-type: application/json".to_owned(),
    ] {
        for shown in ["", "\r\nx-access-token: ", "\r\nx-access-token: wrong"] {
            let answer = exchange(&agent, &format!("{head}{shown}"), b"{}");
            assert_eq!((answer.status, &answer.json()["code"]), (401, &json!(401)), "{head}{shown}");
        }
        let answer = exchange(&agent, &format!("{head}\r\n{TOKEN}"), b"{}");
        assert_ne!(answer.status, 401, "{head}");
    }
    let frames = streaming(
        &agent,
        "process.Process/Start",
        &format!("\r\n{TOKEN}"),
        &[json!({
            "process": {"cmd": "true"}
        })],
    );
    assert_eq!(frames.status, 200);
}

#[test]
fn a_signed_address_opens_one_file() {
    let agent = guarded();
    let path = agent.path("signed");
    std::fs::write(&path, "content").unwrap();
    let sign = |text: &str| {
        use base64::Engine as _;
        use sha2::Digest as _;
        let hash = sha2::Sha256::digest(text);
        encoded(&format!("v1_{}", base64::engine::general_purpose::STANDARD_NO_PAD.encode(hash)))
    };
    let get = |query: &str| exchange(&agent, &format!("GET /files?path={}{query} HTTP/1.1", encoded(&path)), b"");
    let lasting = sign(&format!("{path}:read::secret"));
    let answer = get(&format!("&signature={lasting}"));
    assert_eq!((answer.status, &answer.body[..]), (200, &b"content"[..]));
    let late = "4000000000";
    let timed = sign(&format!("{path}:read::secret:{late}"));
    assert_eq!(get(&format!("&signature={timed}&signature_expiration={late}")).status, 200);
    let past = sign(&format!("{path}:read::secret:1000"));
    assert_eq!(get(&format!("&signature={past}&signature_expiration=1000")).status, 401);
    assert_eq!(get(&format!("&signature={lasting}&signature_expiration={late}")).status, 401);
    assert_eq!(get(&format!("&signature={timed}")).status, 401);
    assert_eq!(get("&signature=v1_").status, 401);
    let writing = sign(&format!("{path}:write::secret"));
    let with_mode = format!("POST /files?path={}&mode=4755&signature={writing} HTTP/1.1", encoded(&path));
    assert_eq!(exchange(&agent, &with_mode, b"changed").status, 400);
    let other = format!("GET /files?path={}&signature={lasting} HTTP/1.1", encoded("/etc/passwd"));
    assert_eq!(exchange(&agent, &other, b"").status, 401);
    let write = format!("POST /files?path={}&signature={lasting} HTTP/1.1", encoded(&path));
    assert_eq!(exchange(&agent, &write, b"changed").status, 401);
    assert_eq!(std::fs::read(&path).unwrap(), b"content");
}

#[test]
fn init_sets_what_applies_to_all() {
    let agent = Agent::start();
    let init = |body: serde_json::Value| exchange(&agent, "POST /init HTTP/1.1", body.to_string().as_bytes());
    assert_eq!(
        init(json!({"envVars": {"A": "b"}, "defaultWorkdir": "/usr", "timestamp": "2026-01-01T00:00:00Z"})).status,
        204
    );
    assert_eq!(exchange(&agent, "GET /envs HTTP/1.1", b"").json(), json!({"A": "b"}));
    let start = json!({"process": {"cmd": "sh", "args": ["-c", "echo -n $A $PWD"]}, "stdin": false});
    let frames = streaming(&agent, "process.Process/Start", "", &[start]).frames();
    assert_eq!(frames[1].1["event"]["data"]["stdout"], "YiAvdXNy");
    assert_eq!(exchange(&agent, "POST /init HTTP/1.1", b"").status, 204);
    assert_eq!(exchange(&agent, "POST /init HTTP/1.1", b"nonsense").status, 400);
    for wrong in [
        json!({"accessToken": "zzz", "defaultUser": "no-such-user"}),
        json!({"accessToken": "zzz", "envVars": {"A=B": "x"}}),
        json!({"accessToken": "zzz", "defaultWorkdir": "/a\u{0}b"}),
    ] {
        assert!(matches!(init(wrong.clone()).status, 400 | 401), "{wrong}");
        assert_eq!(exchange(&agent, "GET /envs HTTP/1.1", b"").status, 200, "{wrong} was half done");
    }
    let refused = init(json!({"caBundle": "-----BEGIN"}));
    assert_eq!(refused.status, 501);
    assert!(refused.json()["message"].as_str().unwrap().contains("caBundle"));
    assert_eq!(exchange(&agent, "GET /envs HTTP/1.1", b"").json(), json!({"A": "b"}));
}

#[test]
fn a_token_is_set_once() {
    let agent = guarded();
    let init = |head: &str, body: &[u8]| exchange(&agent, head, body).status;
    assert_eq!(init("POST /init HTTP/1.1", br#"{"accessToken": "secret"}"#), 204);
    assert_eq!(init("POST /init HTTP/1.1", br#"{"accessToken": "other"}"#), 401);
    assert_eq!(init(&format!("POST /init HTTP/1.1\r\n{TOKEN}"), br#"{"accessToken": "other"}"#), 401);
    assert_eq!(init(&format!("POST /init HTTP/1.1\r\n{TOKEN}"), b"{}"), 204);
    assert_eq!(unary(&agent, "process.Process/List", &json!({})).status, 401);
}

#[test]
fn a_token_never_shows() {
    let token = Token::new("secret").unwrap();
    assert!(!format!("{token:?}").contains("secret"));
}

#[test]
fn metrics_are_numbers() {
    let metrics = exchange(&Agent::start(), "GET /metrics HTTP/1.1", b"").json();
    for name in ["ts", "cpu_count", "mem_total", "mem_used", "mem_cache", "disk_used", "disk_total", "mem_total_mib"] {
        assert!(metrics[name].as_u64().is_some_and(|value| value > 0), "{name}: {metrics}");
    }
    assert!(metrics["cpu_used_pct"].is_number());
}
