//! Made-up events of about 1 KB with three values that are marked, and the configuration that goes with them.

/// One source of events, one view, three marks.
pub const SOURCES: &str = r#"
[[source]]
topic = "raw.events"
kind = "event"
detection = "off"
protected = "protected.events"
dead-letters = "dead"
[[view]]
name = "debug"
clearance = 0
unlisted = "show"
[view.topics]
"raw.events" = "debug.events"
[[mark]]
workspace = "acme"
on = "attribute"
name = "email"
[[mark]]
workspace = "acme"
on = "attribute"
name = "phone"
[[mark]]
workspace = "acme"
on = "attribute"
name = "name"
"#;

/// The attributes that are marked.
pub const MARKED: [&str; 3] = ["email", "phone", "name"];

/// The event with this number.
pub fn order(number: u64) -> Vec<u8> {
    let items: Vec<_> = (0..13)
        .map(|n| serde_json::json!({"sku": 1000 + n, "qty": number % 7, "title": format!("A thing of kind {n}, blue")}))
        .collect();
    let document = serde_json::json!({
        "workspace": "acme", "action": "order.paid", "time": "2026-01-01T00:00:00Z",
        "client": {
            "id": number, "email": format!("ann.example.{number}@example.com"),
            "phone": format!("+48 {:09}", number % 1_000_000_000), "name": "Ann Example",
        },
        "params": {"total": 199.9, "currency": "EUR", "items": items, "note": "left at the door, ring twice"},
        "context": {"ip": "192.0.2.7", "agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"},
    });
    document.to_string().into_bytes()
}
