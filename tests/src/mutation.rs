//! Damage to files, drawn from a seed: bits, cuts and copies anywhere, and for JSON other values in its places.

use rand::{Rng, RngExt as _};
use serde_json::{Value, json};

/// A damaged copy of `content`.
pub fn damaged(content: &[u8], rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = content.to_vec();
    for _ in 0..rng.random_range(1..4) {
        damage(&mut bytes, rng);
    }
    bytes
}

fn damage(bytes: &mut Vec<u8>, rng: &mut impl Rng) {
    if bytes.is_empty() {
        bytes.push(rng.random());
        return;
    }
    let at = rng.random_range(0..bytes.len());
    let end = (at + rng.random_range(1..64)).min(bytes.len());
    match rng.random_range(0..6) {
        0 => bytes[at] ^= 1 << rng.random_range(0..8),
        1 => bytes[at] = rng.random(),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let piece = bytes[at..end].to_vec();
            let place = rng.random_range(0..bytes.len());
            bytes.splice(place..place, piece);
        }
        _ => bytes[at..end].fill(*[0u8, 0xff, b'9', b'"', b'[', b'{'].get(rng.random_range(0..6)).unwrap_or(&0)),
    }
}

/// Values that a careless reader stumbles over.
fn awkward(rng: &mut impl Rng) -> Value {
    let all = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(u64::MAX),
        json!(1u64 << 40),
        json!(1e308),
        json!(""),
        json!("../../etc/passwd"),
        json!("/etc/passwd"),
        json!("a\0b"),
        json!("..\\x"),
        json!("manifest.json"),
        json!("x".repeat(5000)),
        json!([]),
        json!({}),
        (0..100).fold(json!(1), |inner, _| json!([inner])),
        json!(vec![1; 1000]),
    ];
    all[rng.random_range(0..all.len())].clone()
}

/// JSON with another value, a value fewer or a value twice in one of its places.
pub fn damaged_json(text: &str, rng: &mut impl Rng) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let count = places(&value);
    let mut place = rng.random_range(0..count);
    change(&mut value, &mut place, rng);
    let text = value.to_string();
    // A name twice is nothing that a value can hold.
    if rng.random_range(0..20) == 0 { text.replacen("\":", "\":0,\"format\":", 1) } else { text }
}

fn places(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(places).sum(),
        Value::Object(items) => items.values().map(places).sum::<usize>(),
        _ => 0,
    }
}

fn change(value: &mut Value, place: &mut usize, rng: &mut impl Rng) -> bool {
    if *place == 0 {
        match (rng.random_range(0..5), &mut *value) {
            (0, Value::Object(items)) if !items.is_empty() => {
                let name = items.keys().nth(rng.random_range(0..items.len())).cloned().unwrap_or_default();
                items.shift_remove(&name);
            }
            (0 | 1, Value::Array(items)) if !items.is_empty() => {
                let item = items[rng.random_range(0..items.len())].clone();
                items.push(item);
            }
            (1, Value::Object(items)) => drop(items.insert("other".to_owned(), awkward(rng))),
            _ => *value = awkward(rng),
        }
        return true;
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| change(item, place, rng)),
        Value::Object(items) => items.values_mut().any(|item| change(item, place, rng)),
        _ => false,
    }
}
